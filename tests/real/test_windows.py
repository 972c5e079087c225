"""The archive on Windows, as wine is it: the oldest CPython that there is for us, and the newest."""

import json
import os
import pty
import re
import subprocess
import zipfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from authgate_server import AuthGateServer
from client import ROOT
from life import refresh_with_rotation, report
from secrecy import insist
from started import signs_in
from waiting import eventually
from windows import ENVIRONMENT, PYTHONS, OnWindows, running, windows_path, wine

CROWD = 20
FILES = [".authgate-tokens.json", ".authgate-tokens.json.refresh"]
TOKEN_ENDPOINT = "/oauth/token"
NAME = "Zo\u00eb \u65e5\u672c"  # something that cp1252 has, and that only UTF-8 has


@pytest.fixture(scope="module", autouse=True)
def windows():
    """Keep it running: to start it takes longer than a test."""
    with running():
        yield


@pytest.fixture(params=PYTHONS)
def python(request):
    return PYTHONS[request.param]


@pytest.fixture
def server():
    with AuthGateServer(device_interval=0) as server:
        yield server


@pytest.fixture
def client(python, archive, server, tmp_path):
    """The archive in an empty home; when the test is over, no secret may have been shown where none belongs."""
    client = OnWindows(python, archive, tmp_path, AUTHGATE_URL=server.issuer, CLIENT_ID=server.client_id)
    yield client
    insist(client.everything, server.secrets())


@pytest.fixture
def expired(client, server):
    client.given = server.issue()
    client.store(client.given)
    return client


def refreshes(server):
    return server.count("POST", TOKEN_ENDPOINT, grant_type="refresh_token")


def finish(processes):
    """Wait for all; return what each printed, and its exit status."""
    results = [(*process.communicate(timeout=120), process.returncode) for process in processes]
    return [out for out, _, _ in results], [err for _, err, _ in results], [status for _, _, status in results]


# -- a life


def test_version(client):
    done = client.run("--version")

    assert (done.returncode, done.stdout.partition(" ")[0], done.stderr) == (0, "authgate", "")


def test_from_sign_in_to_sign_out(client, server):
    signs_in(client, server)
    told = report(client.run("--no-input", "--json"))
    assert (told["source"], told["store"]) == ("stored", windows_path(client.token_file))
    assert server.count("POST", TOKEN_ENDPOINT) == 1
    refresh_with_rotation(client, told["user"], times=1)

    token = client.stored()["access_token"]
    inspected = report(client.run("inspect", "--json"))
    echoed = client.run("exec", "--", "cmd", "/c", "echo %AUTHGATE_TOKEN%&exit 7")
    copy = client.stored()
    signed_out = client.run("logout")

    assert inspected["claims"]["sub"] == server.user["sub"]
    assert (echoed.returncode, echoed.stdout.strip(), echoed.stderr) == (7, token, "")
    assert (signed_out.returncode, signed_out.stderr) == (0, "")
    assert not server.family_alive(copy["refresh_token"])
    assert client.run("token").returncode == 4
    assert sorted(os.listdir(client.home)) == FILES


def test_the_browser_that_windows_opens_comes_back(client, server, browser):
    """To open an address, wine asks xdg-open of this machine. Nothing in the current directory is run."""
    opener = client.home / "bin" / "xdg-open"
    opener.parent.mkdir()
    opener.symlink_to(browser())
    for name in ("xdg-open", "start", "rundll32", "explorer", "iexplore", "firefox", "chrome", "winebrowser"):
        for ending in (".cmd", ".bat", ".exe", ".com"):
            (client.home / (name + ending)).write_text(f"@echo here > {name}.was-run\r\n")
    client.environment["PATH"] = f"{opener.parent}:{client.environment['PATH']}"

    done = client.run("login", "--flow", "browser")

    assert (done.returncode, done.stdout.partition(" (")[0]) == (0, "User: Jane Doe"), done.stderr
    assert list(client.home.glob("*.was-run")) == []


def test_the_token_file_is_in_the_users_folder(python, archive, server):
    home = Path(ENVIRONMENT["WINEPREFIX"], "drive_c", "users", "root")
    client = OnWindows(python, archive, home, AUTHGATE_URL=server.issuer, CLIENT_ID=server.client_id)
    del client.environment["AUTHGATE_TOKEN_FILE"]
    try:
        signs_in(client, server)
    finally:
        for left in home.glob(client.token_file.name + "*"):
            left.unlink()


@pytest.mark.parametrize(("encoding", "shown"), [("", "cp1252"), ("cp437", "cp437"), ("utf-8", "utf-8")])
def test_encodings_of_output_that_is_redirected(client, server, encoding, shown):
    server.user["name"] = NAME
    client.environment["PYTHONIOENCODING"] = encoding

    signs_in(client, server, NAME.encode(shown, "backslashreplace").decode(shown), encoding=shown)


def test_reader_that_goes_away_ends_the_program_quietly(client):
    process = client.start("help")
    process.stdout.close()

    assert (process.stderr.read(), process.wait()) == ("", 0)
    process.stderr.close()


def test_settings_that_are_missing_are_named_as_the_shell_sets_them(client):
    """PowerShell puts a folder of the user's into PSModulePath."""
    environment = {"AUTHGATE_URL": None, "CLIENT_ID": "some-client"}
    for modules, hint in {
        r"C:\windows": "set AUTHGATE_URL=https://auth.example.com",
        r"C:\users\root\x;C:\windows": "$env:AUTHGATE_URL='https://auth.example.com'",
    }.items():
        environment["PSModulePath"] = modules

        done = client.run("login", env=environment)

        assert (done.returncode, done.stderr.splitlines()[1:]) == (2, [f"authgate: hint: {hint}, or put it into .env"])


@pytest.mark.parametrize(
    ("mode", "said"), [(0o600, "private to your account"), (0o644, "can be opened by everyone too")]
)
def test_doctor_says_whom_the_access_list_lets_in(expired, mode, said):
    """wine makes an access list of the mode that a file has on this machine."""
    expired.token_file.chmod(mode)

    checks = {check["name"]: check for check in json.loads(expired.run("doctor", "--json").stdout)["checks"]}

    assert checks["token file"]["text"] == f"{windows_path(expired.token_file)}{',' if mode == 0o600 else ''} {said}"
    assert all(check["state"] != "failed" for check in checks.values()), checks


# -- one refresh, and a file that another program has open

HOLDER = "import sys; file = open('.authgate-tokens.json'); print('open', flush=True); sys.stdin.read()"


@contextmanager
def held_open(client):
    """Let another program have the token file open."""
    process = client.on_windows(client.python_of_windows, "-c", HOLDER)
    assert process.stdout.readline() == "open\n"
    try:
        yield
    finally:
        process.communicate()


def test_a_crowd_of_processes_refreshes_once(expired, server):
    tokens, errors, statuses = finish([expired.start("token") for _ in range(CROWD)])

    assert (set(errors), statuses) == ({""}, [0] * CROWD)
    assert set(tokens) == {expired.stored()["access_token"] + "\n"}
    assert refreshes(server) == 1
    assert server.family_alive(expired.stored()["refresh_token"])


@pytest.mark.parametrize("when", ["before the refresh", "during the refresh"])
def test_file_that_another_program_has_open_is_waited_for(expired, server, when):
    held = held_open(expired)
    if when == "before the refresh":
        held.__enter__()
    else:
        server.misbehave(TOKEN_ENDPOINT, edit=lambda answer: held.__enter__() or answer)

    process = expired.start("token")
    line = process.stderr.readline()
    spent = refreshes(server)
    held.__exit__(None, None, None)
    out, err = process.communicate(timeout=60)

    assert line.startswith("Waiting for another program to close the token file")
    assert spent == (when == "during the refresh")
    assert (process.returncode, out, err) == (0, expired.stored()["access_token"] + "\n", "")
    assert server.family_alive(expired.stored()["refresh_token"])
    assert sorted(os.listdir(expired.home)) == FILES


def test_nothing_is_spent_while_another_program_does_not_close_the_file(expired, server):
    with held_open(expired):
        done = expired.run("token")

    assert (done.returncode, done.stdout, refreshes(server)) == (5, "", 0)
    assert "could not be written: Sharing violation" in done.stderr


def test_a_process_that_is_killed_takes_its_lock_with_it(expired, server):
    server.misbehave(TOKEN_ENDPOINT, status=503, delay=60)
    holder = expired.start("token")
    eventually(lambda: refreshes(server) == 1)
    waiters = [expired.start("token", "--verbose") for _ in range(3)]
    # Each says so once it waits.
    waiting = [next(line for line in waiter.stderr if "waiting for another authgate" in line) for waiter in waiters]

    holder.kill()
    tokens, _, statuses = finish(waiters)
    holder.communicate()

    assert len(waiting) == 3
    assert statuses == [0] * 3
    assert set(tokens) == {expired.stored()["access_token"] + "\n"}
    assert refreshes(server) == 2
    assert server.family_alive(expired.stored()["refresh_token"])


@pytest.mark.parametrize("after", [False, True], ids=["before the answer", "after the answer"])
def test_killed_in_the_middle_nothing_is_half_written(expired, server, after):
    before = expired.token_file.read_bytes()
    server.misbehave(TOKEN_ENDPOINT, delay=60, **({} if after else {"status": 503}))
    process = expired.start("token")
    eventually(lambda: refreshes(server) == 1)

    process.kill()
    process.communicate()

    assert expired.token_file.read_bytes() == before
    assert not expired.token_file.with_name(expired.token_file.name + ".lock").exists()
    assert expired.run("token").returncode == (4 if after else 0)  # what was never read cannot be kept


# -- exec

READY = {"AUTHGATE_TOKEN": "ready-made"}


@pytest.fixture
def tools(client):
    """Batch files on PATH, and others of the same names in the current directory."""
    folder = client.home / "tools on path"
    folder.mkdir()
    for name in ("tool.cmd", "other.bat", "both.bat", "both.cmd"):
        (folder / name).write_text(f"@echo {name} %* %AUTHGATE_TOKEN%\r\n@exit /b 7\r\n")
    for name in ("tool.bat", "tool.exe", "tool.com", "other.cmd", "cmd.bat", "cmd.exe", "cmd.com"):
        (client.home / name).write_text("@echo this is the current directory\r\n")
    client.environment |= {**READY, "WINEPATH": windows_path(folder)}
    return client


@pytest.mark.parametrize(
    ("name", "found"),
    [("tool", "tool.cmd"), ("OTHER.BAT", "other.bat"), ("both", "both.bat"), (r"tools on path\tool.cmd. ", "tool.cmd")],
)
def test_batch_files_are_found_as_the_system_finds_them(tools, name, found):
    done = tools.run("exec", "--", name, "one two")

    assert (done.returncode, done.stdout, done.stderr) == (7, f'{found} "one two" ready-made\n', "")


def test_what_cmd_would_interpret_is_quoted(tools):
    arguments = ["a&echo b", "a|more", "a>file", "<file", "^", "(a)", "!PATH!", "", "a, b;c=d", "/c", "@echo"]

    done = tools.run("exec", "--", "tool", *arguments, "back\\")

    quoted = " ".join(f'"{argument}"' for argument in arguments)
    assert (done.returncode, done.stdout, done.stderr) == (7, f'tool.cmd {quoted} "back\\\\" ready-made\n', "")
    assert not (tools.home / "file").exists()


@pytest.mark.parametrize("argument", ['a" & echo b "', "%PATH%", "a\nb", "a\rb"])
def test_what_cannot_be_quoted_for_cmd_is_refused(tools, argument):
    done = tools.run("exec", "--", "tool", "fine", argument)

    assert (done.returncode, done.stdout) == (126, "")
    error, hint = done.stderr.splitlines()
    assert error.endswith("tool.cmd is a batch file, which cannot be given a quote, a % or a line break")
    assert hint.startswith("authgate: hint: run the program that it starts")


def test_backslashes_and_quotes_reach_a_program_unchanged(client):
    given = ["back\\", "two\\\\", 'quo"te', "%PATH%", "a&b", ""]
    code = "import json, sys; print(json.dumps(sys.argv[1:]))"

    done = client.run("exec", "--", client.python_of_windows, "-c", code, *given, env=READY)

    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, given, "")


def test_program_that_cannot_be_run_is_one_line(client):
    (client.home / "here.cmd").write_text("@echo here\r\n")
    (client.home / "here.txt").write_text("here")

    for name, status, words in [
        ("here", 127, "program not found: here"),
        ("", 127, "program not found: (empty name)"),
        (r".\here.txt", 126, r".\here.txt cannot be run: "),
    ]:
        done = client.run("exec", "--", name, env=READY)

        assert (done.returncode, done.stdout) == (status, "")
        assert done.stderr.startswith(f"authgate: error: {words}")


STATUSES = """
import subprocess, sys

for status in 0, 1, 255, 2**31 - 1, -1:
    done = subprocess.run([sys.executable, sys.argv[1], "exec", "--", "cmd", "/c", f"exit {status}"])
    print(done.returncode == status % 2**32, flush=True)
"""


def test_exit_status_is_the_commands(client):
    client.environment |= READY

    done = client.on_windows(client.python_of_windows, "-c", STATUSES, client.archive_of_windows)

    assert done.communicate() == ("True\n" * 5, None)


CTRL_C = """
import ctypes, os, signal, subprocess, sys

signal.signal(signal.SIGINT, lambda *_: None)
# Python can miss a Ctrl-C in the moment in which a sleep begins, but not in each of many short ones.
child = "import sys, time; print('ready', flush=True); [time.sleep(0.1) for _ in range(600)]"
if sys.argv[2] == "caught":
    child = f"import sys\\ntry:\\n exec({child!r})\\nexcept KeyboardInterrupt: sys.exit(42)"
command = [sys.executable, sys.argv[1], "exec", "--", sys.executable, "-c", child]
with open("stderr", "w") as stderr:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr)
    process.stdout.readline()
    ctypes.windll.kernel32.GenerateConsoleCtrlEvent(0, 0)
    process.wait()
with open("status", "w") as file:
    file.write(str(process.returncode))
"""


@pytest.mark.parametrize(("how", "status"), [("caught", 42), ("not caught", 0xC000013A)])
def test_ctrl_c_is_for_the_command_whose_status_is_returned(client, how, status):
    """A console is needed: a pseudo-terminal of this machine becomes one."""
    client.environment |= READY
    ours, theirs = pty.openpty()
    command = [client.python_of_windows, "-c", CTRL_C, client.archive_of_windows, how]
    process = client.on_windows(*command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        assert process.wait(timeout=120) == 0
    finally:
        process.kill()
        process.communicate()
        os.close(ours)

    assert "interrupted" not in (client.home / "stderr").read_text().split("Traceback")[0]
    assert int((client.home / "status").read_text()) == status


# -- building and the unit tests


def test_windows_builds_the_same_text(python, archive, tmp_path):
    def contents(path, ending):
        with zipfile.ZipFile(path) as opened:
            return {
                entry.filename: opened.read(entry) for entry in opened.infolist() if entry.filename.endswith(ending)
            }

    built = [tmp_path / name for name in ("one.pyz", "two.pyz")]
    for path in built:
        done = subprocess.run(
            wine(python, ROOT / "build.py", path),
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    assert built[0].read_bytes() == built[1].read_bytes()
    assert contents(built[0], ".py") == contents(archive, ".py")
    assert contents(built[0], ".pyc").keys() == contents(archive, ".pyc").keys()


# Not here: what is about modes, owners, links, flock, signals, pseudo-terminals and programs that are shell
# scripts (test_private_file, test_locks, test_every_moment, most of system/); the sockets of http and the
# callback server, which the sign-ins above use; and what reads the sources (test_architecture, test_sources).
UNIT_TESTS = """
oauth sign_in/test_qr.py sign_in/test_choose.py store/test_file_store.py store/test_find_for_issuer.py
store/test_store.py store/test_token_file.py system/test_access_list.py system/test_env_file_lines.py
system/test_environment.py test_errors.py test_options.py test_report.py test_settings.py test_text.py
test_tokens.py test_urls.py test_values.py
"""


def test_unit_tests(python, tmp_path):
    pure = ROOT / ".venv-pythons" / ("extra-3.9" if python == PYTHONS["3.9"] else "extra")
    paths = [f"tests/unit/{name}" for name in UNIT_TESTS.split()]
    options = ["-m", "pytest", "-p", "no:cacheprovider", "--basetemp", windows_path(tmp_path / "unit")]

    done = subprocess.run(
        wine(python, *options, *paths),
        cwd=ROOT,
        env={**ENVIRONMENT, "PYTHONPATH": windows_path(pure), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="cp1252",
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert re.search(r"^\d{4} passed", done.stdout, re.MULTILINE), done.stdout
