"""A disk that is full, closed, missing or strange: exit 5, nothing lost, and never after a person has approved."""

import os
import resource
import stat
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from storms import few_or_many

LOGIN, TOKEN = ("login", "--flow", "device"), ("token",)
TOKEN_ENDPOINT = "/oauth/token"
NOBODY = 54321  # a user whom /etc/passwd does not know


def asked(server):
    """Count what has been asked of a person, and what has been spent."""
    return server.count("POST", "/oauth/device/code") + server.count("POST", TOKEN_ENDPOINT)


def failed(done, *words):
    """Check that a run ended as the contract wants it: exit 5, one line, a hint, and no result."""
    error, hint = done.stderr.splitlines()[-2:]
    assert (done.returncode, done.stdout) == (5, ""), done.stderr
    assert error.startswith("authgate: error: ")
    assert hint.startswith("authgate: hint: ")
    assert all(word in error for word in words), error
    return True


commands = pytest.mark.parametrize("command", [LOGIN, TOKEN], ids=["login", "token"])


# -- nowhere to write: found out before anything is spent


@pytest.fixture(params=["file size limit", "full disk", "mounted file"])
def full(request, expired, tmp_path):
    """Run commands where nothing large can be written any more, or the file replaced; the stored token has expired."""
    if request.param == "mounted file":  # as containers mount one; a file can be written beside it all the same
        with mounted("--bind", str(expired.token_file), on=expired.token_file):
            yield expired, expired.run
        return
    if request.param == "file size limit":
        limited = ("sh", "-c", 'ulimit -f 16; exec "$0" "$@"')
        yield (
            expired,
            lambda *argv: subprocess.run(
                [*limited, *expired.command(*argv)],
                env=expired.environ(),
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            ),
        )
        return
    with small_disk(tmp_path) as disk:
        expired.home = disk
        expired.store(expired.given)
        fill(disk)
        yield expired, lambda *argv: expired.run(*argv, env={"HOME": str(disk)})


@contextmanager
def mounted(*what: str, on: Path):
    try:
        subprocess.run(["mount", *what, str(on)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting is not permitted here; the file size limit is tested all the same")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(on)], check=True)


@contextmanager
def small_disk(place: Path):
    """Make a file system with room for little, where root may mount one."""
    disk = place / "disk"
    disk.mkdir()
    with mounted("-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", on=disk):
        yield disk


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(b"x" * 4096):
                pass
        except OSError:
            pass


# A sign-in that is forced looks at no token first.
forced = pytest.mark.parametrize("command", [(*LOGIN, "--force"), TOKEN], ids=["login", "token"])


@forced
def test_a_full_disk_is_found_out_before_anything_is_spent(full, server, command):
    client, run = full
    before, listing = client.token_file.read_bytes(), set(os.listdir(client.home))

    assert failed(run(*command), str(client.token_file))

    assert asked(server) == 0
    assert client.token_file.read_bytes() == before
    assert set(os.listdir(client.home)) - listing <= {client.token_file.name + ".refresh"}
    assert server.family_alive(client.given["refresh_token"])


@forced
def test_a_home_that_cannot_be_written_is_found_out_before_anything_is_spent(somebody, server, command):
    before = somebody.token_file.read_bytes()
    somebody.home.chmod(0o555)

    done = somebody.run(*command, **somebody.identity)

    assert failed(done, "Permission denied")
    assert done.stderr.endswith("hint: name a --token-file elsewhere, or set AUTHGATE_TOKEN\n")
    assert asked(server) == 0
    assert somebody.token_file.read_bytes() == before


@commands
def test_a_home_that_does_not_exist(client, server, command):
    home = client.home / "missing"

    done = client.run(*command, env={"HOME": str(home)})

    assert failed(done, str(home), "does not exist")
    assert asked(server) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without a home")
@commands
def test_no_home_at_all(somebody, server, command):
    done = somebody.run(*command, env={"HOME": None}, cwd="/", user=NOBODY)

    assert failed(done, "no home directory")
    assert "set HOME, or name a --token-file" in done.stderr
    assert asked(server) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without a home")
def test_a_token_file_that_is_named_needs_no_home(somebody, server):
    os.chmod(somebody.home, 0o1777)
    mine = ("--token-file", str(somebody.home / "named.json"))

    login = somebody.run(*LOGIN, *mine, env={"HOME": None}, cwd="/", user=NOBODY)
    token = somebody.run(*TOKEN, *mine, env={"HOME": None}, cwd="/", user=NOBODY)

    assert (login.returncode, token.returncode) == (0, 0), login.stderr + token.stderr


# -- a save that fails all the same, when the answer is in hand


def during_the_exchange(server, act):
    """Do something while the server has the request, and before it answers."""
    server.misbehave(TOKEN_ENDPOINT, when=lambda seen: act() or True)


def strange_place(client):
    client.token_file.unlink(missing_ok=True)
    client.token_file.mkdir()


@pytest.mark.parametrize("command", [LOGIN, TOKEN, ("login", "--json")], ids=["login", "token", "refreshed by login"])
def test_a_token_in_hand_is_shown_although_it_cannot_be_saved(client, server, command):
    if command != LOGIN:
        client.store(server.issue())
    during_the_exchange(server, lambda: strange_place(client))

    done = client.run(*command)

    assert done.returncode == 5
    assert f" token could not be saved: the token file {client.token_file} is not a regular file" in done.stderr
    if command == TOKEN:
        assert done.stdout.strip() in server.access
    else:
        assert "Jane Doe" in done.stdout
    assert asked(server) == (2 if command == LOGIN else 1)


@forced
def test_a_home_that_is_closed_meanwhile(somebody, server, command):
    during_the_exchange(server, lambda: somebody.home.chmod(0o555))
    before = somebody.token_file.read_bytes()

    done = somebody.run(*command, **somebody.identity)

    assert done.returncode == 5
    assert done.stdout.strip() in server.access if command == TOKEN else "Jane Doe" in done.stdout
    assert "Permission denied" in done.stderr
    assert somebody.token_file.read_bytes() == before


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux's prlimit")
@forced
def test_a_disk_that_gets_full_meanwhile(expired, server, command):
    """The old content survives, whole; there is no temporary file."""
    before, running = expired.token_file.read_bytes(), []
    during_the_exchange(server, lambda: resource.prlimit(running[0].pid, resource.RLIMIT_FSIZE, (100, 100)))

    running.append(expired.start(*command))
    out, err = running[0].communicate(timeout=60)

    assert running[0].returncode == 5
    assert out.strip() in server.access if command == TOKEN else "Jane Doe" in out
    assert "File too large" in err
    assert expired.token_file.read_bytes() == before
    assert set(os.listdir(expired.home)) <= {expired.token_file.name, expired.token_file.name + ".refresh"}


# -- strange things in the file's place


def symlink(path: Path) -> None:
    target = path.with_name("elsewhere.json")
    path.rename(target)
    path.symlink_to(target)


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def another_users(path: Path) -> None:
    os.chown(path, NOBODY, -1)


def hard_link(path: Path) -> None:
    os.link(path, path.with_name("elsewhere.json"))


def shell_script(path: Path) -> None:
    path.write_text("alias ls='ls --color'\n")
    path.chmod(0o644)


def a_list(path: Path) -> None:
    path.write_text("[]")


def null(path: Path) -> None:
    path.write_bytes(b"\0" * 9)


def blank(path: Path) -> None:
    path.write_text(" \n")


def in_an_open_directory(path: Path) -> None:
    path.chmod(0o644)
    path.parent.chmod(0o777)


STRANGE = {
    symlink: "is a symbolic link",
    fifo: "is not a regular file",
    directory: "is not a regular file",
    another_users: "belongs to another user",
    hard_link: "has a second name",
    shell_script: "does not look like a token file",
    a_list: "does not look like a token file",
    null: "does not look like a token file",
    blank: "does not look like a token file",
    in_an_open_directory: "is writable by everyone",
}


def described(path: Path) -> tuple:
    status = os.lstat(path)
    content = path.read_bytes() if stat.S_ISREG(os.stat(path).st_mode) else None
    return status.st_ino, status.st_mode, status.st_uid, content


TOUCHING = [LOGIN, (*LOGIN, "--force"), TOKEN, ("status",), ("status", "--offline"), ("inspect",), ("doctor",)]
TOUCHING += [("logout",), ("logout", "--all"), ("exec", "--", "true")]


EVERY_TOUCH = [
    pytest.param(make, touch, id=f"{' '.join(touch)}-{make.__name__}") for touch in TOUCHING for make in STRANGE
]


@pytest.mark.parametrize(("make", "command"), EVERY_TOUCH[:: few_or_many(3, 1)])
def test_a_strange_file_is_left_alone(expired, server, make, command):
    if make is another_users and os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    make(expired.token_file)
    before = described(expired.token_file), os.listdir(expired.home), expired.home.stat().st_mtime_ns
    where = expired.home if make is in_an_open_directory else expired.token_file

    done = expired.run(*command, timeout=20)

    if command == ("doctor",):
        assert (done.returncode, "failed    token file: " in done.stdout) == (5, True), done.stdout
        assert str(where) in done.stdout and STRANGE[make] in done.stdout
    else:
        assert failed(done, str(where), STRANGE[make])
        assert server.requests == []
    assert (described(expired.token_file), os.listdir(expired.home), expired.home.stat().st_mtime_ns) == before
    assert server.count("POST", TOKEN_ENDPOINT) == 0


# -- corrupt, empty, open to others

READING = [TOKEN, ("login", "--no-input"), ("status",), ("status", "--offline"), ("inspect",), ("logout",)]
READING += [("exec", "--", "true")]
CORRUPT = {
    "cut off": b'{"data": {"a": "{\\"access_token',
    "other maps": b'{"data": []}',
    "trailing text": b"{} and more",
}


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_corrupt_file_is_named_by_whoever_reads_it_and_left_alone(expired, server, command):
    expired.token_file.write_bytes(CORRUPT["cut off"])

    assert failed(expired.run(*command), str(expired.token_file), "corrupt")

    assert expired.token_file.read_bytes() == CORRUPT["cut off"]
    assert asked(server) == 0


@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
def test_a_sign_in_moves_a_corrupt_file_aside_and_goes_on(expired, server, content):
    expired.token_file.write_bytes(content)
    aside = expired.token_file.with_name(expired.token_file.name + ".corrupt")

    done = expired.run(*LOGIN)

    assert done.returncode == 0
    assert f"authgate: warning: the token file was corrupt; it was renamed to {aside}" in done.stderr
    assert (aside.read_bytes(), stat.S_IMODE(aside.stat().st_mode)) == (content, 0o600)
    assert expired.run(*TOKEN).stdout.strip() == expired.stored()["access_token"]


def test_a_machine_moves_a_corrupt_file_aside_too(client, server):
    client.token_file.write_bytes(CORRUPT["cut off"])
    client.environment |= {"CLIENT_ID": server.confidential_id, "CLIENT_SECRET": server.confidential_secret}

    done = client.run("login", "--flow", "client-credentials")

    assert (done.returncode, "the token file was corrupt" in done.stderr) == (0, True)
    assert client.run("token").returncode == 0


@pytest.mark.parametrize(
    ("environment", "status"),
    [
        ({"CLIENT_SECRET": None}, 2),
        ({"AUTHGATE_URL": "http://127.0.0.1:1"}, 3),
        ({"AUTHGATE_URL": None}, 2),
    ],
    ids=["no secret", "no server", "a server that only a .env names"],
)
def test_a_sign_in_that_cannot_begin_moves_no_corrupt_file(client, server, environment, status):
    client.token_file.write_bytes(CORRUPT["cut off"])
    (client.home / ".env").write_text(f"AUTHGATE_URL={server.issuer}\n")
    secret = {"CLIENT_ID": server.confidential_id, "CLIENT_SECRET": server.confidential_secret}

    done = client.run("login", "--flow", "client-credentials", env={**secret, **environment})

    assert (done.returncode, client.token_file.read_bytes()) == (status, CORRUPT["cut off"])


def test_an_empty_file_is_as_if_absent(expired):
    expired.token_file.write_bytes(b"")

    token, login = expired.run(*TOKEN), expired.run(*LOGIN)

    assert (token.returncode, login.returncode) == (4, 0)
    assert "corrupt" not in token.stderr + login.stderr
    assert os.listdir(expired.home) == [expired.token_file.name]


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604])
def test_a_file_open_to_others_is_closed_with_a_warning(expired, server, mode):
    expired.store(expired.given, left=3600)
    expired.token_file.chmod(mode)

    first, second = expired.run(*TOKEN), expired.run(*TOKEN)

    assert first.stdout == second.stdout == expired.given["access_token"] + "\n"
    assert first.stderr == (
        f"authgate: warning: the token file {expired.token_file} was accessible to other users; its mode is now 0600\n"
    )
    assert second.stderr == ""
    assert stat.S_IMODE(expired.token_file.stat().st_mode) == 0o600


@pytest.mark.parametrize("command", [TOKEN, (*LOGIN, "--force")], ids=["token", "login"])
def test_where_chmod_has_no_effect_that_is_said_once_in_a_run(expired, command):
    """As on a FAT file system: every read meets the loose mode again."""
    expired.token_file.chmod(0o644)
    (expired.home / "sitecustomize.py").write_text("import os\nos.fchmod = lambda descriptor, mode: None\n")

    done = expired.run(*command, env={"PYTHONPATH": str(expired.home)})

    assert done.returncode == 0, done.stderr
    warned = [line for line in done.stderr.splitlines() if str(expired.token_file) in line]
    assert warned == [
        f"authgate: warning: the token file {expired.token_file} is accessible to other users,"
        " and chmod cannot change that here; see --token-file"
    ]
