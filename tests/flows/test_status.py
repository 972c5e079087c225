"""`status`: exit 0 only for a token that the server, or offline the clock, accepts."""

import json
import re
import time

import pytest

KEYS = [
    *("signed_in", "reason", "user", "token", "source", "store", "checked_by"),
    *("issuer", "client_id", "error", "hint", "exit_status"),
]

AT_ONCE = {"Retry-After": "0"}  # so that a retry takes no time


def later(seconds):
    return lambda: time.time() + seconds


@pytest.fixture
def told(authgate):
    """The JSON document of a status, whose exit status is the one that it names."""

    def run(*arguments, **how) -> dict:
        result = authgate("status", "--json", *arguments, **how)
        document = json.loads(result.out)
        assert list(document) == KEYS
        assert document["exit_status"] == result.status
        assert document["signed_in"] is (result.status == 0)
        assert (document["error"] is None) is (result.status == 0)
        return document

    return run


def test_text_says_who_where_and_how_long(authgate, server, token_file):
    authgate("--flow", "device")

    result = authgate("status")

    lines = dict(line.split(": ", 1) for line in result.out.splitlines())
    assert (result.status, result.err) == (0, "")
    assert lines["User"] == "Jane Doe (jane@example.com)"
    assert lines["Server"] == server.issuer
    assert lines["Client"] == server.client_id
    assert lines["Expires"].startswith("in 59 min (")
    assert lines["Kept in"] == str(token_file)
    assert lines["Checked by"] == "the server"
    assert not any(secret in result.out for secret in server.secrets())


@pytest.mark.parametrize(
    ("left", "shown"),
    [
        (45, r"in 4\d s "),
        (630, "in 10 min "),
        (7350, "in 2 h 2 min "),
        (400_000, "in 4 days "),
    ],
)
def test_time_left_is_told_as_a_person_would(authgate, server, left, shown):
    server.access_ttl = 1_000_000
    authgate("--flow", "device")

    result = authgate("status", "--offline", now=later(1_000_000 - left))

    assert re.search(rf"\nExpires: {shown}\(", result.out)


def test_status_changes_nothing(authgate, server, token_file):
    authgate("--flow", "device")
    before = token_file.read_bytes()
    server.requests.clear()

    authgate("status")

    assert {seen.method for seen in server.requests} == {"GET"}
    assert token_file.read_bytes() == before


def test_offline_makes_no_request(authgate, told, server):
    authgate("--flow", "device")
    server.requests.clear()
    server.stop()

    document = told("--offline")

    assert document["checked_by"] == "clock"
    assert server.requests == []


def test_offline_the_user_is_who_the_id_token_says(authgate, told, server, token_file):
    entry = {**server.issue("openid profile email"), "expires_at": int(time.time() + 3600), "issuer": server.issuer}
    token_file.touch(0o600)
    token_file.write_text(json.dumps({"data": {server.client_id: json.dumps(entry)}}))
    server.stop()

    assert told("--offline")["user"]["name"] == "Jane Doe"
    assert authgate("status", "--offline").out.startswith("User: Jane Doe (jane@example.com)\n")
    assert "\nChecked by: the clock only\n" in authgate("status", "--offline").out


def test_json_tells_in_one_word_why_nobody_is_signed_in(authgate, told, server, token_file):
    reasons = [told()["reason"]]
    authgate("--flow", "device")
    reasons += [
        told()["reason"],
        told("--offline", now=later(3601))["reason"],
        told(env={"AUTHGATE_URL": "x"})["reason"],
    ]
    server.misbehave("/oauth/userinfo", status=401, body={"error": "invalid_token"})
    reasons.append(told()["reason"])
    server.userinfo = server.tokeninfo = False
    reasons.append(told()["reason"])
    server.stop()
    reasons.append(told()["reason"])
    token_file.write_text("{")
    reasons.append(told()["reason"])

    assert reasons == ["signed_out", None, "expired", "settings", "refused", "unknown", "not_reachable", "store"]


def test_expired_token_is_told_with_the_time_since_when(authgate, server):
    authgate("--flow", "device")

    assert re.search(r"\nExpired: 20\d\d-\S+Z\n", authgate("status", now=later(3601)).out)


@pytest.mark.parametrize("arguments", [(), ("--offline",)], ids=str)
def test_expired_token_is_exit_4_and_no_request(authgate, told, server, arguments):
    authgate("--flow", "device")
    server.requests.clear()

    document = told(*arguments, now=later(3601))

    assert (document["exit_status"], document["checked_by"]) == (4, "clock")
    assert document["token"]["expires_in"] == 0
    assert server.requests == []


def test_nobody_signed_in_is_exit_4(authgate, told):
    document = told()
    result = authgate("status")

    assert (document["exit_status"], document["token"], document["store"]) == (4, None, None)
    assert (result.status, result.out) == (4, "")
    assert result.err.startswith("authgate: error: not signed in to http://127.0.0.1:")


@pytest.mark.parametrize(
    ("path", "fault", "status", "checked_by"),
    [
        ("/oauth/userinfo", {"status": 401, "body": {"error": "invalid_token"}}, 4, "server"),
        ("/oauth/userinfo", {"status": 503, "headers": AT_ONCE}, 3, None),
        ("/oauth/userinfo", {"status": 429, "headers": AT_ONCE}, 3, None),
        ("/oauth/userinfo", {"drop": "before"}, 3, None),
        ("/oauth/userinfo", {"body": b"<html>Wi-Fi</html>"}, 3, None),
        ("/oauth/userinfo", {"body": b"no JSON"}, 1, None),
        ("/oauth/userinfo", {"status": 400, "body": {"error": "invalid_request"}}, 1, None),
        ("/oauth/tokeninfo", {"body": {"active": False}}, 4, "server"),
        ("/.well-known/openid-configuration", {"status": 503, "headers": AT_ONCE}, 3, None),
        ("/.well-known/openid-configuration", {"status": 404}, 1, None),
        ("/.well-known/openid-configuration", {"edit": lambda said: {**said, "issuer": "http://other"}}, 1, None),
    ],
    ids=str,
)
def test_each_failure_has_its_exit_status_and_its_document(
    authgate, told, server, token_file, path, fault, status, checked_by
):
    authgate("--flow", "device")
    before = token_file.read_bytes()
    server.misbehave(path, times=None, **fault)

    document = told()

    assert document["exit_status"] == status
    assert document["checked_by"] == checked_by
    assert document["user"] is None
    assert document["token"]["access_token"].endswith("...")
    assert token_file.read_bytes() == before


def test_text_of_a_refused_token_does_not_call_it_good(authgate, server):
    authgate("--flow", "device")
    server.misbehave("/oauth/userinfo", times=None, status=401)

    result = authgate("status")

    assert result.status == 4
    assert "\nChecked by: the server; the token is not valid\n" in result.out
    assert result.err.startswith("authgate: error: the server does not accept the token\n")


def test_server_that_is_down_is_exit_3_with_what_is_known(authgate, server):
    authgate("--flow", "device")
    server.stop()

    result = authgate("status")

    assert result.status == 3
    assert "\nChecked by: (not checked)\n" in result.out


def test_server_that_offers_no_way_to_ask_proves_nothing(authgate, told, server):
    authgate("--flow", "device")
    server.userinfo = server.tokeninfo = False

    assert told()["exit_status"] == 1


def test_lack_of_scope_is_no_refusal(authgate, told, server):
    authgate("--flow", "device")
    server.misbehave("/oauth/userinfo", status=403, body={"error": "insufficient_scope"})

    assert told()["user"] is None


def test_corrupt_file_is_exit_5(told, token_file):
    token_file.write_text("[]")
    token_file.chmod(0o600)

    assert told()["exit_status"] == 5


@pytest.mark.parametrize(
    "environment",
    [{"AUTHGATE_URL": None}, {"AUTHGATE_URL": "http://far.example"}, {"AUTHGATE_TIMEOUT": "soon"}, {"CLIENT_ID": None}],
    ids=str,
)
def test_wrong_settings_are_exit_2_with_a_document(told, environment):
    document = told(env=environment)

    assert document["exit_status"] == 2
    assert document["signed_in"] is False


def test_settings_file_that_is_not_there_is_exit_2_with_a_document(told):
    assert told("--env-file", "nowhere.env")["exit_status"] == 2


# -- a ready token


def test_ready_token_is_checked_at_the_server_and_stored_nowhere(told, server, token_file):
    token = server.issue()["access_token"]

    document = told(env={"AUTHGATE_TOKEN": token, "CLIENT_ID": None})

    assert (document["source"], document["store"]) == ("environment", None)
    assert document["user"]["name"] == "Jane Doe"
    assert not token_file.exists()


def test_ready_token_that_is_refused_is_exit_4_and_has_to_be_renewed(told):
    document = told(env={"AUTHGATE_TOKEN": "revoked-long-ago"})

    assert (document["exit_status"], document["checked_by"]) == (4, "server")
    assert "AUTHGATE_TOKEN" in document["hint"]


@pytest.mark.parametrize(("ttl", "status"), [(3600, 0), (-10, 4)])
def test_offline_the_clock_judges_a_ready_token_by_its_own_claims(told, server, ttl, status):
    token = server.issue(ttl=ttl)["access_token"]
    server.stop()

    document = told("--offline", env={"AUTHGATE_TOKEN": token})

    assert (document["exit_status"], document["checked_by"]) == (status, "clock")


def test_machine_without_a_user_is_accepted(authgate, told, server):
    machine = {
        "CLIENT_ID": server.confidential_id,
        "CLIENT_SECRET": server.confidential_secret,
        "AUTHGATE_FLOW": "client-credentials",
    }
    authgate("token", env=machine)

    document = told(env=machine)

    assert (document["exit_status"], document["user"]) == (0, None)


def test_show_tokens_shows_them(authgate, told, server):
    authgate("--flow", "device")

    assert told("--show-tokens")["token"]["access_token"] in server.secrets()
