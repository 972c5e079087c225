"""`token`: the access token for scripts, and never a sign-in of a person."""

import json
import time

import pytest

AT_ONCE = {"Retry-After": "0"}  # so that a retry takes no time


def later(seconds):
    """A clock that is ahead by so many seconds."""
    return lambda: time.time() + seconds


def stored_token(token_file, server) -> str:
    return json.loads(json.loads(token_file.read_text())["data"][server.client_id])["access_token"]


@pytest.fixture
def machine(server):
    """The environment of a confidential client that signs itself in."""
    return {
        "CLIENT_ID": server.confidential_id,
        "CLIENT_SECRET": server.confidential_secret,
        "AUTHGATE_FLOW": "client-credentials",
    }


def test_raw_is_the_token_and_nothing_else(authgate, server, token_file):
    authgate("--flow", "device")
    server.requests.clear()

    result = authgate("token")

    assert result == (0, stored_token(token_file, server) + "\n", "")
    assert server.requests == []


def test_header_is_what_curl_takes(authgate, server, token_file):
    authgate("--flow", "device")

    assert authgate("token", "--format", "header").out == f"Authorization: Bearer {stored_token(token_file, server)}\n"


@pytest.mark.parametrize("arguments", [("--json",), ("--format", "json"), ("--json", "--format=json")], ids=str)
def test_json_has_the_token_in_full_and_what_is_known_of_it(authgate, server, token_file, arguments):
    authgate("--flow", "device")

    told = json.loads(authgate("token", *arguments).out)

    assert list(told) == ["access_token", "token_type", "expires_in", "expires_at", "scope", "source", "store"]
    assert told["access_token"] == stored_token(token_file, server)
    assert (told["token_type"], told["scope"]) == ("Bearer", "profile email")
    assert (told["source"], told["store"]) == ("stored", str(token_file))
    assert 3590 <= told["expires_in"] <= 3600


def test_exec_credential_tells_kubectl_when_to_ask_again(authgate, server, token_file):
    authgate("--flow", "device")

    told = json.loads(authgate("token", "--format", "exec-credential").out)

    expires_at = json.loads(authgate("token", "--json").out)["expires_at"]
    assert told == {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": stored_token(token_file, server), "expirationTimestamp": expires_at},
    }


def test_exec_credential_of_a_token_without_expiry_names_none(authgate):
    told = json.loads(authgate("token", "--format=exec-credential", env={"AUTHGATE_TOKEN": "opaque"}).out)

    assert told["status"] == {"token": "opaque"}


@pytest.mark.parametrize("form", ["raw", "header"])
def test_json_and_another_format_contradict_each_other(authgate, form):
    authgate("--flow", "device")

    result = authgate("token", "--json", "--format", form)

    assert (result.status, result.out) == (2, "")


@pytest.mark.parametrize("form", ["yaml", "", "RAW"])
def test_unknown_format_is_a_usage_error_that_names_the_formats(authgate, form):
    result = authgate("token", f"--format={form}")

    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("authgate: error: --format must be one of raw, header, json, exec-credential\n")


# -- freshness


@pytest.mark.parametrize(
    ("left", "arguments", "refreshed"),
    [
        (3600, (), False),
        (61, (), False),
        (59, (), True),
        (0, (), True),
        (-100_000, (), True),
        (59, ("--min-ttl", "30"), False),
        (1790, ("--min-ttl=3600",), True),  # half of its whole life is enough, whatever is asked for
        (1810, ("--min-ttl=3600",), False),
        (1, ("--min-ttl", "0"), False),
    ],
)
def test_token_is_refreshed_when_less_than_min_ttl_is_left(authgate, server, left, arguments, refreshed):
    before = authgate("token", now=time.time) if authgate("--flow", "device").status == 0 else None
    now = time.time()

    result = authgate("token", *arguments, now=lambda: now + 3600 - left - 0.5)

    assert result.status == 0
    assert (result.out != before.out) is refreshed
    assert server.count("POST", "/oauth/token", grant_type="refresh_token") == refreshed


@pytest.mark.parametrize("value", ["", "x", "-5", "1.5", "1e3", "٣", "0x10", " 60", "nan", "9" * 20])
@pytest.mark.parametrize("environment", [{}, {"AUTHGATE_TOKEN": "ready"}], ids=["stored", "environment"])
def test_min_ttl_is_a_whole_number(authgate, value, environment):
    result = authgate("token", f"--min-ttl={value}", env=environment)

    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("authgate: error: --min-ttl must be a whole number of seconds")


@pytest.mark.parametrize(
    "fault",
    [{"status": 503, "headers": AT_ONCE}, {"status": 429, "headers": AT_ONCE}, {"drop": "before"}, {"status": 400}],
    ids=str,
)
def test_token_good_for_its_last_seconds_is_used_with_a_warning_when_it_cannot_be_refreshed(authgate, server, fault):
    authgate("--flow", "device")
    before = authgate("token").out
    server.misbehave("/oauth/token", times=None, **fault)

    result = authgate("token", now=later(3600 - 30))

    assert (result.status, result.out) == (0, before)
    assert result.err.startswith("authgate: warning: ")


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"status": 503, "headers": AT_ONCE}, 3),
        ({"status": 429, "headers": AT_ONCE}, 3),
        ({"drop": "before"}, 3),
        ({"status": 400, "body": {"error": "invalid_grant"}}, 4),
        ({"status": 401, "body": {"error": "invalid_client"}}, 1),
        ({"status": 200, "body": {"token_type": "Bearer"}}, 1),
    ],
    ids=str,
)
def test_token_that_has_run_out_and_cannot_be_refreshed_is_an_error(authgate, server, token_file, fault, status):
    authgate("--flow", "device")
    before = token_file.read_bytes()
    server.misbehave("/oauth/token", times=None, **fault)

    result = authgate("token", now=later(3600 - 5))

    assert (result.status, result.out) == (status, "")
    assert token_file.read_bytes() == before


def test_quiet_takes_the_warning_away_and_leaves_the_token(authgate, server):
    authgate("--flow", "device")
    server.misbehave("/oauth/token", times=None, status=503, headers=AT_ONCE)

    result = authgate("token", "--quiet", now=later(3600 - 30))

    assert (result.status, result.err) == (0, "")
    assert result.out.count("\n") == 1


# -- never a sign-in


@pytest.mark.parametrize("flow", ["auto", "browser", "device"])
@pytest.mark.parametrize("command", [("token",), ("exec", "--", "true"), ("status",)], ids=str)
def test_no_sign_in_is_started_and_exit_4_says_that_one_is_needed(authgate, server, flow, command):
    result = authgate("--flow", flow, *command)

    assert (result.status, result.out) == (4, "")
    assert "authgate: hint: run authgate.pyz login" in result.err
    assert server.count("POST", "/oauth/device/code") == 0


def test_expired_token_without_a_refresh_token_is_exit_4(authgate, server):
    server.refresh_tokens = False
    authgate("--flow", "device")

    result = authgate("token", now=later(4000))

    assert (result.status, result.out) == (4, "")


@pytest.mark.parametrize("missing", ["AUTHGATE_URL", "CLIENT_ID"])
@pytest.mark.parametrize("command", ["login", "token", "status", "logout"])
def test_missing_setting_is_a_usage_error_that_names_it(authgate, missing, command):
    result = authgate(command, env={missing: None})

    assert (result.status, result.out) == (2, "")
    assert result.err.startswith(f"authgate: error: {missing} is not set\nauthgate: hint: ")


# -- a ready token


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [((), "ready-made\n"), (("--format", "header"), "Authorization: Bearer ready-made\n")],
)
def test_authgate_token_is_used_as_it_is_without_settings_or_requests(authgate, server, token_file, arguments, printed):
    environment = {"AUTHGATE_TOKEN": "ready-made", "AUTHGATE_URL": None, "CLIENT_ID": None}

    assert authgate("token", "--min-ttl", "600", *arguments, env=environment) == (0, printed, "")
    assert server.requests == []
    assert not token_file.exists()


def test_authgate_token_beats_the_stored_one(authgate):
    authgate("--flow", "device")

    assert authgate("token", env={"AUTHGATE_TOKEN": "ready-made"}).out == "ready-made\n"
    told = json.loads(authgate("token", "--json", env={"AUTHGATE_TOKEN": "ready-made"}).out)
    assert (told["source"], told["store"], told["expires_at"]) == ("environment", None, None)


@pytest.mark.parametrize("value", ["two words", "line\nbreak", "umläut", "bell\a"])
def test_authgate_token_that_is_none_is_a_usage_error_which_does_not_show_it(authgate, value):
    result = authgate("token", env={"AUTHGATE_TOKEN": value})

    assert (result.status, result.out) == (2, "")
    assert "AUTHGATE_TOKEN" in result.err
    assert value not in result.err


def test_empty_authgate_token_counts_as_none(authgate, server, token_file):
    authgate("--flow", "device")

    assert authgate("token", env={"AUTHGATE_TOKEN": ""}).out == stored_token(token_file, server) + "\n"


# -- client credentials


@pytest.mark.parametrize("switches", [(), ("--no-input",)], ids=str)
def test_machine_signs_itself_in_for_its_first_token_and_keeps_it(authgate, server, machine, token_file, switches):
    first = authgate("token", *switches, env=machine)
    second = authgate("token", *switches, env=machine)

    assert first.status == second.status == 0
    assert first.out == second.out
    assert server.count("POST", "/oauth/token", grant_type="client_credentials") == 1
    assert server.confidential_secret not in token_file.read_text()


@pytest.mark.parametrize("switches", [(), ("--no-input",)], ids=str)
@pytest.mark.parametrize("command", [("token",), ("login",)], ids=str)
@pytest.mark.parametrize("home", ["/nonexistent", ""])
def test_machine_needs_no_home_directory(authgate, server, machine, command, switches, home):
    result = authgate(*command, *switches, env={**machine, "HOME": home, "AUTHGATE_TOKEN_FILE": None})

    assert (result.status, result.err) == (0, "")
    assert server.count("POST", "/oauth/token", grant_type="client_credentials") == 1


@pytest.mark.parametrize("left", [30, 5, -400])
def test_machine_gets_a_new_token_when_its_own_runs_out(authgate, server, machine, left):
    first = authgate("token", env=machine)

    second = authgate("token", env=machine, now=later(3600 - left))

    assert (second.status, second.err) == (0, "")
    assert second.out != first.out
    assert server.count("POST", "/oauth/token", grant_type="client_credentials") == 2


@pytest.mark.parametrize(("left", "status"), [(30, 0), (5, 3)])
def test_machine_uses_its_last_seconds_up_when_the_server_is_away(authgate, server, machine, left, status):
    first = authgate("token", env=machine)
    server.misbehave("/oauth/token", times=None, status=503)

    second = authgate("token", env=machine, now=later(3600 - left))

    assert second.status == status
    assert second.out == (first.out if status == 0 else "")


def test_machine_without_a_secret_is_told_where_it_belongs(authgate, machine):
    result = authgate("token", env={**machine, "CLIENT_SECRET": None})

    assert (result.status, result.out) == (2, "")
    assert "CLIENT_SECRET" in result.err


@pytest.mark.parametrize(
    ("fault", "status"),
    [({"status": 401, "body": {"error": "invalid_client"}}, 1), ({"status": 503, "headers": AT_ONCE}, 3)],
    ids=str,
)
def test_machine_that_is_refused_gets_the_status_of_the_refusal(authgate, server, machine, fault, status):
    server.misbehave("/oauth/token", times=None, **fault)

    result = authgate("token", env=machine)

    assert (result.status, result.out) == (status, "")
    assert server.confidential_secret not in result.err


@pytest.mark.parametrize(
    ("offered", "by_form"),
    [(["client_secret_basic", "client_secret_post"], True), (["client_secret_post"], True), (None, False)],
)
def test_secret_goes_where_discovery_says(authgate, server, machine, offered, by_form):
    def offer(document):
        document["token_endpoint_auth_methods_supported"] = offered
        return document

    server.misbehave("/.well-known/openid-configuration", times=None, edit=offer)

    assert authgate("token", env=machine).status == 0

    asked = next(seen for seen in server.requests if seen.path == "/oauth/token")
    assert ("client_secret" in asked.form) is by_form
    assert bool(asked.credentials("Basic")) is not by_form


def test_report_of_a_machine_says_that_it_has_no_user(authgate, machine):
    lines = authgate("login", env=machine).out.splitlines()

    assert "(UserInfo not available: a machine's token has no user" in lines[0]
    assert "TokenInfo SubjectType: client" in lines


# -- a store that fails


def test_refresh_is_not_spent_on_a_store_that_cannot_be_written(authgate, server, token_file):
    authgate("--flow", "device")
    lock = token_file.with_name(token_file.name + ".lock")
    lock.mkdir()

    result = authgate(
        "token", now=later(4000), monotonic=iter(range(0, 10_000_000, 100)).__next__, sleep=lambda _: None
    )

    assert (result.status, result.out) == (5, "")
    assert server.count("POST", "/oauth/token", grant_type="refresh_token") == 0


def test_corrupt_file_is_exit_5_and_stays_as_it_is(authgate, token_file):
    token_file.write_text("{not json")
    token_file.chmod(0o600)

    result = authgate("token")

    assert (result.status, result.out) == (5, "")
    assert str(token_file) in result.err
    assert token_file.read_text() == "{not json"
