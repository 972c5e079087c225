"""stdin, stdout, stderr and encodings as they come: the right exit status, one line at most, no traceback."""

import json
import os
import select
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
from callback_address import callback_address
from ports import free_callback
from storms import few_or_many
from waiting import eventually

PATIENCE = 30  # seconds; a safety net
needs_full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2ln"
PRINTING = {
    "login": ("login",),
    "token": ("token",),
    "token as JSON": ("token", "--json"),
    "status": ("status",),
    "status as JSON": ("status", "--json"),
    "inspect": ("inspect", JWT),
    "doctor": ("doctor",),
    "logout": ("logout",),
    "completion": ("completion", "bash"),
    "help": ("--help",),
    "version": ("--version",),
}
each_printing_command = pytest.mark.parametrize("command", PRINTING.values(), ids=PRINTING)


def through_a_shell(client, redirection, *arguments, **how):
    """Run a command with its streams redirected by a shell."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *client.command(*arguments)],
        **{
            "cwd": client.home,
            "env": client.environ(),
            "stdin": subprocess.DEVNULL,
            "capture_output": True,
            "text": True,
            "timeout": PATIENCE,
            "check": False,
            **how,
        },
    )


# -- streams that are closed, full, or not read


@each_printing_command
def test_reader_that_goes_away_ends_the_program_quietly(signed_in, command):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = signed_in.run(*command, stdout=writing)
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr) == (0, "")


def test_reader_that_takes_one_byte_of_a_long_result_hears_no_complaint(client):
    done = subprocess.run(
        ["sh", "-c", '"$@" | head -c 1', "sh", *client.command("completion", "bash")],
        capture_output=True,
        text=True,
        env=client.environ(),
        check=False,
    )

    assert (done.stdout, done.stderr) == ("#", "")


def test_reader_that_goes_away_does_not_make_a_bad_status_good(client):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = client.run("status", "--json", stdout=writing)
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr) == (4, "")


@needs_full
@each_printing_command
def test_full_disk_is_exit_1_with_one_line(signed_in, command):
    with open("/dev/full", "w") as full:
        done = signed_in.run(*command, stdout=full)

    assert done.returncode == 1
    assert done.stderr == "authgate: error: the result cannot be written: No space left on device\n"


@each_printing_command
def test_closed_stdout_is_exit_1_with_one_line(signed_in, command):
    done = through_a_shell(signed_in, ">&-", *command)

    assert done.returncode == 1
    assert done.stderr == "authgate: error: the result cannot be written: stdout is closed\n"


@pytest.mark.parametrize("redirection", ["<&-", "<&- 2>&-", "2>/dev/full"])
@pytest.mark.parametrize("command", [("login", "--json"), ("token",), ("status",)], ids=str)
def test_result_does_not_need_the_other_streams(signed_in, redirection, command):
    done = through_a_shell(signed_in, redirection, *command)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith({"login": "{", "token": "eyJ", "status": "User: "}[command[0]])


@pytest.mark.parametrize("redirection", ["<&- 2>&-", "2>/dev/full"])
def test_sign_in_does_not_need_the_other_streams(client, redirection):
    done = through_a_shell(client, redirection, "login", "--flow", "device")

    assert done.returncode == 0
    assert done.stdout.startswith("User: Jane Doe")


@pytest.mark.parametrize("command", [("token",), ("login", "--flow", "device"), ("status",), ("--bogus",)], ids=str)
def test_all_streams_closed_leave_an_exit_status_and_nothing_in_the_token_file(client, command):
    done = through_a_shell(client, "<&- >&- 2>&-", *command)

    assert done.returncode == {"token": 4, "login": 1, "status": 4, "--bogus": 2}[command[0]]
    if client.token_file.exists():
        json.loads(client.token_file.read_text())  # no message went where a closed stream's number was free


@pytest.mark.parametrize(("command", "status"), [(("token",), 4), (("--bogus",), 2), (("inspect", "-"), 2)], ids=str)
@pytest.mark.parametrize("redirection", ["<&-", "2>&-", "2>/dev/full", ">&-"])
def test_exit_status_of_a_failure_does_not_depend_on_the_streams(client, command, status, redirection):
    done = through_a_shell(client, redirection, *command)

    assert (done.returncode, done.stdout) == (status, "")
    assert "Traceback" not in done.stderr


def test_prompt_is_seen_at_once_while_stdout_is_a_pipe(client, server):
    server.auto_approve = False
    process = client.start("login", "--flow", "device", "--json")
    try:
        seen = b""
        while b"user_code=" not in seen:
            assert select.select([process.stderr], [], [], PATIENCE)[0], f"no prompt, only {seen!r}"
            data = os.read(process.stderr.fileno(), 4096)
            assert data, f"it ended with {seen!r}"
            seen += data
        assert process.poll() is None
        user_code = seen.decode().partition("user_code=")[2].split()[0]
        server.approve(user_code)
        out, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert json.loads(out)["source"] == "device"


# -- encodings


ENCODINGS = {
    "C locale": {"LC_ALL": "C"},
    "C locale without UTF-8": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ascii, strictly": {"PYTHONIOENCODING": "ascii:strict"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "latin-1": {"PYTHONIOENCODING": "latin-1:strict"},
    "PYTHONUTF8=0": {"PYTHONUTF8": "0"},
    "no TERM": {"TERM": None},
    "unknown TERM": {"TERM": "made-up"},
}


@pytest.mark.parametrize("environment", ENCODINGS.values(), ids=ENCODINGS)
def test_no_name_is_too_foreign_for_an_encoding(signed_in, server, environment):
    server.user["name"] = "Zoë 日本 😀"

    text = signed_in.run("login", env=environment, text=False)
    document = signed_in.run("--json", env=environment, text=False)

    assert (text.returncode, document.returncode) == (0, 0)
    assert text.stdout.startswith(b"User: Zo")
    assert json.loads(document.stdout)["user"]["name"] == "Zoë 日本 😀"
    assert b"Traceback" not in text.stderr + document.stderr


@pytest.mark.parametrize(
    ("encoding", "name"), [("utf-8", "Zoë 日本"), ("cp1252", "Zoë \\u65e5\\u672c"), ("ascii", "Zo\\xeb \\u65e5\\u672c")]
)
def test_what_an_encoding_has_is_shown_and_the_rest_is_escaped(signed_in, server, encoding, name):
    server.user["name"] = "Zoë 日本"

    done = signed_in.run("login", env={"PYTHONIOENCODING": encoding}, text=False)

    assert done.stdout.decode(encoding).splitlines()[0] == f"User: {name} (jane@example.com)"


def test_arguments_and_paths_that_are_no_text_are_no_traceback(client):
    done = client.run(b"--token-file=\xff\xfe.json", "status", env={"LC_ALL": "C.UTF-8"}, text=False)

    assert done.returncode in (2, 4)
    assert b"Traceback" not in done.stderr


# -- a browser's own chatter


@pytest.fixture
def browser(client, server, tmp_path):
    """Write a shell script for $BROWSER; it is run with the address."""

    def write(script: str) -> dict:
        program = tmp_path / "my browser"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return {"BROWSER": str(program)}

    return write


def sign_in_through(client, environment):
    """Sign in with a browser that cannot be seen: the address that is printed is visited from here."""
    process = client.start("login", "--flow", "browser", "--json", env=environment, stdin=subprocess.PIPE)
    try:
        process.stdin.write("typed\n")
        process.stdin.flush()
        shown = ""
        while "/oauth/authorize?" not in shown or not shown.endswith("\n"):
            line = process.stderr.readline()
            assert line, f"no address was shown: {shown}"
            shown += line
        address = next(word for word in shown.split() if "/oauth/authorize?" in word)
        build_opener(ProxyHandler({})).open(callback_address(address), timeout=PATIENCE).read()
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    return process.returncode, out, shown + err


def test_browser_that_prints_and_reads_touches_none_of_our_streams(client, browser, callback_port, tmp_path):
    environment = browser(
        f'echo CHATTER; echo CHATTER >&2; cat > "{tmp_path}/read"; echo CHATTER >/dev/stdout; touch "{tmp_path}/over"'
    )

    status, out, err = sign_in_through(client, {**environment, **callback_port})

    assert status == 0
    assert json.loads(out)["source"] == "browser"
    assert "CHATTER" not in out + err
    eventually((tmp_path / "over").exists)
    assert (tmp_path / "read").read_text() == ""


def test_browser_that_never_ends_is_not_waited_for(client, browser, callback_port, tmp_path):
    pid = tmp_path / "pid"
    environment = browser(f'echo $$ > "{pid}"; exec sleep 600')

    status, out, _ = sign_in_through(client, {**environment, **callback_port})

    assert (status, json.loads(out)["source"]) == (0, "browser")
    eventually(lambda: pid.exists() and pid.read_text().strip())
    os.kill(int(pid.read_text()), 9)  # it is there still: nobody waited for it, and nobody ended it


@pytest.fixture
def callback_port(server):
    return {"AUTHGATE_REDIRECT_URI": free_callback(server)}


# -- how Python runs it, and from where


@pytest.mark.parametrize(
    "switches",
    [
        ["-X", "dev", "-bb", "-X", "warn_default_encoding", "-W", "error"],
        *few_or_many([["-I"]], [["-I"], ["-S"], ["-OO"], ["-W", "error"], ["-X", "dev"]]),
    ],
    ids=" ".join,
)
def test_no_switch_of_python_makes_it_say_more(client, switches):
    def run(*arguments, **env):
        command = [client.python, *switches, str(client.archive), *arguments]
        return subprocess.run(
            command,
            cwd=client.home,
            env=client.environ(**env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    signed_in = run("login", "--flow", "device", "--json")
    again = [run(command) for command in ("login", "doctor", "inspect", "logout")]

    assert signed_in.returncode == 0
    assert "arning" not in signed_in.stderr
    assert signed_in.stderr.count("\n") <= 4
    assert [(done.returncode, done.stderr) for done in again] == [(0, "")] * 4
    assert run("token").stderr.count("\n") == 2  # an error and its hint


@pytest.fixture
def placed(signed_in, tmp_path):
    """Run a copy of the archive from another place."""

    def run(path, *arguments, python: "str | None" = signed_in.python, cwd: "Path | None" = None):
        command = [*([python] if python else []), str(path), *arguments]
        environment = signed_in.environ(PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        return subprocess.run(
            command, cwd=cwd or signed_in.home, env=environment, capture_output=True, text=True, check=False
        )

    return run


@pytest.mark.parametrize(
    "name", ["with space.pyz", "naïve 日本.pyz", "no-suffix", "q'uote\".pyz", "%s $HOME;.pyz", "-"]
)
def test_archive_runs_under_any_name_and_from_any_folder(signed_in, placed, tmp_path, name):
    folder = tmp_path / f"folder of {name}"
    folder.mkdir()
    shutil.copy2(signed_in.archive, folder / name)

    done = placed(folder / name, "token")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("eyJ")


def test_archive_runs_through_a_symlink(signed_in, placed, tmp_path):
    (tmp_path / "link").symlink_to(signed_in.archive)

    assert placed(tmp_path / "link", "token").returncode == 0


def test_archive_is_a_program_by_itself(signed_in, placed, tmp_path):
    shutil.copy2(signed_in.archive, tmp_path / "authgate.pyz")

    done = placed("./authgate.pyz", "token", python=None, cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")


def test_archive_needs_no_place_to_write_beside_it_or_where_it_is_run(signed_in, placed, tmp_path):
    folder = tmp_path / "read-only"
    folder.mkdir()
    shutil.copy2(signed_in.archive, folder / "authgate.pyz")
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    before = sorted(folder.iterdir())
    try:
        done = placed(folder / "authgate.pyz", "status", cwd=folder)
    finally:
        folder.chmod(0o755)

    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(folder.iterdir()) == before


def test_current_directory_that_is_gone_is_no_traceback(signed_in, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        ["sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', str(gone), *signed_in.command("token")],
        env=signed_in.environ(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
