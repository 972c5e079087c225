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


@pytest.mark.parametrize("command", [("login", "--force", "--flow", "device"), ("doctor",)])
def test_who_signs_in_or_looks_for_faults_asks_anew(run, kept, server, command):
    edit(kept, userinfo_endpoint=server.url("/gone"))
    run(*command)
    assert DISCOVERY in paths(server)
    assert "/gone" not in paths(server)


@pytest.mark.parametrize("there", ["a page is gone", "nobody listens"])
def test_an_endpoint_that_has_moved_is_found_again(run, kept, server, there):
    moved = server.url("/gone") if there == "a page is gone" else "http://127.0.0.1:9/userinfo"
    edit(kept, userinfo_endpoint=moved)

    result = run("status")

    assert result.status == 0
    assert "Jane Doe" in result.out
    assert DISCOVERY in paths(server)
    server.requests.clear()
    run("status")
    assert paths(server) == [TOKENINFO, USERINFO], "what is kept has not been set right"


@pytest.mark.parametrize("there", ["a page is gone", "nobody listens"])
def test_a_refresh_finds_the_token_endpoint_again_and_spends_its_token_once(run, kept, server, there):
    moved = server.url("/gone") if there == "a page is gone" else "http://127.0.0.1:9/token"
    edit(kept, token_endpoint=moved)

    result = run("token", "--min-ttl", str(11 * HOUR))

    assert (result.status, result.err) == (0, "")
    assert server.count("POST", TOKEN, grant_type="refresh_token") == 1


def test_a_refresh_that_may_have_been_done_is_not_repeated_elsewhere(run, kept, server):
    edit(kept, token_endpoint=server.url("/oauth/token?old"))
    server.misbehave(TOKEN, drop="after")

    run("token", "--min-ttl", str(11 * HOUR))

    assert server.count("POST", TOKEN, grant_type="refresh_token") == 1


def test_a_sign_out_finds_the_revocation_endpoint_again(run, kept, server):
    edit(kept, revocation_endpoint=server.url("/gone"))
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
