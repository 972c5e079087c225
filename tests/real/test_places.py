"""The archive in bare places: a minimal Debian, no home, nothing that can be written, no network, no terminal."""

import os
import pwd
import re
import signal
import subprocess
import sys
import time
from urllib.parse import urlsplit

import certificates
import pytest
from authgate_server import AuthGateServer
from client import APPROVAL_URL, Client, run_robot
from isolated import ROOTS_PATH, isolated
from ports import free_callback
from secrecy import insist
from started import Started, signs_in
from waiting import eventually

MINIMAL = "trixie"
ARCHIVE = "/opt/authgate.pyz"
NOBODY = 54321  # a user whom /etc/passwd does not know
LOGIN = ("login", "--flow", "device")
DEVICE_ENDPOINT = "/oauth/device/code"


@pytest.fixture
def https_server():
    tls = certificates.tls(certificates.of("127.0.0.1"))
    with AuthGateServer(device_interval=0, tls=tls) as server:
        yield server


@pytest.fixture
def place(archive, server, tmp_path):
    """The archive in a minimal root, with a home of the machine's; how it is isolated may be said more exactly."""
    clients = []

    def place(*prefix, home=str(tmp_path), server=server, **how) -> Client:
        shared = {archive.parent: "/opt", tmp_path: str(tmp_path), certificates.FOLDER: "/certificates"}
        start = isolated(*prefix, "/usr/bin/python3", ARCHIVE, **{"root": MINIMAL, "shared": shared, **how})
        client = Started(start, tmp_path, AUTHGATE_URL=server.issuer, CLIENT_ID=server.client_id)
        client.environment |= {"HOME": home, "PATH": ROOTS_PATH}
        clients.append((client, server))
        return client

    yield place
    for client, its_server in clients:
        insist(client.everything, its_server.secrets())


# -- a minimal root file system


def test_the_minimal_root_has_python_and_nothing_else_for_us(place):
    asked = "command -v python3; command -v curl openssl xdg-open www-browser; ls /etc/ssl/certs; exit 0"
    done = subprocess.run(isolated("sh", "-c", asked, root=MINIMAL), capture_output=True, text=True, check=True)

    assert done.stdout == "/usr/bin/python3\n"


def test_a_sign_in_in_a_minimal_root(place, server):
    signs_in(place(), server)


def test_auto_takes_the_device_code_in_a_minimal_root(place):
    done = place().run("login", "--verbose")

    assert done.returncode == 0
    assert "device" in done.stderr and "there is no display" in done.stderr


def test_doctor_in_a_minimal_root(place):
    done = place().run("doctor")

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    row = next(number for number, line in enumerate(lines) if not line.startswith("ok"))
    assert lines[row].startswith("warning   TLS: ") and lines[row].endswith(" 0 CA certificates (the system's own)")
    assert lines[row + 1].strip() == "install the package ca-certificates, or name a PEM file in SSL_CERT_FILE"
    assert all(line.startswith("ok  ") for line in lines[row + 2 :])


INSTALL = "apt-get install -y -qq --no-install-recommends ca-certificates; "
OURS = "cp /certificates/authority.pem /usr/local/share/ca-certificates/ours.crt; update-ca-certificates"
NO_CA = "install the package ca-certificates, or name a PEM file in SSL_CERT_FILE"
NOT_OURS = "if it is your own CA, name its certificate in SSL_CERT_FILE"
TRUST = {  # what is installed, SSL_CERT_FILE, and the hint, where it does not do
    "nothing": ("true", None, NO_CA),
    "ca-certificates": (INSTALL, None, NOT_OURS),
    "ca-certificates, and ours": (INSTALL + OURS, None, None),
    "SSL_CERT_FILE": ("true", "/certificates/authority.pem", None),
    "another's SSL_CERT_FILE": ("true", "/certificates/other-authority.pem", NOT_OURS),
}


@pytest.mark.parametrize(("prepare", "file", "hint"), TRUST.values(), ids=TRUST)
def test_https_in_a_minimal_root(place, https_server, prepare, file, hint):
    client = place(server=https_server, prepare=prepare)
    client.environment |= {"SSL_CERT_FILE": file} if file else {}

    done = client.run(*LOGIN)

    if hint is None:
        assert (done.returncode, done.stdout[:15]) == (0, "User: Jane Doe "), done.stderr
    else:
        error, remedy = done.stderr.splitlines()
        assert (done.returncode, done.stdout) == (3, "")
        assert error.startswith(f"authgate: error: the certificate of 127.0.0.1:{https_server.port} cannot be trusted")
        assert remedy == f"authgate: hint: {hint}"
        assert https_server.requests == []


@pytest.mark.parametrize("command", [LOGIN, ("doctor",)], ids=lambda words: words[0])
def test_python3_minimal_alone_is_told_what_is_missing(place, command):
    cut = "dpkg --purge --force-depends python3 python3.13 libpython3-stdlib libpython3.13-stdlib"
    done = place(prepare=cut).run(*command)

    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(
        r"authgate: error: this Python lacks the standard module \w+; .* in the package libpython3-stdlib"
        r" \(apt-get install python3\)\n",
        done.stderr,
    )


# -- a user without a home

HOMELESS = {
    "one that does not exist": ("/nonexistent", "the token file's directory /nonexistent does not exist"),
    "none": (None, "there is no home directory to keep the token in"),
    "an empty name": ("", "there is no home directory to keep the token in"),
}
each_home = pytest.mark.parametrize(("home", "complaint"), HOMELESS.values(), ids=HOMELESS)


@pytest.fixture
def homeless(place, tmp_path):
    """The archive as a user of whom the system knows no more than a number."""
    os.chown(tmp_path, NOBODY, NOBODY)
    return lambda home: place(*(["env", "-u", "HOME"] if home is None else []), home=home or "", user=NOBODY)


@each_home
def test_without_a_home_nobody_is_asked_in_vain(homeless, server, home, complaint):
    done = homeless(home).run(*LOGIN)

    error, hint = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (5, "")
    assert error == f"authgate: error: {complaint}"
    assert "--token-file" in hint
    assert server.count("POST", DEVICE_ENDPOINT) == 0


@each_home
def test_without_a_home_a_token_file_may_be_named(homeless, server, home, complaint):
    client = homeless(home)
    client.environment["AUTHGATE_TOKEN_FILE"] = str(client.token_file)

    signs_in(client, server)

    assert client.token_file.stat().st_uid == NOBODY


# -- a file system that cannot be written

GIVEN = {
    "token": (("token",), "{token}\n"),
    "header": (("token", "--format", "header"), "Authorization: Bearer {token}\n"),
    "exec": (("exec", "--", "sh", "-c", 'echo "$AUTHGATE_TOKEN"'), "{token}\n"),
    "login": ((*LOGIN,), "User: Jane Doe (jane@example.com)\n"),
    "status": (("status",), "User: Jane Doe (jane@example.com)\n"),
    "status --json": (("status", "--json"), "{{\n"),
    "inspect": (("inspect",), "Header\n"),
}


@pytest.mark.parametrize("home", ["/root", "/nonexistent"])
@pytest.mark.parametrize(("command", "first"), GIVEN.values(), ids=GIVEN)
def test_a_token_that_is_given_needs_nothing_to_write(place, server, command, first, home):
    token = server.issue()["access_token"]
    client = place(home=home, read_only=True)

    done = client.run(*command, env={"AUTHGATE_TOKEN": token})

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(first.format(token=token))


def test_nothing_can_be_written_there(archive):
    script = "for place in /root /tmp /opt /var/tmp; do touch $place/x && exit 1; done; exit 0"
    done = subprocess.run(
        isolated("sh", "-c", script, root=MINIMAL, shared={archive.parent: "/opt"}, read_only=True),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stderr.count("Read-only file system") == 4


def test_where_nothing_can_be_written_nobody_is_asked_in_vain(place, server):
    done = place(home="/root", read_only=True).run(*LOGIN)

    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.splitlines() == [
        "authgate: error: /root/.authgate-tokens.json.lock cannot be created: Read-only file system",
        "authgate: hint: name a --token-file elsewhere, or set AUTHGATE_TOKEN",
    ]
    assert server.count("POST", DEVICE_ENDPOINT) == 0


def test_a_stored_token_is_read_where_nothing_can_be_written_and_no_refresh_is_spent(place, server):
    client = place(read_only=True)
    given = server.issue()

    client.store(given, left=3600)
    fresh = [client.run(*command) for command in (["token"], ["status", "--offline"])]
    client.store(given)
    expired = client.run("token")

    assert [(done.returncode, done.stderr) for done in fresh] == [(0, "")] * 2
    assert fresh[0].stdout == given["access_token"] + "\n"
    assert (expired.returncode, expired.stdout) == (5, "")
    assert "Read-only file system" in expired.stderr
    assert server.family_alive(given["refresh_token"])
    assert server.count("POST", "/oauth/token") == 0


# -- a network that leads nowhere

NOWHERE = {
    "https://auth.example.com": "the host auth.example.com cannot be found",
    "https://192.0.2.1": "192.0.2.1 cannot be reached: Network is unreachable",
    "https://[2001:db8::1]:8443": "[2001:db8::1]:8443 cannot be reached: ",
    "http://127.0.0.1:9": "127.0.0.1:9 cannot be reached: Network is unreachable",  # loopback, too, is down
}


@pytest.fixture
def cut_off(archive, tmp_path):
    """The archive without a network, with a token of an issuer stored."""

    def cut_off(issuer, left) -> Client:
        elsewhere = type("Elsewhere", (AuthGateServer,), {"issuer": issuer})
        with elsewhere() as server:
            start = isolated(sys.executable, str(archive), network="none")
            client = Started(start, tmp_path, AUTHGATE_URL=issuer, CLIENT_ID=server.client_id)
            client.store(server.issue(), left=left)
        return client

    return cut_off


@pytest.mark.parametrize(("issuer", "cause"), NOWHERE.items(), ids=NOWHERE)
def test_without_a_route_it_is_3_at_once_and_the_token_is_kept(cut_off, issuer, cause):
    client = cut_off(issuer, left=-60)
    before = client.token_file.read_bytes()
    begun = time.monotonic()

    runs = [client.run(*command) for command in (["token"], ["login"], [*LOGIN, "--force"], ["exec", "--", "true"])]

    assert time.monotonic() - begun < 30  # for all of them, and the default time-out is 30 s for each
    for done in runs:
        error, hint = done.stderr.splitlines()
        assert (done.returncode, done.stdout) == (3, "")
        assert error.startswith(f"authgate: error: {cause}")
        assert hint.startswith("authgate: hint: check ") and "network" in hint
    assert client.token_file.read_bytes() == before


@pytest.mark.parametrize("issuer", NOWHERE)
def test_without_a_route_a_good_token_is_printed_and_told(cut_off, issuer):
    client = cut_off(issuer, left=3600)

    token, status = client.run("token"), client.run("status", "--offline")
    client.expire(left=50)
    renewing = client.run("token")

    assert (token.returncode, token.stdout, token.stderr) == (0, client.stored()["access_token"] + "\n", "")
    assert (status.returncode, status.stderr) == (0, "")
    assert (renewing.returncode, renewing.stdout) == (0, token.stdout)
    assert renewing.stderr.startswith("authgate: warning: ")
    assert "using the current token, which expires in " in renewing.stderr


# -- started by something else than a person at a terminal


@pytest.fixture
def client(archive, server, tmp_path):
    client = Client(archive, tmp_path, AUTHGATE_URL=server.issuer, CLIENT_ID=server.client_id)
    yield client
    insist(client.everything, server.secrets())


@pytest.mark.parametrize("wrapper", [["nohup"], ["setsid", "--wait"]], ids=" ".join)
def test_programs_that_start_programs(client, server, tmp_path, wrapper):
    signs_in(Started([*wrapper, *client.command()], tmp_path, **client.environment), server)


def test_a_sign_in_under_nohup_outlives_the_terminal(client, server, tmp_path):
    server.auto_approve = False
    log = tmp_path / "nohup.out"
    under = Started(["nohup", *client.command()], tmp_path, **client.environment)
    with log.open("w") as output, under.start(*LOGIN, stdout=output, stderr=output) as process:
        address = eventually(lambda: APPROVAL_URL.search(log.read_text()))[0]
        process.send_signal(signal.SIGHUP)
        run_robot(address)

        assert process.wait(60) == 0
    assert "User: Jane Doe" in log.read_text()


def test_cron(client, server, tmp_path):
    """It gives four variables, no terminal, and the settings are in .env."""
    client.run(*LOGIN)
    (tmp_path / ".env").write_text(f"AUTHGATE_URL={server.issuer}\nCLIENT_ID={server.client_id}\n")
    user = pwd.getpwuid(os.getuid()).pw_name
    environment = {"HOME": str(tmp_path), "LOGNAME": user, "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"}

    done = subprocess.run(
        ["/bin/sh", "-c", f"cd; /usr/bin/python3 '{client.archive}' token; /usr/bin/python3 '{client.archive}' status"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    token, report = done.stdout.split("\n", 1)
    assert token == client.stored()["access_token"]
    assert report.startswith("User: Jane Doe")


def test_cron_that_is_not_signed_in_waits_for_nobody(client, server):
    variables = {"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"}

    runs = [client.run(command, env=variables, start_new_session=True) for command in ("token", "status")]

    assert [done.returncode for done in runs] == [4, 4]
    assert server.count("POST", DEVICE_ENDPOINT) == 0


def test_an_empty_environment(archive, server):
    """The home is that of /etc/passwd. In the minimal root, for the machine's has a token file of its own."""
    program = f"env -i /usr/bin/python3 {ARCHIVE}"
    settings = f"--url {server.issuer} --client-id {server.client_id}"
    script = f"{program} login --flow device {settings} && {program} token {settings} && ls -A /root"

    done = subprocess.run(
        isolated("sh", "-c", script, root=MINIMAL, shared={archive.parent: "/opt"}),
        env={},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("User: Jane Doe")
    assert server.access.keys() & set(done.stdout.splitlines())
    assert ".authgate-tokens.json" in done.stdout.splitlines()


SSH = {"SSH_CONNECTION": "192.0.2.7 50022 192.0.2.1 22", "SSH_TTY": "/dev/pts/0", "LOGNAME": "jane"}


def test_over_ssh_the_device_code_is_chosen(client):
    done = client.run("login", "--verbose", env=SSH)

    assert done.returncode == 0
    assert "this is an SSH session without a display" in done.stderr
    assert "and enter the code" in done.stderr


@pytest.mark.parametrize(("port", "login"), [("22", "jane@192.0.2.1"), ("2222", "-p 2222 jane@192.0.2.1")])
def test_over_ssh_the_browser_flow_shows_how_to_bring_the_port(client, server, tmp_path, port, login):
    uri = free_callback(server)
    callback = urlsplit(uri).port
    client.environment |= {**SSH, "SSH_CONNECTION": f"192.0.2.7 50022 192.0.2.1 {port}", "AUTHGATE_REDIRECT_URI": uri}
    log = tmp_path / "stderr.log"

    with log.open("w") as stderr, client.start("login", "--flow", "browser", stderr=stderr) as process:
        eventually(lambda: "ssh -L" in log.read_text())
        address = next(word for word in log.read_text().split() if "/oauth/authorize?" in word)
        run_robot(address)  # whose connection to the port is what `ssh -L` would have brought
        out, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert out.startswith("User: Jane Doe")
    assert f"ssh -L {callback}:127.0.0.1:{callback} {login}\n" in log.read_text()
