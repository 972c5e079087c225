"""The settings file as it lies on disk; what its lines mean is tested with `dotenv`."""

import os
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from authgate_cli.errors import UsageError
from authgate_cli.system.env_file import read_env_file


@pytest.fixture
def env(tmp_path):
    path = tmp_path / ".env"
    path.touch(0o600)
    tmp_path.chmod(0o700)
    return path


def read(path, named=False):
    """Return the settings and the warnings."""
    warnings = []
    return read_env_file(str(path), named, warnings.append), warnings


def test_our_variables_are_read_and_nothing_else(env):
    env.write_text("CLIENT_ID=client\nPATH=/evil\nLD_PRELOAD=evil.so\nBROWSER=evil\nAUTHGATE_URL=https://a.example\n")
    expected = {"CLIENT_ID": "client", "AUTHGATE_URL": "https://a.example"}
    assert read(env) == read(env, named=True) == (expected, [])


@pytest.mark.parametrize(
    "data",
    [
        b"CLIENT_ID=client",
        b"\xef\xbb\xbfCLIENT_ID=client\r\n",
        "CLIENT_ID=client\r\n".encode("utf-16"),
        b"# comment\n\nexport CLIENT_ID='client'  # why\n",
    ],
)
def test_the_bytes_of_every_editor_are_understood(env, data):
    env.write_bytes(data)
    assert read(env) == ({"CLIENT_ID": "client"}, [])


def test_a_malformed_line_is_named_by_its_number_and_never_shown(env):
    env.write_text("CLIENT_ID=client\nCLIENT_SECRET 'hunter2\n")
    values, [warning] = read(env)
    assert values == {"CLIENT_ID": "client"}
    assert "line 2 of" in warning
    assert "hunter2" not in warning


@pytest.mark.parametrize(
    ("mode", "content", "warned"),
    [
        (0o600, "CLIENT_SECRET=hunter2", False),
        (0o640, "CLIENT_SECRET=hunter2", True),
        (0o604, "CLIENT_SECRET=hunter2", True),
        (0o644, "CLIENT_SECRET=", False),
        (0o644, "CLIENT_ID=client", False),
    ],
)
@pytest.mark.skipif(os.name != "posix", reason="modes are a POSIX matter")
def test_a_secret_that_others_can_read_is_used_with_a_warning(env, mode, content, warned):
    env.write_text(content)
    env.chmod(mode)
    values, warnings = read(env)
    assert len(values) == 1
    assert ["chmod 600" in warning for warning in warnings] == [True] * warned
    assert "hunter2" not in str(warnings)


def test_a_file_that_merely_might_be_there_need_not_be(tmp_path):
    assert read(tmp_path / ".env") == ({}, [])


def test_a_file_that_was_named_has_to_be_there(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        read(tmp_path / "settings", named=True)


def test_a_directory_that_was_named_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        read(tmp_path, named=True)


def test_a_pipe_that_was_named_is_read():
    """As `--env-file <(sops -d prod.env)` does."""
    reading, writing = os.pipe()
    os.write(writing, b"CLIENT_ID=client\n")
    os.close(writing)
    try:
        assert read(f"/dev/fd/{reading}", named=True)[0] == {"CLIENT_ID": "client"}
    finally:
        os.close(reading)


def test_a_hash_right_after_the_equals_sign_belongs_to_the_value(env):
    env.write_text("CLIENT_SECRET=#x\nCLIENT_ID=a #b\n")
    assert read(env) == ({"CLIENT_SECRET": "#x", "CLIENT_ID": "a"}, [])


def test_what_cannot_be_read_is_ignored_with_a_warning(tmp_path):
    (tmp_path / ".env").symlink_to(".env")
    values, [warning] = read(tmp_path / ".env")
    assert values == {}
    assert "is ignored: it cannot be read" in warning


# -- a file that was found


def make_fifo(path):
    os.mkfifo(path)


def make_link_to(target):
    return lambda path: path.symlink_to(target)


NO_FILES = {
    "a directory (a virtual environment, say)": Path.mkdir,
    "a FIFO": make_fifo,
    "a link to a directory": make_link_to("/"),
    "a link to a device": make_link_to("/dev/zero"),
    "a link to standard input": make_link_to("/dev/stdin"),
}


@pytest.mark.parametrize("make", NO_FILES.values(), ids=NO_FILES)
def test_what_is_no_regular_file_is_ignored_with_a_warning_and_not_waited_for(tmp_path, make):
    make(tmp_path / ".env")
    reading, writing = os.pipe()
    before = os.dup(0)
    os.dup2(reading, 0)  # for the link to standard input: a pipe that nobody writes to
    try:
        values, [warning] = read(tmp_path / ".env")
    finally:
        os.dup2(before, 0)
        for descriptor in (reading, writing, before):
            os.close(descriptor)
    assert values == {}
    assert warning.endswith(".env is ignored: it is not a regular file")


def test_a_link_to_a_fifo_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / ".env").symlink_to("fifo")
    assert "is not a regular file" in read(tmp_path / ".env")[1][0]


def test_a_dangling_link_is_ignored_with_a_warning(tmp_path):
    (tmp_path / ".env").symlink_to("nowhere")
    values, [warning] = read(tmp_path / ".env")
    assert (values, "it cannot be read: No such file" in warning) == ({}, True)


@pytest.mark.parametrize("name", ["environ", "cmdline", "maps"])
@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="no /proc on this system")
def test_a_link_into_proc_sets_nothing(tmp_path, name):
    (tmp_path / ".env").symlink_to(f"/proc/self/{name}")
    values, warnings = read(tmp_path / ".env")
    assert (values, str(os.environ.get("HOME")) in str(warnings)) == ({}, False)


@pytest.mark.skipif(not os.path.exists("/proc/self/comm"), reason="no /proc on this system")
def test_a_file_of_proc_is_not_even_read(tmp_path):
    """Reading /proc/kmsg, say, takes the messages of the kernel away from those that they are meant for."""
    name = Path("/proc/self/comm")
    before = name.read_text()
    (tmp_path / ".env").symlink_to(name)
    name.write_text("CLIENT_ID=evil")
    try:
        assert read(tmp_path / ".env") == ({}, [])
    finally:
        name.write_text(before)


def test_a_file_that_is_too_large_is_ignored(env):
    env.write_text("CLIENT_ID=client\n" + "#" * 1024 * 1024)
    values, [warning] = read(env)
    assert (values, "larger than 1 MiB" in warning) == ({}, True)


@pytest.mark.parametrize("path", ["/dev/zero", "large"])
def test_a_file_that_was_named_and_is_too_large_is_an_error(tmp_path, path):
    (tmp_path / "large").write_text("#" * (1024 * 1024 + 1))
    with pytest.raises(UsageError, match="larger than 1 MiB"):
        read(tmp_path / path, named=True)


def test_what_a_found_file_may_not_set_is_named_with_the_way_out(env):
    env.write_text("CLIENT_ID=client\nAUTHGATE_TOKEN=hush\nAUTHGATE_STORE=file\nBROWSER=evil\n")
    values, [warning] = read(env)
    assert values == {"CLIENT_ID": "client"}
    assert warning == (
        f"AUTHGATE_STORE and AUTHGATE_TOKEN in {env} are ignored; export them, or name the file with --env-file {env}"
    )


def test_an_empty_setting_is_worth_no_warning(env):
    env.write_text("AUTHGATE_TOKEN=\nAUTHGATE_STORE=' '\n")
    assert read(env) == ({}, [])


posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes are a POSIX matter")
as_root = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="only root can make a file that belongs to somebody else"
)
NOBODY = 65534
OPEN_DIRECTORY = "it is in a directory that can be written by others"
OTHERS_DIRECTORY = "it is in a directory that belongs to another user"
# Who owns file and directory, with which modes, and what the warning says of it.
TRUST = {
    "the user's own": ((0, 0), 0o600, (0, 0), 0o700, None),
    "readable by all": ((0, 0), 0o644, (0, 0), 0o755, None),
    "writable by the user's primary group": ((0, 0), 0o664, (0, 0), 0o775, None),
    "writable by everybody": ((0, 0), 0o646, (0, 0), 0o755, "it can be written by others"),
    "directory writable by everybody": ((0, 0), 0o600, (0, 0), 0o757, OPEN_DIRECTORY),
    "sticky directory": ((0, 0), 0o600, (0, 0), 0o1777, None),
    "writable by everybody in a sticky directory": ((0, 0), 0o622, (0, 0), 0o1777, "it can be written by others"),
    "a sticky file": ((0, 0), 0o1622, (0, 0), 0o755, "it can be written by others"),
}
TRUST_OF_OTHERS = {
    "another user's": ((NOBODY, 0), 0o600, (0, 0), 0o700, "it belongs to another user"),
    "another user's, readable by all": ((NOBODY, NOBODY), 0o644, (0, 0), 0o755, "it belongs to another user"),
    "another user's in a sticky directory": ((NOBODY, NOBODY), 0o644, (0, 0), 0o1777, "it belongs to another user"),
    "writable by another group": ((0, NOBODY), 0o660, (0, 0), 0o700, "it can be written by others"),
    "readable by another group": ((0, NOBODY), 0o640, (0, 0), 0o700, None),
    "directory of another user": ((0, 0), 0o600, (NOBODY, 0), 0o755, OTHERS_DIRECTORY),
    "sticky directory of another user": ((0, 0), 0o600, (NOBODY, 0), 0o1777, OTHERS_DIRECTORY),
    "directory writable by another group": (
        *((0, 0), 0o600, (0, NOBODY), 0o770),
        OPEN_DIRECTORY,
    ),
    "sticky directory writable by another group": ((0, 0), 0o600, (0, NOBODY), 0o1770, None),
}


def check_trust(env, case):
    (owner, mode, owner_of_directory, mode_of_directory, reason) = case
    env.write_text("CLIENT_ID=client\n")
    if os.geteuid() == 0:
        os.chown(env, *owner)
        os.chown(env.parent, *owner_of_directory)
    env.chmod(mode)
    env.parent.chmod(mode_of_directory)

    told = f"{env} is ignored: {reason}; if you trust it, use --env-file {env}"
    assert read(env) == (({}, [told]) if reason else ({"CLIENT_ID": "client"}, []))
    assert read(env, named=True) == ({"CLIENT_ID": "client"}, [])


@posix
@pytest.mark.parametrize("case", TRUST.values(), ids=TRUST)
def test_a_file_that_others_could_have_written_is_ignored(env, case):
    check_trust(env, case)


@as_root
@pytest.mark.parametrize("case", TRUST_OF_OTHERS.values(), ids=TRUST_OF_OTHERS)
def test_a_file_that_belongs_to_others_is_ignored(env, case):
    check_trust(env, case)


@as_root
def test_the_file_behind_a_link_is_judged(env):
    target = env.with_name("target")
    env.rename(target)
    target.write_text("CLIENT_ID=client\n")
    env.symlink_to("target")
    assert read(env) == ({"CLIENT_ID": "client"}, [])

    os.chown(target, NOBODY, 0)
    assert "it belongs to another user" in read(env)[1][0]


@as_root
def test_somebody_elses_link_to_a_file_of_ours_is_ignored(env):
    """In /tmp, another user could point a `.env` at a settings file of another project."""
    target = env.with_name("target")
    env.rename(target)
    env.symlink_to("target")
    os.lchown(env, NOBODY, NOBODY)
    assert "it belongs to another user" in read(env)[1][0]


@as_root
def test_a_link_through_a_directory_that_others_can_write_is_ignored(env):
    """There, another user could point our link at any file of ours or root's."""
    shared, target = env.with_name("shared"), env.with_name("target")
    env.rename(target)
    target.write_text("CLIENT_ID=client\n")
    shared.mkdir()
    env.symlink_to(shared / "env")
    (shared / "env").symlink_to(target)
    assert read(env) == ({"CLIENT_ID": "client"}, [])

    shared.chmod(0o777)
    assert OPEN_DIRECTORY in read(env)[1][0]

    shared.chmod(0o1777)
    os.lchown(shared / "env", NOBODY, NOBODY)
    assert "it belongs to another user" in read(env)[1][0]


@posix
@pytest.mark.parametrize("mode", [0o755, 0o1777], ids=["our own directory", "sticky"])
def test_a_second_name_is_trusted_only_where_others_cannot_have_made_it(env, mode):
    """In a sticky directory, where the kernel permits it, they can give a file of ours the name .env."""
    env.write_text("CLIENT_ID=client\n")
    os.link(env, env.with_name("other"))
    env.parent.chmod(mode)

    values, warnings = read(env)

    if mode == 0o755:
        assert (values, warnings) == ({"CLIENT_ID": "client"}, [])
    else:
        told = f"it has a second name (a hard link); if you trust it, use --env-file {env}"
        assert (values, warnings) == ({}, [f"{env} is ignored: {told}"])
    assert read(env, named=True) == ({"CLIENT_ID": "client"}, [])


# Tag, permissions, user id: the owner, user 65534, the group, the mask, others (acl(5); the kernel's struct).
ACCESS_LIST = ((1, 7, 2**32 - 1), (2, 7, NOBODY), (4, 4, 2**32 - 1), (16, 7, 2**32 - 1), (32, 4, 2**32 - 1))


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="POSIX access lists are a matter of Linux here")
@pytest.mark.parametrize("place", ["file", "directory"])
def test_what_an_access_list_lets_others_write_is_ignored(env, place):
    """The mode shows it as the right of the group, which may be the user's own."""
    env.write_text("CLIENT_ID=client\n")
    path = env if place == "file" else env.parent
    packed = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in ACCESS_LIST)
    try:
        os.setxattr(path, "system.posix_acl_access", packed)
    except OSError:
        pytest.skip("this file system has no access lists")
    assert path.stat().st_mode & stat.S_IWGRP

    reason = "it can be written by others" if place == "file" else OPEN_DIRECTORY
    assert reason in read(env)[1][0]
    assert read(env, named=True) == ({"CLIENT_ID": "client"}, [])


@as_root
def test_a_file_of_roots_is_trusted_by_everybody(env):
    env.write_text("CLIENT_ID=client\n")
    env.chmod(0o644)
    env.parent.chmod(0o755)
    script = """
import os, sys
from authgate_cli.system.env_file import read_env_file
os.chdir(sys.argv[1])
os.setgroups([])
os.setgid(12345)
os.setuid(12345)
print(read_env_file(".env", False, print))
"""
    run = [sys.executable, "-c", script, str(env.parent)]
    done = subprocess.run(run, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert (done.stdout, done.stderr) == ("{'CLIENT_ID': 'client'}\n", "")
