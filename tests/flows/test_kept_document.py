"""The discovery document is asked for once in a while, and anew as soon as something does not fit."""

import json

import pytest

DISCOVERY, TOKEN, USERINFO, TOKENINFO = (
    "/.well-known/openid-configuration",
    *("/oauth/token", "/oauth/userinfo", "/oauth/tokeninfo"),
)
HOUR = 3600
NOW = 1_800_000_000.0


@pytest.fixture
def run(authgate, home, server):
    """Run with a place for caches, by a clock that stands still for the server as well."""
    server.clock = lambda: NOW
    server.access_ttl = 10 * HOUR
    caches = {"XDG_CACHE_HOME": str(home / "caches")}
    return lambda *argv, now=NOW, env=None, **how: authgate(
        *argv, env={**caches, **(env or {})}, now=lambda: now, **how
    )


@pytest.fixture
def kept(run, server, home):
    """Sign in; return the file in which the document is kept from then on."""
    assert run("login", "--flow", "device").status == 0
    server.requests.clear()
    (path,) = (home / "caches" / "authgate").iterdir()
    return path


def paths(server) -> list[str]:
    return sorted(seen.path for seen in server.requests)


def edit(path, **changes) -> None:
    """Change what the kept document says of the server."""
    fields = json.loads(path.read_text())
    document = json.loads(fields["document"]) | changes
    path.write_text(json.dumps({**fields, "document": json.dumps(document)}))


@pytest.mark.parametrize("command", ["login", "status"])
def test_second_run_does_not_ask_for_it(run, kept, server, command):
    assert run(command).status == 0
    assert paths(server) == [TOKENINFO, USERINFO]


def test_verbose_says_so(run, kept):
    assert "the discovery document was kept from an earlier run" in run("status", "--verbose").err


def test_it_is_asked_for_when_its_time_is_over(run, kept, server):
    assert run("status", now=NOW + HOUR - 1).status == 0
    assert DISCOVERY not in paths(server)
    assert run("status", now=NOW + HOUR).status == 0
    assert DISCOVERY in paths(server)


@pytest.mark.parametrize("control", ["no-store", "max-age=0", "no-cache, max-age=3600"])
def test_a_server_that_does_not_want_it_kept_is_heeded(run, server, home, control):
    server.misbehave(DISCOVERY, times=None, headers={"Cache-Control": control})
    run("login", "--flow", "device")
    assert not list((home / "caches").rglob("*.json"))


def test_a_ready_token_leaves_nothing_behind(run, server, home):
    token = server.issue()["access_token"]
    assert run("status", env={"AUTHGATE_TOKEN": token}).status == 0
    assert list(home.iterdir()) == []


def test_a_home_that_does_not_exist_is_not_made_for_it(run, server, home):
    token_file = {"AUTHGATE_TOKEN_FILE": str(home / "tokens")}
    assert (
        run("login", "--flow", "device", env={**token_file, "XDG_CACHE_HOME": "", "HOME": str(home / "none")}).status
        == 0
    )
    assert not (home / "none").exists()


@pytest.mark.parametrize("command", [("login", "--force", "--flow", "device"), ("doctor",)])
def test_who_signs_in_or_looks_for_faults_asks_anew(run, kept, server, command):
    edit(kept, userinfo_endpoint=server.url("/gone"))
    run(*command)
    assert DISCOVERY in paths(server)
    assert "/gone" not in paths(server)


OLD = "/old/userinfo"
NO_LONGER = {
    "not found": {"status": 404},
    "moved": {"status": 308, "headers": {"Location": "/oauth/userinfo"}},
    "forbidden": {"status": 403},
    "another's": {"status": 401, "body": {"error": "invalid_token"}},
    "out of order": {"status": 500},
    "not now": {"status": 503},
    "a page": {"status": 200, "body": b"<html>"},
    "somebody else's": {"status": 200, "body": {"name": "no sub"}},
    "silent": {"drop": "before"},
}


@pytest.mark.parametrize("command", ["login", "status"])
@pytest.mark.parametrize("answer", NO_LONGER.values(), ids=NO_LONGER)
def test_userinfo_that_has_moved_is_found_again(run, kept, server, command, answer):
    edit(kept, userinfo_endpoint=server.url(OLD))
    server.misbehave(OLD, times=None, **answer)

    result = run(command)

    assert (result.status, result.err) == (0, "")
    assert "Jane Doe" in result.out
    server.requests.clear()
    run("status")
    assert paths(server) == [TOKENINFO, USERINFO], "what is kept has not been set right"


def test_userinfo_where_nobody_listens_is_found_again(run, kept, server):
    edit(kept, userinfo_endpoint="http://127.0.0.1:9/userinfo")
    assert "Jane Doe" in run("status").out


def test_userinfo_that_is_offered_now_or_no_longer_is_noticed(run, kept, server):
    edit(kept, userinfo_endpoint=None)
    assert "Jane Doe" in run("status").out
    edit(kept, userinfo_endpoint=server.url(OLD))
    server.userinfo = False
    assert run("login").out.startswith("Token: ")


def test_a_token_that_is_refused_where_it_should_be_is_refused(run, kept, server):
    server.misbehave(USERINFO, times=None, status=401)
    assert run("status").status == 4
    assert server.count("GET", USERINFO) == 1
    assert server.count("GET", DISCOVERY) == 1


def refreshes(run, server) -> None:
    result = run("token", "--min-ttl", str(11 * HOUR))

    assert (result.status, result.err) == (0, "")
    assert server.count("POST", TOKEN, grant_type="refresh_token") == 1
    assert run("token").out == result.out


@pytest.mark.parametrize("there", [OLD, None], ids=["elsewhere", "nowhere"])
def test_a_refresh_token_is_spent_by_what_the_server_says_now(run, kept, server, there):
    edit(kept, token_endpoint=there and server.url(there))
    refreshes(run, server)
    assert server.count("POST", OLD) == 0


@pytest.mark.parametrize("known", [None, OLD], ids=["none", "old ones"])
def test_a_refreshed_id_token_is_checked_by_the_keys_that_there_are_now(run, server, home, known):
    """The refresh token is spent by then, and the new one must not be dropped over a key."""
    server.algorithm = "RS256"
    assert run("login", "--flow", "device", "--scope", "openid profile").status == 0
    (kept,) = (home / "caches" / "authgate").iterdir()
    edit(kept, jwks_uri=known and server.url(known))
    server.requests.clear()
    claims = {"iss": server.issuer, "aud": server.client_id, "sub": server.user["sub"], "exp": NOW + 99, "iat": NOW}
    server.misbehave(TOKEN, edit=lambda answer: answer | {"id_token": server.sign(claims)})

    refreshes(run, server)


@pytest.mark.parametrize("known", [None, OLD], ids=["none", "an old one"])
def test_a_sign_out_revokes_where_the_server_says_now(run, kept, server, known):
    edit(kept, revocation_endpoint=known and server.url(known))
    assert run("logout").status == 0
    assert server.count("POST", "/oauth/revoke") == 2


def test_over_plain_http_nobody_sends_us_elsewhere_for_longer_than_he_has_the_port(run, server, home):
    server.misbehave(DISCOVERY, times=None, edit=lambda said: said | {"userinfo_endpoint": "http://127.0.0.1:9/me"})
    run("login", "--flow", "device")
    assert not list((home / "caches").rglob("*.json"))


DOUBTFUL = {"forbidden": {"status": 403}, "not found": {"status": 404}, "refused": {"status": 401}}
DISCOVERED = {  # what comes of asking anew, and the exit status
    "not now": ({"status": 503, "headers": {"Retry-After": "0"}}, 3),
    "not there": ({"status": 404}, 1),
    "another issuer": ({"edit": lambda said: said | {"issuer": "https://other.example"}}, 1),
}


@pytest.mark.parametrize("command", ["login", "status"])
@pytest.mark.parametrize(("discovered", "status"), DISCOVERED.values(), ids=DISCOVERED)
@pytest.mark.parametrize("answer", DOUBTFUL.values(), ids=DOUBTFUL)
def test_a_doubtful_answer_does_not_stand_when_nobody_can_say_better(
    run, kept, server, command, answer, discovered, status
):
    """Something else has the port, or stands in between; the token is kept."""
    for path in (USERINFO, TOKENINFO):
        server.misbehave(path, times=None, **answer)
    server.misbehave(DISCOVERY, times=None, **discovered)

    result = run(command)

    assert result.status == status
    assert "accept" not in result.err
    assert command == "status" or result.out == ""
    server.clear_misbehaviour()
    assert run(command).status == 0


def test_userinfo_about_somebody_else_is_looked_up_anew(run, server, home):
    assert run("login", "--flow", "device", "--scope", "openid profile").status == 0
    entry = json.loads((home / ".authgate-tokens.json").read_text())
    (kept,) = (home / "caches" / "authgate").iterdir()
    edit(kept, userinfo_endpoint=server.url(OLD))
    server.misbehave(OLD, times=None, status=200, body={"sub": "somebody else"})
    claims = {"iss": server.issuer, "aud": server.client_id, "sub": server.user["sub"], "exp": NOW + 99, "iat": NOW}
    fields = json.loads(entry["data"][server.client_id]) | {"id_token": server.sign(claims)}
    (home / ".authgate-tokens.json").write_text(json.dumps({"data": {server.client_id: json.dumps(fields)}}))

    assert "Jane Doe" in run("status").out


def test_a_server_that_is_silent_is_not_waited_for_twice(run, kept, server):
    for path in (USERINFO, TOKENINFO):
        server.misbehave(path, times=None, delay=0.6)

    result = run("status", "--timeout", "0.3")

    assert result.status == 3
    assert "within 0.3 s" in result.err
    assert DISCOVERY not in paths(server)


def test_a_sign_out_goes_by_what_is_kept_where_the_server_cannot_be_asked(run, kept, server):
    server.misbehave(DISCOVERY, times=None, status=503, headers={"Retry-After": "0"})
    assert run("logout").status == 0
    assert server.count("POST", "/oauth/revoke") == 2


def test_a_server_that_is_away_is_said_to_be_away(run, kept, server):
    server.stop()
    result = run("status")
    assert result.status == 3
    assert "refuses connections" in result.err


def test_a_document_of_another_server_is_not_believed(run, kept, server):
    edit(kept, issuer="https://evil.example", userinfo_endpoint="http://127.0.0.1:9/steal")
    assert run("status").status == 0
    assert DISCOVERY in paths(server)
