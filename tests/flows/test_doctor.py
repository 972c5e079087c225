"""`doctor`: what is wrong, each with its remedy, and the exit status of the first that is."""

import json
import socket
import time
from email.utils import formatdate

import certificates
import pytest
from authgate_server import AuthGateServer

from authgate_cli.system.browser import Environment

AT_ONCE = {"Retry-After": "0"}  # so that a retry takes no time
DISCOVERY = "/.well-known/openid-configuration"


@pytest.fixture
def doctor(authgate):
    """Run it as JSON; its document is there in every case, and agrees with its exit status."""

    def run(*arguments, **how):
        result = authgate("doctor", "--json", *arguments, **how)
        document = json.loads(result.out)
        assert list(document) == ["ok", "checks"]
        assert all(list(one) == ["name", "state", "text", "remedy"] for one in document["checks"])
        assert {one["state"] for one in document["checks"]} <= {"ok", "warning", "failed"}
        assert document["ok"] is (result.status == 0)
        return result.status, document["checks"]

    return run


def found(checks, name) -> list:
    return [(one["state"], one["text"], one["remedy"]) for one in checks if one["name"] == name]


def only(checks, name):
    (one,) = found(checks, name)
    return one


def test_healthy_is_a_line_a_check_and_exit_0(authgate, server, callback, token_file):
    result = authgate("doctor", "--redirect-uri", callback)

    names = [line[10:].partition(":")[0] for line in result.out.splitlines()]
    assert (result.status, result.err) == (0, "")
    assert {line[:10] for line in result.out.splitlines()} == {"ok        "}
    assert names == [
        *("Python", "TLS", "proxy", "setting", "setting", "setting", "setting"),
        *("clock", "server", "issuer", "device flow", "browser flow", "sign-in", "callback"),
        *("keyring", "token file", "stored token"),
    ]
    assert not token_file.exists()


def test_settings_are_named_with_their_origin_and_secrets_without_their_value(doctor, home):
    (home / ".env").write_text("AUTHGATE_SCOPE=openid\nCLIENT_SECRET=hush-hush\n")
    (home / ".env").chmod(0o600)

    _, checks = doctor("--timeout", "20")

    texts = [text for _, text, _ in found(checks, "setting")]
    assert "AUTHGATE_URL from the environment" in texts
    assert "AUTHGATE_TIMEOUT from --timeout" in texts
    assert "AUTHGATE_SCOPE from .env" in texts
    assert "CLIENT_SECRET from .env (not shown)" in texts
    assert "hush-hush" not in json.dumps(checks)


@pytest.mark.parametrize(
    ("here", "text"),
    [
        (Environment("linux", ssh=True), "would use device: this is an SSH session without a display"),
        (Environment("darwin"), "would use browser: open can open a browser"),
    ],
)
def test_flow_that_auto_would_pick_is_named_with_its_reason(doctor, here, text):
    _, checks = doctor(here=here, find_browser=lambda: "open")

    assert only(checks, "sign-in") == ("ok", text, "")


def test_flow_that_was_asked_for_is_named_too(doctor):
    _, checks = doctor("--flow", "device")

    assert only(checks, "sign-in")[1] == "would use device: --flow or AUTHGATE_FLOW asks for device"


# -- the server


def test_server_that_is_down_is_exit_3_once_and_the_rest_is_checked(doctor, server):
    server.stop()

    status, checks = doctor()

    state, text, remedy = only(checks, "server")
    assert (status, state) == (3, "failed")
    assert "refuses connections" in text
    assert remedy
    assert only(checks, "client")[0] == "warning"
    assert [one["name"] for one in checks if one["state"] == "failed"] == ["server"]
    assert {"sign-in", "callback", "keyring", "token file"} <= {one["name"] for one in checks}


@pytest.mark.parametrize(
    ("fault", "name", "status"),
    [
        ({"status": 503, "headers": AT_ONCE}, "server", 3),
        ({"status": 429, "headers": AT_ONCE}, "server", 3),
        ({"status": 404}, "issuer", 1),
        ({"body": b"not JSON"}, "issuer", 1),
        ({"status": 302, "headers": {"Location": "https://elsewhere.example/"}}, "issuer", 1),
        ({"edit": lambda said: {**said, "issuer": "https://other.example"}}, "issuer", 1),
    ],
    ids=str,
)
def test_server_that_does_not_say_who_it_is_has_failed(doctor, server, fault, name, status):
    server.misbehave(DISCOVERY, times=None, **fault)

    ended, checks = doctor()

    state, _, remedy = only(checks, name)
    assert (ended, state) == (status, "failed")
    assert remedy


def test_issuer_mismatch_names_the_url_to_use(doctor, server):
    other = server.issuer.replace("127.0.0.1", "localhost")

    status, checks = doctor("--url", other)

    state, text, remedy = only(checks, "issuer")
    assert (status, state) == (1, "failed")
    assert f"set AUTHGATE_URL={server.issuer}" in remedy
    assert only(checks, "server")[0] == "ok"


@pytest.mark.parametrize(
    ("ahead", "state", "text"),
    [
        (0, "ok", "agrees with the server's within 60 s"),
        (-3600, "warning", "3600 s ahead of the server's"),
        (86400, "warning", "86400 s behind the server's"),
    ],
)
def test_clock_is_compared_with_the_servers(doctor, server, ahead, state, text):
    here = float(int(time.time()))
    server.misbehave(DISCOVERY, times=None, headers={"Date": formatdate(here + ahead, usegmt=True)})

    status, checks = doctor(now=lambda: here)

    assert only(checks, "clock")[:2] == (state, text)
    assert bool(only(checks, "clock")[2]) is (state == "warning")
    assert status == 0


def test_date_that_is_none_says_nothing_of_the_clock(doctor, server):
    server.misbehave(DISCOVERY, times=None, headers={"Date": "yesterday"})

    assert found(doctor()[1], "clock") == []


@pytest.fixture
def tls_server():
    tls = certificates.tls(certificates.of("127.0.0.1"))
    with AuthGateServer(tls=tls, device_interval=0) as server:
        yield server


def test_authority_that_nobody_knows_is_exit_3_and_says_where_to_name_it(doctor, tls_server):
    status, checks = doctor("--url", tls_server.issuer, "--client-id", tls_server.client_id)

    state, text, remedy = only(checks, "server")
    assert (status, state) == (3, "failed")
    assert "certificate" in text
    assert "SSL_CERT_FILE" in remedy


def test_own_authority_is_counted_and_used(doctor, tls_server):
    status, checks = doctor(
        *("--url", tls_server.issuer, "--client-id", tls_server.client_id),
        env={"SSL_CERT_FILE": str(certificates.AUTHORITY)},
    )

    assert status == 0
    assert "1 CA certificates (SSL_CERT_FILE)" in only(checks, "TLS")[1]


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "garbage"])
def test_certificate_file_that_cannot_be_used_does_not_end_the_other_checks(doctor, home, content):
    path = home / "ca.pem"
    if content:
        path.write_text(content)

    _, checks = doctor(env={"SSL_CERT_FILE": str(path)})

    state, _, remedy = only(checks, "TLS")
    assert state != "ok"
    assert remedy
    assert only(checks, "server")[0] == "ok"  # on loopback, without TLS


def test_no_authorities_at_all_is_a_warning(doctor, tmp_path):
    _, checks = doctor(env={"SSL_CERT_DIR": str(tmp_path)})

    state, _, remedy = only(checks, "TLS")
    assert (state, "ca-certificates" in remedy) == ("warning", True)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(" FOLDER\n", "1 CA certificates (SSL_CERT_DIR)"), (" ", "CA certificates (the system's own)")],
    ids=["a folder", "nothing"],
)
def test_white_space_around_the_folder_of_authorities_is_cut_off(doctor, tmp_path, value, shown):
    (tmp_path / "12345678.0").touch()

    _, checks = doctor(env={"SSL_CERT_DIR": value.replace("FOLDER", str(tmp_path))})

    assert shown in only(checks, "TLS")[1]


# -- the client


def test_unknown_client_is_exit_1(doctor):
    status, checks = doctor("--client-id", "nobody")

    state, text, remedy = only(checks, "client")
    assert (status, state) == (1, "failed")
    assert "invalid_client" in text
    assert "CLIENT_ID" in remedy


@pytest.mark.parametrize(("flow", "state", "status"), [("auto", "warning", 0), ("device", "failed", 1)])
def test_device_flow_that_is_not_enabled_matters_when_it_is_asked_for(doctor, server, flow, state, status):
    server.register(grants={"authorization_code"})

    ended, checks = doctor("--flow", flow)

    found_state, text, remedy = only(checks, "device flow")
    assert (ended, found_state) == (status, state)
    assert "unauthorized_client" in text
    assert "--flow browser" in remedy


@pytest.mark.parametrize(("flow", "state", "status"), [("auto", "warning", 0), ("browser", "failed", 1)])
def test_callback_that_the_server_refuses_is_told_to_be_registered(doctor, server, flow, state, status):
    server.misbehave("/oauth/authorize", times=None, status=400, body=b"<html>redirect_uri</html>")

    ended, checks = doctor("--flow", flow)

    found_state, _, remedy = only(checks, "browser flow")
    assert (ended, found_state) == (status, state)
    assert "register exactly http://127.0.0.1:8088/callback for" in remedy


@pytest.mark.parametrize(("secret", "state", "status"), [("hush", "ok", 0), (None, "failed", 2)])
def test_machine_needs_a_secret_and_no_flow_of_a_person(doctor, server, secret, state, status):
    ended, checks = doctor("--flow", "client-credentials", env={"CLIENT_SECRET": secret})

    assert (ended, only(checks, "client")[0]) == (status, state)
    assert server.count("POST", "/oauth/device/code") == 0


def test_machine_without_a_home_directory_is_warned_that_its_token_is_not_stored(doctor, server):
    env = {"CLIENT_SECRET": "hush", "HOME": "/nonexistent", "AUTHGATE_TOKEN_FILE": None}

    ended, checks = doctor("--flow", "client-credentials", env=env)

    state, text, remedy = only(checks, "token file")
    assert (ended, state) == (0, "warning")
    assert "/nonexistent does not exist; every run requests a token" in text and "create it" in remedy
    assert doctor(env=env)[0] == 5


# -- the callback


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/callback"


@pytest.mark.parametrize(("flow", "state", "status"), [("auto", "warning", 0), ("browser", "failed", 3)])
def test_port_that_is_taken_matters_when_the_browser_is_asked_for(doctor, taken, flow, state, status):
    ended, checks = doctor("--flow", flow, "--redirect-uri", taken)

    found_state, text, remedy = only(checks, "callback")
    assert (ended, found_state) == (status, state)
    assert taken in text
    assert remedy


def test_one_port_that_is_free_is_enough(doctor, taken, callback):
    ended, checks = doctor("--flow", "browser", "--redirect-uri", f"{taken},{callback}")

    assert ended == 0
    assert [state for state, *_ in found(checks, "callback")] == ["ok", "warning"]


# -- settings and store


@pytest.mark.parametrize(
    ("environment", "remedy_names"),
    [
        ({"AUTHGATE_URL": None}, "AUTHGATE_URL"),
        ({"CLIENT_ID": None}, "CLIENT_ID"),
        ({"AUTHGATE_URL": "http://far.example"}, "https://far.example"),
        ({"AUTHGATE_TIMEOUT": "soon"}, "30"),
        ({"AUTHGATE_REDIRECT_URI": "https://far.example/cb"}, "http://127.0.0.1:8088/callback"),
    ],
    ids=str,
)
def test_wrong_settings_are_exit_2(doctor, environment, remedy_names):
    status, checks = doctor(env=environment)

    state, _, remedy = only(checks, "settings")
    assert (status, state) == (2, "failed")
    assert remedy_names in remedy


def test_what_is_set_is_named_even_when_something_is_missing(doctor):
    _, checks = doctor(env={"CLIENT_ID": None})

    assert "AUTHGATE_URL from the environment" in [text for _, text, _ in found(checks, "setting")]
    assert only(checks, "server")[0] == "ok"


def test_settings_file_that_is_not_there_is_exit_2(doctor):
    status, checks = doctor("--env-file", "nowhere.env")

    assert (status, only(checks, "settings")[0]) == (2, "failed")


def test_corrupt_token_file_is_exit_5_and_left_as_it_is(doctor, token_file):
    token_file.write_text("{")
    token_file.chmod(0o600)

    status, checks = doctor()

    state, text, remedy = only(checks, "token file")
    assert (status, state) == (5, "failed")
    assert str(token_file) in text
    assert remedy
    assert token_file.read_text() == "{"


def test_token_file_that_others_could_read_is_a_warning(authgate, doctor, token_file):
    authgate("--flow", "device")
    token_file.chmod(0o644)

    status, checks = doctor()

    state, text, remedy = only(checks, "token file")
    assert (status, state) == (0, "warning")
    assert "0644" in text
    assert "logout" in remedy
    assert token_file.stat().st_mode & 0o777 == 0o600
    assert only(doctor()[1], "token file") == ("ok", f"{token_file}, mode 0600", "")


def test_token_file_that_is_a_link_is_exit_5(doctor, token_file, home):
    token_file.symlink_to(home / "elsewhere")

    status, checks = doctor()

    assert (status, only(checks, "token file")[0]) == (5, "failed")


def test_token_file_is_no_matter_to_who_has_a_token_given(doctor, token_file, home):
    (home / "elsewhere").touch()
    token_file.symlink_to(home / "elsewhere")

    status, checks = doctor(env={"AUTHGATE_TOKEN": "given", "CLIENT_ID": None})  # which needs no client

    assert (status, only(checks, "token file")[:2]) == (0, ("ok", "not used (AUTHGATE_TOKEN is set)"))


def store(token_file, server, given, account=""):
    entry = {"expires_at": int(time.time() + 3600), **given, "issuer": server.issuer}
    token_file.touch(0o600)
    token_file.write_text(json.dumps({"data": {server.client_id + account: json.dumps(entry)}}))


def test_stored_token_is_told_with_its_owner_its_time_and_whether_it_can_be_refreshed(doctor, server, token_file):
    assert only(doctor()[1], "stored token") == ("ok", "none; run authgate.pyz login", "")
    store(token_file, server, server.issue("openid profile email"))

    state, text, remedy = only(doctor()[1], "stored token")

    assert (state, remedy) == ("ok", "")
    assert text.startswith("Jane Doe (jane@example.com); expires in 59 min (")
    assert text.endswith("); can be refreshed")


@pytest.mark.parametrize(("refreshable", "state"), [(True, "ok"), (False, "warning")])
def test_stored_token_that_has_expired_matters_when_it_cannot_be_refreshed(
    doctor, server, token_file, refreshable, state
):
    given = {"access_token": "opaque", "refresh_token": "also-opaque" if refreshable else ""}
    store(token_file, server, {**given, "expires_at": "2020-01-01T00:00:00Z"}, "#old")

    status, checks = doctor("--account", "old")

    can = "can" if refreshable else "cannot"
    remedy = "" if refreshable else "run authgate.pyz login --account old"
    text = f"owner unknown (no ID token); expired 2020-01-01T00:00:00Z; {can} be refreshed"
    assert (status, only(checks, "stored token")) == (0, (state, text, remedy))


def test_exit_status_is_that_of_the_first_failure(doctor, token_file, server):
    token_file.write_text("{")
    token_file.chmod(0o600)
    server.stop()

    status, checks = doctor()

    assert status == 3
    assert [one["name"] for one in checks if one["state"] == "failed"] == ["server", "token file"]


def test_text_puts_the_remedy_under_the_failure(authgate):
    result = authgate("doctor", "--client-id", "nobody")

    lines = result.out.splitlines()
    number = next(index for index, line in enumerate(lines) if line.startswith("failed    client: "))
    assert lines[number + 1].startswith(" " * 10 + "check CLIENT_ID")
    assert (result.status, result.err) == (1, "")
