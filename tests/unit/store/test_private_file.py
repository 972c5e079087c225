"""The private file: who may see it, what is refused, and what is left when a write fails."""

import os
import stat

import pytest
from own_process import run

from authgate_cli.errors import StoreFailed
from authgate_cli.store.private_file import LARGEST, check_replaceable, move_aside, read_private, replace_private

posix = pytest.mark.skipif(os.name != "posix", reason="modes and owners are a POSIX matter")
pytestmark = posix


def no_warning(text):
    pytest.fail(f"warned: {text}")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def read(path):
    return read_private(str(path), no_warning)


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
    path.write_text("old")
    path.chmod(0o644)
    os.chown(path, 1000, 1000)
    return path


def test_a_file_that_is_written_can_be_read_again(tmp_path):
    replace_private(str(tmp_path / "tokens"), b"\0new\r\n")
    assert read(tmp_path / "tokens") == b"\0new\r\n"


def test_a_file_that_is_not_there_reads_as_empty(tmp_path):
    assert read(tmp_path / "tokens") == b""


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_a_file_is_private_from_its_first_moment_whatever_the_umask(tmp_path, umask):
    # The audit hook sees the mode that open() itself is given: a chmod afterwards would be too late.
    code = """
        import os, stat, sys
        from authgate_cli.store.private_file import replace_private

        def watch(event, arguments):
            if event in ("os.rename", "os.chmod"):
                print(event, *("%04o" % stat.S_IMODE(os.stat(one).st_mode) for one in arguments[:1]))

        os.umask(int(sys.argv[2]))
        sys.addaudithook(watch)
        replace_private(sys.argv[1], b"secret")
    """
    expected = "%04o" % (0o600 & ~umask)
    assert run(code, tmp_path / "tokens", umask) == [f"os.rename {expected}"]


def test_what_is_written_is_on_disk_before_it_takes_the_old_ones_place(tmp_path):
    code = """
        import os, sys
        from authgate_cli.store.private_file import replace_private

        def told(name, call):
            def tell(*arguments, **how):
                print(name)
                return call(*arguments, **how)
            return tell

        for name in ("write", "fsync", "replace"):
            setattr(os, name, told(name, getattr(os, name)))
        replace_private(sys.argv[1], b"secret")
    """
    assert run(code, tmp_path / "tokens") == ["write", "fsync", "replace", "fsync"]


def test_a_replaced_file_is_a_new_one_so_that_nobody_reads_half_of_it(tmp_path):
    path = tmp_path / "tokens"
    replace_private(str(path), b"old")
    with path.open("rb") as reader:
        replace_private(str(path), b"new")
        assert reader.read() == b"old"
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
    ],
)
def test_what_is_not_a_file_of_our_own_is_refused_and_left_alone(tmp_path, operation, make, reason):
    path = make(tmp_path / "tokens")
    before = path.lstat(), sorted(os.listdir(tmp_path))
    with pytest.raises(StoreFailed, match=reason):
        operation(path)
    after = path.lstat(), sorted(os.listdir(tmp_path))
    assert (after[0][:7], after[0].st_mtime_ns, after[1]) == (before[0][:7], before[0].st_mtime_ns, before[1])


@pytest.mark.parametrize("loose", [0o644, 0o640, 0o606, 0o660])
def test_a_mode_too_loose_is_tightened_with_a_warning(tmp_path, loose):
    path, warnings = tmp_path / "tokens", []
    path.write_text("old")
    path.chmod(loose)
    assert read_private(str(path), warnings.append) == b"old"
    assert (mode(path), len(warnings)) == (0o600, 1)
    assert "0600" in warnings[0]


def test_a_private_file_is_read_without_a_warning(tmp_path):
    (tmp_path / "tokens").write_text("old")
    (tmp_path / "tokens").chmod(0o600)
    assert read(tmp_path / "tokens") == b"old"


def test_a_file_too_large_to_be_a_token_file_is_not_read_into_memory(tmp_path):
    path = tmp_path / "tokens"
    path.touch(0o600)
    os.truncate(path, LARGEST + 1)
    with pytest.raises(StoreFailed, match="larger than 16 MiB"):
        read(path)


def test_a_missing_directory_is_named(tmp_path, operation):
    with pytest.raises(StoreFailed, match="directory .*/missing does not exist"):
        operation(tmp_path / "missing" / "tokens")


def test_a_file_in_place_of_the_directory_is_an_error(tmp_path, operation):
    (tmp_path / "file").touch()
    with pytest.raises(StoreFailed, match="cannot be reached"):
        operation(tmp_path / "file" / "tokens")


def test_without_a_home_there_is_nowhere_to_keep_a_token(operation):
    with pytest.raises(StoreFailed, match="no home directory"):
        operation("")


@pytest.mark.parametrize("call", ["replace_private(path, data)", "check_replaceable(path, len(data))"])
def test_a_write_that_fails_half_way_leaves_the_old_file_and_no_litter(tmp_path, call):
    path = tmp_path / "tokens"
    path.write_text("old")
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
    assert (path.read_text(), os.listdir(tmp_path)) == ("old", ["tokens"])


def test_a_check_writes_as_much_as_asked_and_leaves_nothing(tmp_path):
    check_replaceable(str(tmp_path / "tokens"), 100_000)
    assert os.listdir(tmp_path) == []


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
