"""What a penetration test of the archive found: each case broke a promise once."""

import json

import pytest
from test_origins import expire

DISCOVERY = "/.well-known/openid-configuration"


def test_an_authgate_without_revocation_is_asked_for_none(authgate, server):
    authgate("--flow", "device")
    server.misbehave(DISCOVERY, times=None, edit=lambda told: {**told, "revocation_endpoint": None})

    assert authgate("login", "--force", "--flow", "device").status == 0


def test_every_run_asks_the_server_and_nothing_but_tokens_is_kept(authgate, server, home, token_file):
    """A discovery document in a world-writable XDG_CACHE_HOME was poisoned, and the token went to the attacker."""
    cache = home / "cache"
    cache.mkdir()
    cache.chmod(0o777)

    for _ in range(2):
        before = server.count("GET", DISCOVERY)
        assert authgate("--flow", "device", env={"XDG_CACHE_HOME": str(cache)}).status == 0
        assert server.count("GET", DISCOVERY) == before + 1

    assert list(cache.iterdir()) == []
    assert {path.name for path in home.iterdir()} <= {"cache", token_file.name, f"{token_file.name}.refresh"}


def test_a_server_that_always_says_wait_no_time_is_not_flooded(authgate, server, robot, callback):
    server.misbehave("/oauth/token", times=None, status=429, headers={"Retry-After": "0"})

    result = authgate("--flow", "browser", "--redirect-uri", callback, browser=robot())

    assert result.status == 3
    assert 2 <= server.count("POST", "/oauth/token") <= 46  # 90 s, and 2 s at least between two


def test_a_traceback_does_not_repeat_what_another_exception_says(authgate):
    secret = "".join(("secret-of-", "the-server"))  # the traceback shows source lines

    def send(request):
        raise ValueError(secret)

    result = authgate("--debug", "--flow", "device", send=send)

    assert (result.status, result.out) == (70, "")
    assert "ValueError" in result.err
    assert secret not in result.err


@pytest.mark.parametrize("arguments", [("logout",), ("logout", "--all")], ids=" ".join)
def test_signing_out_forgets_nothing_that_it_may_not_revoke(authgate, server, home, token_file, arguments):
    authgate("--flow", "device")
    before = token_file.read_bytes()
    (home / ".env").write_text(f"AUTHGATE_URL={server.issuer}\n")

    result = authgate(*arguments, env={"AUTHGATE_URL": None, "CLIENT_SECRET": "hush"})

    assert result.status == 2
    assert token_file.read_bytes() == before


@pytest.mark.parametrize("command", ["login", "status"])
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_a_token_that_userinfo_repeats_is_masked(authgate, server, token_file, command, form):
    authgate("--flow", "device")
    token = json.loads(json.loads(token_file.read_text())["data"][server.client_id])["access_token"]
    server.misbehave("/oauth/userinfo", edit=lambda told: {**told, "name": f"my {token}", "more": [token]})

    result = authgate(command, *form)

    assert result.status == 0
    assert token[8:60] not in result.out


PORTAL = {
    "redirect": {"status": 302, "headers": {"Location": "http://portal.example/"}},
    "page with 401": {"status": 401, "body": b"<html>Sign in to the Wi-Fi</html>"},
    "page": {"status": 200, "body": b"<html>Sign in to the Wi-Fi</html>"},
}


@pytest.mark.parametrize("answer", PORTAL.values(), ids=PORTAL)
def test_what_a_portal_says_is_no_word_about_a_refresh_token(authgate, server, token_file, answer):
    authgate("--flow", "device")
    expire(token_file)
    before = token_file.read_bytes()
    server.misbehave("/oauth/token", times=None, **answer)

    assert [authgate(command).status for command in ("login", "token")] == [3, 3]
    assert token_file.read_bytes() == before


@pytest.mark.parametrize("answer", PORTAL.values(), ids=PORTAL)
def test_what_a_portal_says_is_no_word_about_the_keys(authgate, server, answer):
    server.signing = "RS256"
    authgate("--flow", "device")
    server.misbehave("/.well-known/jwks.json", times=None, **answer)

    assert authgate("inspect", "--verify").status == 3


@pytest.mark.parametrize("answer", PORTAL.values(), ids=PORTAL)
def test_what_a_portal_says_of_a_revocation_does_not_count(authgate, server, token_file, answer):
    authgate("--flow", "device")
    server.misbehave("/oauth/revoke", times=None, **answer)

    result = authgate("logout")

    assert (result.status, json.loads(token_file.read_text())["data"]) == (3, {})
    assert "may stay valid at the server" in result.err


@pytest.mark.parametrize("answer", PORTAL.values(), ids=PORTAL)
def test_what_a_portal_says_is_no_word_about_a_stored_token(authgate, server, token_file, answer):
    authgate("--flow", "device")
    before = token_file.read_bytes()
    server.misbehave("/oauth/userinfo", times=None, **answer)

    assert [authgate(command).status for command in ("login", "status")] == [3, 3]
    assert token_file.read_bytes() == before


def test_a_parameter_that_is_no_text_is_a_wrong_setting(authgate):
    assert authgate("--param", "login_hint=\udcff").status == 2


def test_of_many_malformed_lines_only_some_are_named(authgate, home):
    (home / ".env").write_text("nonsense\n" * 10_000)

    result = authgate("status", "--offline")

    assert result.err.count("is malformed") == 10
    assert "9990 more lines of .env are malformed" in result.err
