"""The life of a stored token: used, refreshed, kept whatever happens, and never shown to a stranger.

Server and client share one clock, which stands still. Every test begins with a token in the file,
NEAR its end or EXPIRED, and looks at three things: the exit status, what the server was asked, and
what is in the file afterwards.
"""

import json
from email.utils import formatdate
from pathlib import Path

import pytest
from authgate_server import AuthGateServer

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
NEAR, EXPIRED = 30, -60  # seconds left
TOKEN_ENDPOINT, DISCOVERY = "/oauth/token", "/.well-known/openid-configuration"
SAMPLES = {path.stem: path.read_text() for path in (Path(__file__).parents[1] / "data" / "token-files").glob("*.json")}
SAMPLE_KEY = "550e8400-e29b-41d4-a716-446655440000"


def rfc3339(when):
    return {NOW + NEAR: "2027-01-15T08:00:30Z", NOW + EXPIRED: "2027-01-15T07:59:00Z"}[when]


class Entry:
    """One client's entry in the token file, as its other readers see it."""

    def __init__(self, path, client_id):
        self.path, self.client_id = path, client_id

    def write(self, outer="data", **fields):
        """Write the file anew, with this entry alone."""
        entry = json.dumps(fields) if outer == "data" else fields
        self.path.touch(0o600)
        self.path.write_text(json.dumps({outer: {self.client_id: entry}}))

    def expires(self, when):
        self.write(**{**self.fields, "expires_at": when})

    @property
    def document(self):
        return json.loads(self.path.read_text())

    @property
    def fields(self):
        return json.loads(self.document["data"][self.client_id])


@pytest.fixture
def run(authgate, server):
    """Run a command line by the clock that stands still."""
    server.clock = lambda: NOW
    return lambda *argv, now=NOW, **how: authgate(*argv, now=lambda: now, **how)


@pytest.fixture
def entry(token_file, server):
    return Entry(token_file, server.client_id)


@pytest.fixture
def given(run, server, entry):
    """A token as the server gave it, in the file and expired; `entry` can make it near its end."""
    given = server.issue("openid profile email")
    entry.write(
        **{name: given[name] for name in ("access_token", "refresh_token", "token_type", "scope", "id_token")},
        expires_at=rfc3339(NOW + EXPIRED),
        client_id=server.client_id,
        issuer=server.issuer,
    )
    return given


@pytest.fixture
def near(given, entry):
    """The same, with NEAR seconds left."""
    entry.expires(rfc3339(NOW + NEAR))
    return given


def refreshes(server):
    return server.count("POST", TOKEN_ENDPOINT, grant_type="refresh_token")


def table(cases):
    """Parametrize by a dict from names to cases."""
    return pytest.mark.parametrize("case", cases.values(), ids=cases)


# -- when it is refreshed


def test_an_expired_token_is_refreshed_and_the_new_pair_is_stored(run, server, given, entry):
    result = run("token")

    assert result.status == 0
    assert result.out.strip() == entry.fields["access_token"] != given["access_token"]
    assert entry.fields["refresh_token"] != given["refresh_token"]
    assert server.family_alive(entry.fields["refresh_token"])
    assert refreshes(server) == 1


def test_an_access_token_that_no_header_can_hold_is_kept_after_a_refresh(run, server, given, entry):
    """It came with the refresh token that has replaced the old one."""
    server.misbehave(TOKEN_ENDPOINT, edit=lambda told: {**told, "access_token": "abc def"})

    result = run("token")

    assert (result.status, result.out, entry.fields["access_token"]) == (0, "abc def\n", "abc def")
    assert server.family_alive(entry.fields["refresh_token"])


SECONDS_LEFT = {
    "expired": (EXPIRED, (), True),
    "just under a minute": (59.9, (), True),
    "a minute": (60, (), False),
    "an hour": (3600, (), False),
    "less than --min-ttl": (1199, ("--min-ttl", "1200"), True),
    "as much as --min-ttl": (1200, ("--min-ttl", "1200"), False),
    "less than half of its life": (1799, ("--min-ttl", "3600"), True),
    "half of its life": (1800, ("--min-ttl", "3600"), False),
    "little, and --min-ttl is less": (5, ("--min-ttl", "0"), False),
}


@table(SECONDS_LEFT)
def test_token_is_refreshed_when_it_has_less_than_min_ttl_left(run, server, given, entry, case):
    left, argv, expected = case
    entry.expires(NOW + left)

    result = run("token", *argv)

    assert (result.status, refreshes(server)) == (0, int(expected))
    assert (result.out.strip() != given["access_token"]) == expected


@pytest.mark.parametrize(
    "command", [("login", "--json"), ("exec", "--", "unheard-of-program")], ids=lambda argv: argv[0]
)
def test_every_command_that_needs_a_good_token_refreshes_a_minute_early(run, server, near, entry, command):
    run(*command)

    assert refreshes(server) == 1
    assert entry.fields["access_token"] != near["access_token"]


@pytest.mark.parametrize("command", [("status", "--offline"), ("inspect",)], ids=lambda argv: argv[0])
def test_commands_that_only_look_refresh_nothing(run, server, near, command):
    run(*command)

    assert server.requests == []


def test_a_token_that_cannot_be_refreshed_is_used_to_its_end_and_then_asks_for_a_sign_in(run, server, near, entry):
    entry.write(**{**entry.fields, "refresh_token": ""})
    good = run("token")
    entry.expires(NOW + EXPIRED)
    expired = run("token")

    assert (good.status, good.out.strip()) == (0, near["access_token"])
    assert "without a refresh token; using the current token, which expires in 30 s" in good.err
    assert (expired.status, expired.out) == (4, "")
    assert server.requests == []


# -- when it cannot be refreshed

NOT_NOW = {
    "500": {"status": 500, "body": {"error": "server_error"}},
    "503": {"status": 503},
    "429": {"status": 429, "body": {"error": "rate_limit_exceeded"}},
    "429 with a time": {"status": 429, "headers": {"Retry-After": "1"}},
    "HTML": {"status": 200, "body": b"<!doctype html><title>Sign in to the Wi-Fi</title>"},
    "HTML and an error": {"status": 403, "body": b"<html>Forbidden</html>"},
    "dropped before it was processed": {"drop": "before"},
    "dropped after it was processed": {"drop": "after"},
    "cut off in the middle": {"drop": "body"},
}
UNUSABLE = {
    "no access token": {"edit": lambda told: {**told, "access_token": None}},
    "empty access token": {"edit": lambda told: {**told, "access_token": ""}},
    "access token with a line feed": {"edit": lambda told: {**told, "access_token": "abc\ndef"}},
    "access token with an escape": {"edit": lambda told: {**told, "access_token": "abc\x1b[2J"}},
    "refresh token with a null": {"edit": lambda told: {**told, "refresh_token": "abc\0"}},
    "another type": {"edit": lambda told: {**told, "token_type": "DPoP"}},
    "no type": {"edit": lambda told: {**told, "token_type": None}},
    "not JSON": {"status": 200, "body": b"access_token=abc"},
    "a list": {"status": 200, "body": b'["abc"]'},
    "one thing twice": {"status": 200, "body": b'{"access_token": "a", "token_type": "Bearer", "access_token": "b"}'},
    "another client's": {"status": 401, "body": {"error": "invalid_client"}},
    "another error": {"status": 400, "body": {"error": "unauthorized_client"}},
    "no reason": {"status": 400, "body": b""},
}
FAILURES = {name: (fault, 3) for name, fault in NOT_NOW.items()} | {
    name: (fault, 1) for name, fault in UNUSABLE.items()
}


@table(FAILURES)
@pytest.mark.parametrize("command", ["token", "login"])
def test_an_expired_token_is_kept_and_the_refresh_not_repeated(run, server, given, token_file, command, case):
    fault, status = case
    before = token_file.read_bytes()
    server.misbehave(TOKEN_ENDPOINT, times=None, **fault)

    result = run(command, "--flow", "device")

    assert (result.status, result.out) == (status, "")
    assert result.err.startswith("authgate: error: ")
    assert token_file.read_bytes() == before
    assert server.count("POST", TOKEN_ENDPOINT) == 1
    assert server.count("POST", "/oauth/device/code") == 0


@table(FAILURES)
def test_a_token_that_is_still_good_is_used_with_a_warning(run, server, near, token_file, case):
    fault, _ = case
    before = token_file.read_bytes()
    server.misbehave(TOKEN_ENDPOINT, times=None, **fault)

    result = run("token")

    assert (result.status, result.out.strip()) == (0, near["access_token"])
    assert result.err.startswith("authgate: warning: ")
    assert result.err.endswith("; using the current token, which expires in 30 s\n")
    assert token_file.read_bytes() == before
    assert server.count("POST", TOKEN_ENDPOINT) == 1


@pytest.mark.parametrize("left", [10, 9], ids=["for 10 s", "for 9 s"])
def test_a_token_is_still_good_when_it_has_ten_seconds(run, server, near, entry, left):
    entry.expires(NOW + left)
    server.misbehave(TOKEN_ENDPOINT, status=503)

    assert run("token").status == (0 if left >= 10 else 3)


def test_login_goes_on_with_a_token_that_is_still_good(run, server, near):
    server.misbehave(TOKEN_ENDPOINT, status=503)

    result = run("login", "--json")

    assert json.loads(result.out)["source"] == "stored"
    assert "using the current token" in result.err


@pytest.mark.parametrize("left", [NEAR, EXPIRED])
def test_a_server_that_is_down_costs_nothing(run, server, given, entry, token_file, left):
    entry.expires(NOW + left)
    before = token_file.read_bytes()
    server.stop()

    result = run("token")

    assert result.status == (0 if left > 0 else 3)
    assert "refuses connections" in result.err
    assert token_file.read_bytes() == before


def test_a_sign_in_during_a_refresh_is_not_overwritten(run, server, given, entry):
    newer = server.issue("openid profile email")

    def sign_in(told):
        fields = {name: newer[name] for name in ("access_token", "refresh_token", "id_token")}
        entry.write(**{**entry.fields, **fields, "expires_at": rfc3339(NOW + NEAR)})
        return told

    server.misbehave(TOKEN_ENDPOINT, edit=sign_in)

    result = run("token")

    assert (result.status, result.out.strip()) == (0, newer["access_token"])
    assert entry.fields["refresh_token"] == newer["refresh_token"]


# -- when the server says that it is over

INVALID_GRANT = {"status": 400, "body": {"error": "invalid_grant"}}


def test_invalid_grant_is_exit_4_and_leaves_the_file_alone(run, server, given, token_file):
    before = token_file.read_bytes()
    server.misbehave(TOKEN_ENDPOINT, times=None, **INVALID_GRANT)

    result = run("token")

    assert (result.status, result.out) == (4, "")
    assert "invalid_grant" in result.err
    assert "authgate: hint: run authgate.pyz login" in result.err
    assert token_file.read_bytes() == before
    assert server.count("POST", TOKEN_ENDPOINT) == 1


def test_invalid_grant_makes_login_sign_in(run, server, given, entry):
    server.revoke_family(given["refresh_token"])

    result = run("login", "--flow", "device", "--json")

    assert json.loads(result.out)["source"] == "device"
    assert server.family_alive(entry.fields["refresh_token"])


def test_invalid_grant_without_a_person_keeps_the_token(run, server, given, token_file):
    before = token_file.read_bytes()
    server.revoke_family(given["refresh_token"])

    assert run("login", "--no-input").status == 4
    assert token_file.read_bytes() == before


@pytest.mark.parametrize("left", [3600, EXPIRED], ids=["good", "expired as well"])
def test_after_invalid_grant_the_store_is_read_again_once(run, server, given, entry, left):
    """Another program, which knows nothing of our lock, refreshes while our request is under way."""
    theirs = server.issue()

    def somebody_refreshes(seen):
        fields = {**entry.fields, "access_token": theirs["access_token"], "refresh_token": theirs["refresh_token"]}
        entry.write(**{**fields, "expires_at": NOW + left})
        return True

    server.misbehave(TOKEN_ENDPOINT, when=somebody_refreshes, times=None, **INVALID_GRANT)

    result = run("token")

    assert (result.status, result.out.strip()) == ((0, theirs["access_token"]) if left > 0 else (4, ""))
    assert server.count("POST", TOKEN_ENDPOINT) == 1
    assert entry.fields["refresh_token"] == theirs["refresh_token"]


def test_a_token_that_only_the_server_calls_expired_is_refreshed_by_login(run, server, given, entry):
    """Its clock counts, not ours, which was set back; and the refresh token is as good as ever."""
    entry.expires(NOW + 3600)
    server.revoke_access(given["access_token"])
    server.misbehave("/oauth/userinfo", headers={"Date": formatdate(NOW + 3601, usegmt=True)})

    result = run("login", "--flow", "device", "--json")

    assert json.loads(result.out)["source"] == "refreshed"
    assert server.count("POST", "/oauth/device/code") == 0


def test_a_token_that_has_been_revoked_is_refreshed_before_anybody_is_asked(run, server, given, entry):
    entry.expires(NOW + 3600)
    server.revoke_access(given["access_token"])

    result = run("login", "--flow", "device", "--json")

    assert (result.status, json.loads(result.out)["source"]) == (0, "refreshed")
    assert refreshes(server) == 1


def test_a_refused_token_is_kept_until_the_new_one_is(run, server, given, entry, token_file):
    entry.expires(NOW + 3600)
    server.revoke_access(given["access_token"])
    server.misbehave(TOKEN_ENDPOINT, status=400, body={"error": "invalid_grant"})
    kept = []

    def look(seen):
        kept.append(given["access_token"] in token_file.read_text())
        return False

    server.misbehave("/oauth/device/code", times=None, when=look)

    result = run("login", "--flow", "device", "--json")

    assert json.loads(result.out)["source"] == "device"
    assert kept == [True]


def test_a_token_that_the_server_refuses_is_kept_where_nobody_can_sign_in(run, server, given, entry, token_file):
    entry.expires(NOW + 3600)
    server.misbehave("/oauth/userinfo", times=None, status=401)

    assert run("login", "--no-input").status == 4
    assert server.family_alive(entry.fields["refresh_token"])


# -- what an answer leaves out


@pytest.mark.parametrize("name", ["refresh_token", "scope", "id_token"])
@pytest.mark.parametrize("empty", [True, False], ids=["empty", "absent"])
def test_what_the_answer_leaves_out_stays_as_it_was(run, server, given, entry, name, empty):
    server.rotation = False

    def without(told):
        told.pop(name, None)
        return {**told, name: None if name == "scope" else ""} if empty else told

    server.misbehave(TOKEN_ENDPOINT, edit=without)

    assert run("token").status == 0
    assert entry.fields[name] == given[name]
    assert entry.fields["access_token"] != given["access_token"]


def test_what_the_answer_brings_anew_is_stored(run, server, given, entry):
    claims = {"iss": server.issuer, "aud": server.client_id, "sub": server.user["sub"], "exp": NOW + 99, "iat": NOW}
    server.misbehave(TOKEN_ENDPOINT, edit=lambda told: {**told, "scope": "profile", "id_token": server.sign(claims)})

    assert run("token").status == 0
    assert entry.fields["scope"] == "profile"
    assert entry.fields["id_token"] not in (given["id_token"], "")


@pytest.mark.parametrize("claim", ["iss", "aud", "sub"])
def test_a_new_id_token_about_somebody_else_is_refused_and_the_token_kept(run, server, given, token_file, claim):
    claims = {"iss": server.issuer, "aud": server.client_id, "sub": server.user["sub"], "exp": NOW + 99, "iat": NOW}
    wrong = server.sign({**claims, claim: "somebody else"})
    before = token_file.read_bytes()
    server.misbehave(TOKEN_ENDPOINT, edit=lambda told: {**told, "id_token": wrong})

    result = run("token")

    assert (result.status, result.out) == (1, "")
    assert token_file.read_bytes() == before


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 404}, {"body": b"no keys"}], ids=str)
@pytest.mark.parametrize("since", ["always", "after the first time"])
def test_no_refresh_token_is_lost_over_keys_that_cannot_be_fetched(run, server, given, entry, fault, since):
    """The old pair is spent; the new one is kept, without the ID token that could not be checked."""
    server.signing = "RS256"
    known = server.issue("openid")
    entry.write(**{**entry.fields, "id_token": known["id_token"]})
    claims = {"iss": server.issuer, "aud": server.client_id, "sub": server.user["sub"], "exp": NOW + 99, "iat": NOW}
    unknown = server.sign(claims, "ES256")
    later = [None] if since == "always" else []
    server.misbehave("/.well-known/jwks.json", times=None, when=lambda seen: later or later.append(seen), **fault)
    server.misbehave(TOKEN_ENDPOINT, edit=lambda told: {**told, "id_token": unknown})

    result = run("token")

    assert (result.status, result.out.strip()) == (0, entry.fields["access_token"])
    assert "authgate: warning: " in result.err
    assert entry.fields["refresh_token"] != given["refresh_token"]
    assert entry.fields["id_token"] == known["id_token"]


# -- the file that is shared


class Dialect:
    """A sample that another client wrote, with a token of this server's in it."""

    def __init__(self, name, server, token_file):
        self.given = server.issue()
        text = SAMPLES[name].replace(SAMPLE_KEY, server.client_id)
        for kind in ("access", "refresh"):
            text = text.replace(f"eyJhbGciOiJIUzI1NiJ9.{kind.upper()}-TOKEN-SANITIZED.sig", self.given[f"{kind}_token"])
        self.path, self.client_id = token_file, server.client_id
        self.outer = "tokens" if name == "legacy-go-cli" else "data"
        self.path.touch(0o600)
        self.path.write_text(text)

    def entry(self):
        entry = json.loads(self.path.read_text())[self.outer][self.client_id]
        return json.loads(entry) if isinstance(entry, str) else entry

    def expires(self, value):
        document = json.loads(self.path.read_text())
        old, fields = document[self.outer][self.client_id], {**self.entry(), "expires_at": value}
        document[self.outer][self.client_id] = json.dumps(fields) if isinstance(old, str) else fields
        self.path.write_text(json.dumps(document))


LATER = NOW + 3600
EXPIRED_IN = {
    "bash-cli": "1799999940",
    "python-sdk": 1799999940.25,
    "go-sdk": "2027-01-15T07:59:00.823604903Z",
    "legacy-go-cli": "2027-01-15T08:59:00.85087927+01:00",
}
REFRESHED_IN = {
    "bash-cli": "1800003600",
    "python-sdk": 1800003600.0,
    "go-sdk": "2027-01-15T09:00:00Z",
    "legacy-go-cli": "2027-01-15T09:00:00Z",
}
NEVER_IN = {
    "bash-cli": "",
    "python-sdk": 0.0,
    "go-sdk": "0001-01-01T00:00:00Z",
    "legacy-go-cli": "0001-01-01T00:00:00Z",
}
dialects = pytest.mark.parametrize("dialect", sorted(SAMPLES))


@dialects
def test_a_token_of_another_client_is_refreshed_and_stays_readable_to_it(run, server, token_file, dialect):
    sample = Dialect(dialect, server, token_file)
    before = sample.entry()
    sample.expires(EXPIRED_IN[dialect])

    result = run("token")

    after = sample.entry()
    assert (result.status, result.out.strip()) == (0, after["access_token"])
    assert after["access_token"] != before["access_token"]
    assert after["refresh_token"] != before["refresh_token"]
    assert repr(after["expires_at"]) == repr(REFRESHED_IN[dialect])
    assert set(after) >= set(before)
    assert after.get("flow") == before.get("flow")
    if dialect == "python-sdk":
        assert set(after) == set(before)
    assert server.family_alive(after["refresh_token"])
    assert run("token").out == result.out
    assert refreshes(server) == 1


@dialects
def test_an_expiry_that_its_writer_does_not_know_is_none(run, server, token_file, dialect):
    sample = Dialect(dialect, server, token_file)
    sample.expires(NEVER_IN[dialect])
    before = token_file.read_bytes()

    assert run("token").out.strip() == sample.given["access_token"]
    assert server.requests == []
    assert token_file.read_bytes() == before


@dialects
def test_a_new_expiry_that_nobody_knows_is_written_as_its_writer_does(run, server, token_file, dialect):
    sample = Dialect(dialect, server, token_file)
    sample.expires(EXPIRED_IN[dialect])
    server.misbehave(TOKEN_ENDPOINT, edit=lambda told: {**told, "expires_in": None})

    assert run("token").status == 0
    assert repr(sample.entry()["expires_at"]) == repr(NEVER_IN[dialect])


def test_what_others_keep_in_the_file_survives_a_refresh(run, server, given, entry):
    others = {
        "version": 3,
        "data": {"another client": '{ "access_token":"theirs",  "odd": [1, 2.50, "\\u00e9"] }', "broken": "{"},
        "tokens": {"an old client": {"access_token": "old", "flow": "device"}},
    }
    mine = json.dumps({**entry.fields, "nickname": "work", "tags": ["a", None]})
    entry.path.write_text(json.dumps({**others, "data": {**others["data"], server.client_id: mine}}))

    assert run("token").status == 0

    after = entry.document
    assert (entry.fields["nickname"], entry.fields["tags"]) == ("work", ["a", None])
    assert entry.fields["access_token"] != given["access_token"]
    del after["data"][server.client_id]
    assert after == others


# -- clocks

EXPIRES_AT = {
    "digits, under a minute": ("1800000059", True),
    "digits, a minute": ("1800000060", False),
    "integer": (1800000059, True),
    "float, under a minute": (1800000059.9, True),
    "float, a minute": (1800000060.0, False),
    "RFC 3339, under a minute": ("2027-01-15T08:00:59Z", True),
    "RFC 3339, a minute": ("2027-01-15T08:01:00Z", False),
    "nine digits of a second, under a minute": ("2027-01-15T08:00:59.823604903Z", True),
    "nine digits of a second, over a minute": ("2027-01-15T08:01:00.823604903Z", False),
    "east of Greenwich, under a minute": ("2027-01-15T13:30:59+05:30", True),
    "east of Greenwich, a minute": ("2027-01-15T13:31:00+05:30", False),
    "west of Greenwich, under a minute": ("2027-01-14T20:00:59-12:00", True),
    "west of Greenwich, a minute": ("2027-01-14T20:01:00-12:00", False),
    "small letters": ("2027-01-15t08:00:59z", True),
    "Go's zero time": ("0001-01-01T00:00:00Z", False),
    "empty": ("", False),
    "zero": (0.0, False),
    "negative": (-1, False),
    "null": (None, False),
    "true": (True, False),
    "words": ("tomorrow", False),
    "month 13": ("2027-13-15T08:00:00Z", False),
    "1e300": (1e300, False),
    "no number": ("NaN", False),
}


@table(EXPIRES_AT)
def test_an_expiry_is_understood_however_it_is_written(run, server, given, entry, case):
    written, expected = case
    entry.expires(written)

    result = run("token")

    assert (result.status, refreshes(server)) == (0, int(expected))


EXPIRES_IN = {
    "a number": (3600, NOW + 3600),
    "a fraction": (0.5, NOW + 0.5),
    "missing": (None, None),
    "negative": (-1, None),
    "text": ("3600", None),
    "1e300": (1e300, None),
    "past the year 9999": (253402300800, None),
    "true": (True, None),
    "a list": ([3600], None),
}


@table(EXPIRES_IN)
def test_a_lifetime_that_is_no_number_is_none(run, server, given, entry, case):
    expires_in, expires_at = case
    server.misbehave(TOKEN_ENDPOINT, edit=lambda told: {**told, "expires_in": expires_in})

    told = json.loads(run("token", "--format", "json").out)

    assert told["expires_in"] == (None if expires_at is None else int(expires_at - NOW))
    assert (told["expires_at"] is None) == (expires_at is None)
    assert entry.fields["expires_at"] == (
        "0001-01-01T00:00:00Z" if expires_at is None else f"2027-01-15T0{8 + int(expires_at - NOW) // 3600}:00:00Z"
    )
    again = run("token", now=NOW + 1)
    assert again.status == 0
    assert refreshes(server) == (1 if expires_at in (None, NOW + 3600) else 2)


@pytest.mark.parametrize("command", [["token"], ["exec", "--", "true"]], ids=" ".join)
def test_a_new_token_whose_lifetime_is_0_is_stored_and_not_passed_on(run, server, given, entry, command):
    server.misbehave(TOKEN_ENDPOINT, edit=lambda told: {**told, "expires_in": 0})

    result = run(*command)

    assert (result.status, result.out) == (1, "")
    assert "the server issued a token that has already expired" in result.err
    assert entry.fields["expires_at"] == "2027-01-15T08:00:00Z"
    assert run("token").status == 0  # its refresh token is good


def test_a_clock_set_back_an_hour_loses_nothing(run, server, given, entry):
    """The token seems good for an hour more; the server knows better, and it is refreshed then."""
    entry.expires(NOW + NEAR)
    server.clock = lambda: NOW + 7200
    trusting = run("token", now=NOW - 3600)

    told = json.loads(run("login", "--json", now=NOW - 3600).out)

    assert trusting.out.strip() == given["access_token"]
    assert told["source"] == "refreshed"
    assert told["token"]["expires_in"] == 3600
    assert (run("token", now=NOW - 3600).status, refreshes(server)) == (0, 1)


def test_a_clock_set_forward_an_hour_refreshes_once_and_not_for_ever(run, server, given, entry):
    entry.expires(NOW + 3600)

    assert [run("token", now=NOW + 3600).status for _ in range(3)] == [0, 0, 0]
    assert refreshes(server) == 1


# -- bound to its issuer


@pytest.fixture
def stranger(server, run):
    """Somebody else's server, which knows a client of the same name."""
    with AuthGateServer(client_id=server.client_id, device_interval=0, clock=lambda: NOW) as stranger:
        yield stranger


def heard_by(server):
    """Return everything that anybody has sent to a server."""
    return repr([(seen.path, seen.query, seen.form, seen.headers.items()) for seen in server.requests])


COMMANDS = {
    "token": (("token",), 4),
    "login": (("login", "--no-input"), 4),
    "status": (("status",), 4),
    "status offline": (("status", "--offline"), 4),
    "exec": (("exec", "--", "true"), 4),
    "inspect": (("inspect", "--verify"), 4),
    "logout": (("logout",), 0),
    "doctor": (("doctor",), None),
    "sign-in": (("login", "--flow", "device"), 0),
    "another sign-in": (("login", "--flow", "device", "--force"), 0),
}


@table(COMMANDS)
@pytest.mark.parametrize("left", [3600, EXPIRED], ids=["good", "expired"])
@pytest.mark.parametrize("recorded", [True, False], ids=["issuer recorded", "issuer in the token alone"])
def test_a_token_is_never_sent_to_another_server(run, server, stranger, given, entry, home, case, left, recorded):
    """A `.env` in a cloned repository that points elsewhere, with your own client id, gets nothing."""
    argv, status = case
    fields = {**entry.fields, "expires_at": NOW + left}
    entry.write(**fields if recorded else {name: fields[name] for name in fields if name != "issuer"})
    before = entry.document["data"][server.client_id]
    (home / ".env").write_text(f"AUTHGATE_URL={stranger.issuer}\n")

    result = run(*argv, env={"AUTHGATE_URL": None})

    assert result.status == status or status is None
    assert (
        f"ignoring a stored token issued by {server.issuer}" in result.err or argv == ("doctor",) or "--force" in argv
    )
    assert entry.document["data"][server.client_id] == before
    assert not any(secret in heard_by(stranger) for secret in server.secrets())
    assert server.requests == []

    (home / ".env").unlink()
    assert run("token").status == 0
    assert refreshes(server) == (1 if left < 0 else 0)


def test_two_servers_with_one_client_id_live_side_by_side(run, server, stranger, given, entry):
    there = {"AUTHGATE_URL": stranger.issuer}
    run("login", "--flow", "device", env=there)

    theirs, ours = run("token", env=there), run("token")
    run("logout", env=there)

    assert theirs.out.strip() in stranger.secrets()
    assert ours.out.strip() in server.secrets()
    assert run("token", env=there).status == 4
    assert run("token").out == ours.out
    assert not any(secret in heard_by(server) for secret in stranger.secrets())


def test_a_slash_at_the_end_makes_no_stranger(run, server, given, entry):
    entry.write(**{**entry.fields, "issuer": server.issuer + "/"})

    result = run("token")

    assert (result.status, result.err) == (0, "")


def test_a_token_that_names_no_issuer_is_used_with_a_warning(run, server, given, entry):
    entry.write(access_token="opaque", expires_at="2027-01-15T09:00:00Z")

    result = run("token")

    assert (result.status, result.out) == (0, "opaque\n")
    assert "does not name its server; using it anyway" in result.err
