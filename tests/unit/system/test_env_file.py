"""The settings file as it lies on disk; what its lines mean is tested with `dotenv`."""

import os

import pytest

from authgate_cli.errors import UsageError
from authgate_cli.system.env_file import read_env_file


@pytest.fixture
def env(tmp_path):
    path = tmp_path / ".env"
    path.touch(0o600)
    return path


def read(path, named=False):
    """Return the settings and the warnings."""
    warnings = []
    return read_env_file(str(path), named, warnings.append), warnings


def test_our_variables_are_read_and_nothing_else(env):
    env.write_text("CLIENT_ID=client\nPATH=/evil\nLD_PRELOAD=evil.so\nBROWSER=evil\nAUTHGATE_URL=https://a.example\n")
    assert read(env) == ({"CLIENT_ID": "client", "AUTHGATE_URL": "https://a.example"}, [])


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


def test_a_directory_called_env_is_somebodys_virtual_environment(tmp_path):
    assert read(tmp_path)[0] == {}


def test_a_directory_that_was_named_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        read(tmp_path, named=True)


def test_a_fifo_in_the_current_directory_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / ".env")
    assert read(tmp_path / ".env")[0] == {}


def test_a_pipe_that_was_named_is_read():
    reading, writing = os.pipe()
    os.write(writing, b"CLIENT_ID=client\n")
    os.close(writing)
    try:
        assert read(f"/dev/fd/{reading}", named=True)[0] == {"CLIENT_ID": "client"}
    finally:
        os.close(reading)


def test_what_cannot_be_read_is_passed_over_with_a_warning(tmp_path):
    (tmp_path / ".env").symlink_to(".env")
    values, [warning] = read(tmp_path / ".env")
    assert values == {}
    assert "is passed over" in warning
