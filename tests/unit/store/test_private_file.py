"""The private file: who may see it, what is refused, and what is left when a write fails."""

import os
import stat

import pytest
from own_process import run

from authgate_cli.errors import StoreFailed
from authgate_cli.store.private_file import (
    LARGEST,
    check_replaceable,
    leftovers,
    move_aside,
    read_private,
    remove_leftovers,
    replace_private,
)

posix = pytest.mark.skipif(os.name != "posix", reason="modes and owners are a POSIX matter")
pytestmark = posix


def no_warning(text):
    pytest.fail(f"warned: {text}")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def read(path):
    return read_private(str(path), no_warning) or b""


OPERATIONS = {
    "read": read,
    "replaced": lambda path: replace_private(str(path), b"new"),
    "checked": lambda path: check_replaceable(str(path), 10),
}


@pytest.fixture(params=OPERATIONS)
def operation(request):
    return OPERATIONS[request.param]


def symlink(path):
    path.with_name("elsewhere").write_text("old")
    path.symlink_to("elsewhere")
    return path


def dangling_symlink(path):
    path.symlink_to("nowhere")
    return path


def fifo(path):
    os.mkfifo(path)
    return path


def directory(path):
    path.mkdir()
    return path


def someone_elses(path):
    if os.geteuid() != 0:
        return type(path)("/etc/passwd")
    path.write_text("{}")
    path.chmod(0o644)
    os.chown(path, 1000, 1000)
    return path


def hard_link(path):
    path.with_name("elsewhere").write_text("{}")
    path.with_name("elsewhere").chmod(0o644)
    os.link(path.with_name("elsewhere"), path)
    return path


def text(content):
    def make(path):
        path.write_text(content)
        path.chmod(0o644)
        return path

    return make


def in_an_open_directory(path):
    path.write_text("{}")
    path.chmod(0o644)
    path.parent.chmod(0o777)
    return path


def test_a_file_that_is_written_can_be_read_again(tmp_path):
    replace_private(str(tmp_path / "tokens"), b"{\0new\r\n")
    assert read(tmp_path / "tokens") == b"{\0new\r\n"


def test_a_file_that_is_not_there_reads_as_empty(tmp_path):
    assert read(tmp_path / "tokens") == b""


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o277, 0o777])
def test_a_file_is_private_from_its_first_moment_whatever_the_umask(tmp_path, umask):
    # The audit hook sees the mode that open() itself has given: for others, a chmod afterwards would be too late.
    code = """
        import os, stat, sys
        from authgate_cli.store.private_file import replace_private

        def watch(event, arguments):
            if event in ("os.rename", "os.chmod"):
                mode = stat.S_IMODE(os.stat(arguments[0]).st_mode)
                print("open to others" if mode & 0o077 else "renamed as %04o" % mode if event == "os.rename" else "")

        os.umask(int(sys.argv[2]))
        sys.addaudithook(watch)
        replace_private(sys.argv[1], b"secret")
    """
    assert [line for line in run(code, tmp_path / "tokens", umask) if line] == ["renamed as 0600"]
    assert mode(tmp_path / "tokens") == 0o600


def test_what_is_written_is_on_disk_before_it_takes_the_old_ones_place(tmp_path):
    code = """
        import os, stat, sys
        from authgate_cli.store.private_file import replace_private

        def replace(*names, call=os.replace):
            print("replace")
            call(*names)

        def fsync(descriptor, call=os.fsync):
            is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
            print("sync", os.pread(descriptor, 99, 0).decode() if is_file else "directory")
            call(descriptor)

        os.replace, os.fsync = replace, fsync
        replace_private(sys.argv[1], b"secret", before_rename=lambda: print("asked"))
    """
    assert run(code, tmp_path / "tokens") == ["sync secret", "asked", "replace", "sync directory"]


def test_a_replaced_file_is_a_new_one_so_that_nobody_reads_half_of_it(tmp_path):
    path = tmp_path / "tokens"
    replace_private(str(path), b"{old}")
    with path.open("rb") as reader:
        replace_private(str(path), b"new")
        assert reader.read() == b"{old}"
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"new", ["tokens"])


def test_a_relative_name_means_the_current_directory(tmp_path):
    code = "from authgate_cli.store.private_file import replace_private; replace_private('tokens', b'new')"
    run(code, cwd=tmp_path)
    assert (tmp_path / "tokens").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (symlink, "is a symbolic link"),
        (dangling_symlink, "is a symbolic link"),
        (fifo, "is not a regular file"),
        (directory, "is not a regular file"),
        (someone_elses, "belongs to another user"),
        (hard_link, "has a second name"),
        (text("not JSON"), "does not look like a token file"),
        (text("[]"), "does not look like a token file"),
        (text(" {}"), "does not look like a token file"),
        (text("\n"), "does not look like a token file"),
        (text("\0"), "does not look like a token file"),
        (in_an_open_directory, "is writable by everyone"),
    ],
)
def test_what_is_not_a_file_of_our_own_is_refused_and_left_alone(tmp_path, operation, make, reason):
    path = make(tmp_path / "tokens")
    before = path.lstat(), sorted(os.listdir(path.parent))
    with pytest.raises(StoreFailed, match=reason):
        operation(path)
    after = path.lstat(), sorted(os.listdir(path.parent))
    assert (after[0][:7], after[0].st_mtime_ns, after[1]) == (before[0][:7], before[0].st_mtime_ns, before[1])


def test_a_sticky_directory_may_be_written_by_everybody(tmp_path, operation):
    tmp_path.chmod(0o1777)
    operation(tmp_path / "tokens")


@pytest.mark.parametrize("appears", ["symlink", "fifo", "foreign", "hard_link", "text"])
def test_what_is_put_there_between_the_look_and_the_opening_is_refused_all_the_same(tmp_path, appears):
    """The audit hook is the other process: it runs just before the file is opened."""
    code = """
        import os, sys
        from authgate_cli.errors import StoreFailed
        from authgate_cli.store.private_file import read_private

        path, elsewhere = sys.argv[1], sys.argv[1] + "-elsewhere"

        def be_faster(event, arguments):
            if event == "open" and arguments[0] == path and not done:
                done.append(True)
                os.unlink(path)
                {
                    "symlink": lambda: os.symlink(elsewhere, path),
                    "fifo": lambda: os.mkfifo(path),
                    "foreign": lambda: (os.link(elsewhere, path), os.unlink(elsewhere), os.chown(path, 1000, -1)),
                    "hard_link": lambda: os.link(elsewhere, path),
                    "text": lambda: os.close(os.open(path, os.O_CREAT | os.O_EXCL)) or os.truncate(path, 9),
                }[sys.argv[2]]()

        done = [True]
        for name in (path, elsewhere):
            with open(name, "w") as file:
                file.write("{}")
        done.clear()
        sys.addaudithook(be_faster)
        try:
            print(read_private(path, print))
        except StoreFailed as error:
            print("refused")
    """
    if appears == "foreign" and os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    assert run(code, tmp_path / "tokens", appears) == ["refused"]


@pytest.mark.parametrize("loose", [0o644, 0o640, 0o606, 0o660])
def test_a_mode_too_loose_is_tightened_with_a_warning(tmp_path, loose):
    path, warnings = tmp_path / "tokens", []
    path.write_text("{}")
    path.chmod(loose)
    assert read_private(str(path), warnings.append) == b"{}"
    assert (mode(path), len(warnings)) == (0o600, 1)
    assert "its mode is now 0600" in warnings[0]


@pytest.mark.parametrize("way", ["ignores it", "forbids it"])
def test_where_chmod_has_no_effect_nothing_else_is_claimed(tmp_path, way):
    code = """
        import os, sys
        from authgate_cli.store.private_file import read_private

        def fchmod(descriptor, mode):  # of such a file system
            if sys.argv[2] == "forbids it":
                raise PermissionError(1, "Operation not permitted")

        os.fchmod = fchmod
        print(read_private(sys.argv[1], print))
    """
    (tmp_path / "tokens").write_text("{}")
    (tmp_path / "tokens").chmod(0o644)
    warning, content = run(code, tmp_path / "tokens", way)
    assert ("chmod cannot change that" in warning, "0600" in warning) == (True, False)
    assert content == "b'{}'"


def test_a_private_file_is_read_without_a_warning(tmp_path):
    (tmp_path / "tokens").write_text("{}")
    (tmp_path / "tokens").chmod(0o600)
    assert read(tmp_path / "tokens") == b"{}"


def test_a_file_too_large_to_be_a_token_file_is_not_read_into_memory(tmp_path):
    path = tmp_path / "tokens"
    path.touch(0o600)
    path.write_text("{")
    os.truncate(path, LARGEST + 1)
    with pytest.raises(StoreFailed, match="larger than 16 MiB"):
        read(path)


def test_a_missing_directory_is_named(tmp_path, operation):
    with pytest.raises(StoreFailed, match="directory .*/missing does not exist"):
        operation(tmp_path / "missing" / "tokens")


def test_a_file_in_place_of_the_directory_is_an_error(tmp_path, operation):
    (tmp_path / "file").touch()
    with pytest.raises(StoreFailed, match="cannot be read: Not a directory"):
        operation(tmp_path / "file" / "tokens")


def test_a_device_in_place_of_the_directory_is_not_to_be_closed_to_others(operation):
    """HOME is /dev/null for many users of services; `chmod o-w /dev/null` would break the machine."""
    with pytest.raises(StoreFailed, match="cannot be read: Not a directory") as caught:
        operation("/dev/null/tokens")
    assert "chmod" not in str(caught.value.hint)


def test_without_a_home_there_is_nowhere_to_keep_a_token(operation):
    with pytest.raises(StoreFailed, match="no home directory"):
        operation("")


@pytest.mark.parametrize("call", ["replace_private(path, data)", "check_replaceable(path, len(data))"])
def test_a_write_that_fails_half_way_leaves_the_old_file_and_no_litter(tmp_path, call):
    path = tmp_path / "tokens"
    path.write_text("{}")
    code = f"""
        import resource, sys
        from authgate_cli.store.private_file import check_replaceable, replace_private
        from authgate_cli.errors import StoreFailed

        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        path, data = sys.argv[1], b"x" * 5000
        try:
            {call}
        except StoreFailed as error:
            print(error.message)
    """
    [message] = run(code, path)
    assert "File too large" in message
    assert (path.read_text(), os.listdir(tmp_path)) == ("{}", ["tokens"])


def test_a_check_writes_as_much_as_asked_and_leaves_nothing(tmp_path):
    check_replaceable(str(tmp_path / "tokens"), 100_000)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", ["", '{"data": {}}'], ids=["empty", "with tokens"])
def test_a_check_replaces_the_file_with_the_same_content(tmp_path, content):
    """A file that is mounted by itself, or immutable, cannot be replaced, although its directory can be written."""
    path = tmp_path / "tokens"
    path.write_text(content)
    before, asked = path.stat().st_ino, []

    check_replaceable(str(path), 100_000, lambda: asked.append(path.stat().st_ino))

    assert (path.read_text(), mode(path), os.listdir(tmp_path)) == (content, 0o600, ["tokens"])
    assert asked == [before] != [path.stat().st_ino]


def test_a_check_keeps_what_a_program_without_our_lock_has_just_saved(tmp_path):
    path = tmp_path / "tokens"
    path.write_text("{}")

    check_replaceable(str(path), 10, before_rename=lambda: path.write_text('{"new": 1}'))

    assert (path.read_text(), os.listdir(tmp_path)) == ('{"new": 1}', ["tokens"])


@pytest.mark.parametrize("call", ["replace_private(path, b'{}')", "check_replaceable(path, 10)"])
def test_a_file_that_cannot_be_replaced_is_an_error_with_the_way_out(tmp_path, call):
    path = tmp_path / "tokens"
    path.write_text("{}")
    code = f"""
        import errno, os, sys
        from authgate_cli.store.private_file import check_replaceable, replace_private
        from authgate_cli.errors import StoreFailed

        def mounted(event, arguments):
            if event == "os.rename":
                raise OSError(errno.EBUSY, "Device or resource busy")

        sys.addaudithook(mounted)
        path = sys.argv[1]
        try:
            {call}
        except StoreFailed as error:
            print(error.message)
            print(error.hint)
    """
    message, hint = run(code, path)
    assert "Device or resource busy" in message
    assert "mount its directory" in hint
    assert (path.read_text(), os.listdir(tmp_path)) == ("{}", ["tokens"])


def test_a_check_of_a_huge_file_neither_reads_nor_writes_it(tmp_path):
    path = tmp_path / "tokens"
    path.write_text("{")
    os.truncate(path, 1 << 40)  # sparse

    with pytest.raises(StoreFailed, match="larger than"):
        check_replaceable(str(path), 10)


@pytest.mark.parametrize("call", ["replace_private('tokens', b'new')", "check_replaceable('tokens', 10)"])
def test_a_directory_that_may_not_be_written_is_an_error(tmp_path, call):
    tmp_path.chmod(0o555)
    code = f"""
        import os
        from authgate_cli.store.private_file import check_replaceable, replace_private
        from authgate_cli.errors import StoreFailed

        if os.geteuid() == 0:
            os.setuid(1000)
        try:
            {call}
        except StoreFailed as error:
            print(error.message)
    """
    [message] = run(code, cwd=tmp_path)
    assert "Permission denied" in message


def test_a_corrupt_file_is_moved_to_the_first_free_name(tmp_path):
    path, names = tmp_path / "tokens", []
    for content in ("first", "second", "third"):
        path.write_text(content)
        names.append(os.path.basename(move_aside(str(path))))
    assert names == ["tokens.corrupt", "tokens.corrupt-2", "tokens.corrupt-3"]
    assert [(tmp_path / name).read_text() for name in names] == ["first", "second", "third"]
    assert not path.exists()


def test_a_corrupt_file_that_cannot_be_moved_is_an_error(tmp_path):
    with pytest.raises(StoreFailed, match="could not be moved aside"):
        move_aside(str(tmp_path / "tokens"))


KEPT = ["tokens", "tokens.lock", "tokens.refresh", "tokens.corrupt.bak", "tokens.corrupt-", "tokens.corrupt-x"]
KEPT += ["tokens.1-abcdef0.tmp", "tokens.1-abcdefgh.tmp", "tokens.x-0123abcd.tmp", "tokens.-0123abcd.tmp", "tokens.tmp"]
KEPT += ["tokens.1-0123abcd.tmp.old", "other.corrupt", "corrupt", "tokens2.corrupt"]
LEFT_OVER = ["tokens.1-0123abcd.tmp", "tokens.65536-ffffffff.tmp", "tokens.corrupt", "tokens.corrupt-2"]


def test_what_was_left_over_is_found_by_its_exact_name_and_removed(tmp_path):
    for name in KEPT + LEFT_OVER:
        (tmp_path / name).touch(0o600)
    path = str(tmp_path / "tokens")
    assert leftovers(path) == [str(tmp_path / name) for name in LEFT_OVER]
    remove_leftovers(path)
    assert sorted(os.listdir(tmp_path)) == sorted(KEPT)


@pytest.mark.parametrize("make", [symlink, fifo, directory, someone_elses, hard_link])
def test_what_is_not_our_own_is_not_removed(tmp_path, make):
    if make is someone_elses and os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    make(tmp_path / "tokens.corrupt")
    before = sorted(os.listdir(tmp_path))
    assert leftovers(str(tmp_path / "tokens")) == []
    remove_leftovers(str(tmp_path / "tokens"))
    assert sorted(os.listdir(tmp_path)) == before


def test_leftovers_of_a_file_that_is_named_by_a_relative_path_or_not_at_all(tmp_path, monkeypatch):
    (tmp_path / "tokens.corrupt").touch()
    monkeypatch.chdir(tmp_path)
    assert leftovers("tokens") == ["tokens.corrupt"]
    assert (leftovers(""), leftovers("missing/tokens")) == ([], [])


@pytest.mark.parametrize("call", ["replace_private", "check_replaceable", "move_aside"])
def test_names_that_others_have_put_there_are_not_followed(tmp_path, call):
    """Whatever name is about to be used leads elsewhere by the time it is used."""
    code = """
        import os, sys
        from authgate_cli.errors import StoreFailed
        from authgate_cli.store import private_file

        path, elsewhere = sys.argv[1], sys.argv[1] + "-elsewhere"

        def be_faster(event, arguments):
            name = arguments[1] if event == "os.rename" else arguments[0] if event == "open" else None
            if name and name != path and str(name).startswith(path + "."):
                os.symlink(elsewhere, name) if not os.path.lexists(name) else None

        sys.addaudithook(be_faster)
        try:
            print(getattr(private_file, sys.argv[2])(path, *eval(sys.argv[3])))
        except StoreFailed as error:
            print("refused")
    """
    (tmp_path / "tokens").write_text("{")
    (tmp_path / "tokens-elsewhere").write_text("theirs")
    run(code, tmp_path / "tokens", call, {"replace_private": "[b'new']", "check_replaceable": "[9]"}.get(call, "[]"))
    assert (tmp_path / "tokens-elsewhere").read_text() == "theirs"
    assert not (tmp_path / "tokens-elsewhere").is_symlink()
