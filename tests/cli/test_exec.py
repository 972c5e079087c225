"""`exec`: become the command, with a fresh token in its environment and nothing else of ours."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

PATIENCE = 30  # seconds; a safety net
READY = {"AUTHGATE_TOKEN": "ready-made"}


def sh(script: str) -> "tuple[str, ...]":
    return ("exec", "--", "sh", "-c", script)


def python(code: str) -> "tuple[str, ...]":
    return ("exec", "--", sys.executable, "-c", code)


@pytest.mark.parametrize("status", [0, 1, 2, 4, 7, 70, 126, 127, 130, 255])
def test_exit_status_is_the_commands(client, status):
    done = client.run(*sh(f"exit {status}"), env=READY)

    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGPIPE"])
def test_command_that_dies_of_a_signal_is_seen_to(client, name):
    done = client.run(*sh(f"kill -{name[3:]} $$"), env=READY)

    assert done.returncode == -getattr(signal, name)
    assert done.stderr == ""


# A signal that arrives just before signal.pause() would be handled only after the next one.
WAITS_FOR = """
import signal, sys, time
signal.signal(signal.{}, lambda *_: sys.exit(42))
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"])
def test_signal_reaches_the_command(client, name):
    process = client.start(*python(WAITS_FOR.format(name)), env=READY)
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(getattr(signal, name))
        _, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, err) == (42, "")


def test_command_has_the_process_id_that_was_started(client):
    process = client.start(*sh("echo $$"), env=READY)
    out, _ = process.communicate(timeout=PATIENCE)

    assert int(out) == process.pid


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc on this system")
def test_signals_that_python_ignores_or_catches_are_as_usual_in_the_command(client):
    script = "grep -E '^Sig(Ign|Blk|Cgt)' /proc/self/status"
    usual = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout

    assert client.run(*sh(script), env=READY).stdout == usual


def test_reader_that_goes_away_ends_the_command_and_not_us(client):
    script = '"$@" | head -n 1'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *client.command(*sh("yes"))],
        env=client.environ(**READY),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("y\n", "")


# -- the token


def test_stored_token_is_in_the_environment(signed_in):
    token = signed_in.run("token").stdout

    assert signed_in.run(*sh('echo "$AUTHGATE_TOKEN"')).stdout == token


def test_token_is_fresh(signed_in, server):
    stale = signed_in.run("token").stdout.strip()
    text = signed_in.token_file.read_text()
    document = json.loads(text)
    entry = json.loads(document["data"][server.client_id])
    entry["expires_at"] = int(time.time()) + 30
    document["data"][server.client_id] = json.dumps(entry)
    signed_in.token_file.write_text(json.dumps(document))

    given = signed_in.run(*sh('echo "$AUTHGATE_TOKEN"')).stdout.strip()

    assert given != stale
    assert given in server.access


@pytest.mark.parametrize(("min_ttl", "refreshed"), [("1000", False), ("7200", True)])
def test_min_ttl_is_as_with_token(signed_in, server, min_ttl, refreshed):
    """A fresh token has an hour left, and half of that is asked for at most; it has half an hour by now."""
    entries = json.loads(signed_in.token_file.read_text())
    entry = json.loads(entries["data"][server.client_id])
    entry.update(expires_at=int(time.time()) + 1500, expires_in=3600)
    entries["data"][server.client_id] = json.dumps(entry)
    signed_in.token_file.write_text(json.dumps(entries))

    given = signed_in.run("exec", "--min-ttl", min_ttl, "--", "sh", "-c", 'echo "$AUTHGATE_TOKEN"').stdout.strip()

    assert (given != entry["access_token"]) == refreshed
    assert given in server.access


@pytest.mark.parametrize("command", [("token",), ("exec", "--", "touch", "ran")], ids=["token", "exec"])
def test_given_token_that_says_that_it_has_expired_is_exit_4(client, server, tmp_path, command):
    given = server.issue(ttl=-1)["access_token"]

    done = client.run(*command, env={"AUTHGATE_TOKEN": given})

    assert (done.returncode, done.stdout) == (4, "")
    assert "authgate: error: the token in AUTHGATE_TOKEN has expired\n" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_authgate_inside_uses_that_token(signed_in, server):
    token = signed_in.run("token").stdout
    inner = [*signed_in.command("token", "--json"), *("--token-file", "/nowhere/tokens.json")]

    told = json.loads(signed_in.run("exec", "--", *inner).stdout)

    assert told["source"] == "environment"
    assert told["access_token"] + "\n" == token


def test_no_token_is_exit_4_and_the_command_is_not_run(client, tmp_path):
    done = client.run(*sh("touch ran"))

    assert (done.returncode, done.stdout) == (4, "")
    assert not (tmp_path / "ran").exists()


def test_token_is_in_no_argument(signed_in, server):
    arguments = signed_in.run(*python("import sys; print(sys.orig_argv)")).stdout

    assert not any(secret in arguments for secret in server.secrets())


# -- the environment


def test_nothing_of_dotenv_reaches_the_command(client, server, tmp_path):
    (tmp_path / ".env").write_text(
        f"AUTHGATE_URL={server.issuer}\nCLIENT_ID=from-dotenv\nCLIENT_SECRET=hush\n"
        "AUTHGATE_TOKEN=from-dotenv\nAUTHGATE_SCOPE=from-dotenv\nOTHER=from-dotenv\n"
    )
    (tmp_path / ".env").chmod(0o600)
    unset = {"AUTHGATE_URL": None, "CLIENT_ID": None}

    dump = python("import json, os; print(json.dumps(dict(os.environ)))")
    told = json.loads(client.run("--env-file", ".env", *dump, env=unset).stdout)

    assert told.pop("AUTHGATE_TOKEN") == "from-dotenv"  # the token that was asked for
    assert {name: told.get(name) for name in client.environ(**unset)} == client.environ(**unset)
    assert not {"AUTHGATE_URL", "CLIENT_ID", "CLIENT_SECRET", "AUTHGATE_SCOPE", "OTHER"} & set(told)


def test_client_secret_does_not_reach_the_command(client):
    told = client.run(*sh('echo "${CLIENT_SECRET-unset} $CLIENT_ID"'), env={**READY, "CLIENT_SECRET": "hush-hush"})

    assert told.stdout == f"unset {client.environment['CLIENT_ID']}\n"


def test_environment_arrives_as_it_is_even_where_it_is_no_text(client):
    code = "import os; print(os.environb[b'ODD'] == b'\\xff\\xfe', os.environ['EMPTY'] == '')"

    assert client.run(*python(code), env={**READY, "ODD": b"\xff\xfe", "EMPTY": ""}).stdout == "True True\n"


def test_standard_streams_are_the_callers(client):
    done = client.run(*sh("cat; echo err >&2"), env=READY, stdin=None, input="typed\n")

    assert (done.stdout, done.stderr) == ("typed\n", "err\n")


def test_no_other_descriptor_reaches_the_command(signed_in):
    code = "import os; print([fd for fd in range(3, 64) if os.path.exists(f'/proc/self/fd/{fd}')])"

    assert (
        signed_in.run(*python(code)).stdout
        == subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout
    )


def test_what_follows_the_dashes_is_the_commands_alone(client):
    code = "import sys; print(sys.argv[1:])"
    arguments = ["--json", "--help", "--", "-v", "", "two words", "--client-secret=x"]

    done = client.run(*python(code), *arguments, env=READY)

    assert (done.stdout, done.stderr) == (f"{arguments}\n", "")


# -- commands that cannot be


@pytest.fixture
def unusual(tmp_path):
    """Programs that cannot be run."""

    def make(name: str, content: str, mode: int = 0o755) -> None:
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(mode)

    make("not-executable", "#!/bin/sh\n", 0o644)
    make("no-interpreter", "#!/nowhere/interpreter\n")
    make("no-machine", "\x7fELF\0\0\0")
    make("no-format", "just text\n")
    (tmp_path / "folder").mkdir()


@pytest.mark.parametrize(
    ("program", "status", "words"),
    [
        ("no-such-program-anywhere", 127, "program not found: no-such-program-anywhere"),
        ("./nowhere", 127, "program not found: ./nowhere"),
        ("/nowhere/at/all", 127, "program not found: /nowhere/at/all"),
        ("./no-format/below", 127, "program not found: ./no-format/below"),
        ("", 127, "program not found: (empty name)"),
        ("./not-executable", 126, "./not-executable cannot be run: Permission denied"),
        ("./no-interpreter", 126, "./no-interpreter cannot be run: the interpreter"),
        ("./no-machine", 126, "./no-machine cannot be run: Exec format error"),
        ("./folder", 126, "./folder cannot be run: Permission denied"),
        ("esc\x1b[2Jape\nline", 127, "program not found: esc[2Jape line"),
    ],
)
def test_program_that_cannot_be_run_is_one_line(client, unusual, program, status, words):
    done = client.run("exec", "--", program, "argument", env=READY)

    assert (done.returncode, done.stdout) == (status, "")
    lines = done.stderr.splitlines()
    assert lines[0].startswith(f"authgate: error: {words}")
    assert all(line.startswith("authgate: hint: ") for line in lines[1:])
    # A path is not searched for, so there is nothing to say about PATH.
    assert ("exec searches PATH" in done.stderr) == (status == 127 and "/" not in program)


SCRIPT = 'echo "$0 $# $2 $AUTHGATE_TOKEN"; exit 7\n'


@pytest.mark.parametrize("way", ["path", "PATH", "empty"])
def test_script_without_an_interpreter_is_run_by_sh_as_env_does(client, tmp_path, way):
    (tmp_path / "script").write_text("" if way == "empty" else SCRIPT)
    (tmp_path / "script").chmod(0o755)
    name = "script" if way == "PATH" else "./script"
    path = f"/nowhere:{tmp_path}:{client.environment['PATH']}"
    by_env = subprocess.run(
        ["env", name, "-c", "two words"],
        env={"PATH": path, **READY},
        cwd=client.home,
        capture_output=True,
        text=True,
        check=False,
    )

    done = client.run("exec", "--", name, "-c", "two words", env={**READY, "PATH": path})

    assert (done.returncode, done.stdout, done.stderr) == (by_env.returncode, by_env.stdout, by_env.stderr)
    assert done.returncode == (0 if way == "empty" else 7)


def test_program_that_is_not_there_is_127_even_when_nobody_reads_the_error(client):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert client.run("exec", "--", "no-such-program", env=READY, stderr=writing).returncode == 127
    finally:
        os.close(writing)


def test_search_goes_past_entries_of_path_that_are_no_folder(client, tmp_path):
    (tmp_path / "file").touch()
    environment = {**READY, "PATH": f"{tmp_path}/file:/nowhere:{client.environment['PATH']}:{tmp_path}/file"}

    assert client.run("exec", "--", "true", env=environment).returncode == 0
    assert client.run("exec", "--", "no-such-program", env=environment).returncode == 127


def test_token_that_could_not_be_saved_is_given_all_the_same(signed_in, server, tmp_path):
    """A refresh token that is spent must not be wasted over a full disk."""
    document = json.loads(signed_in.token_file.read_text())
    entry = json.loads(document["data"][server.client_id])
    entry["expires_at"] = int(time.time()) - 30
    document["data"][server.client_id] = json.dumps(entry)
    signed_in.token_file.write_text(json.dumps(document))

    def swap_the_file_for_a_folder(seen):
        signed_in.token_file.rename(tmp_path / "was")
        signed_in.token_file.mkdir()
        return False

    server.misbehave("/oauth/token", when=swap_the_file_for_a_folder)

    done = signed_in.run(*sh('test -n "$AUTHGATE_TOKEN" && exit 9'))

    assert done.returncode == 9
    assert done.stderr.startswith("authgate: warning: the refreshed token could not be saved: the token file")
