"""`inspect`: decode a JWT without sending it anywhere, and say plainly what has been proven."""

import io
import json
import time

import pytest

from authgate_cli import cli
from authgate_cli.system.terminal import Terminal

JWKS = "/.well-known/jwks.json"
NOBODY = {"AUTHGATE_URL": None, "CLIENT_ID": None}

AT_ONCE = {"Retry-After": "0"}  # so that a retry takes no time


def claims(server, **others) -> dict:
    now = int(time.time())
    return {"iss": server.issuer, "sub": "jane", "iat": now, "exp": now + 600, **others}


def tampered(token: str) -> str:
    head, payload, signature = token.split(".")
    return f"{head}.{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def with_kid(token: str, kid: str) -> str:
    import base64

    head, payload, signature = token.split(".")
    header = {**json.loads(base64.urlsafe_b64decode(head + "==")), "kid": kid}
    encoded = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return f"{encoded}.{payload}.{signature}"


def test_token_is_decoded_without_settings_or_requests(authgate, server):
    token = server.sign(claims(server, name="Zoë"))

    result = authgate("inspect", token, env=NOBODY)

    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("Header\n  alg  HS256\n")
    assert "  name  Zoë\n" in result.out
    assert result.out.endswith("None of this has been verified; use --verify.\n")
    assert server.requests == []


def test_times_are_told_as_people_write_them(authgate, server):
    token = server.sign({"exp": 1735732800, "iat": 1735732800.5, "nbf": "soon", "auth_time": 10**20})

    out = authgate("inspect", token).out

    assert "exp        1735732800  (2025-01-01T12:00:00Z)\n" in out
    assert "iat        1735732800.5  (2025-01-01T12:00:00Z)\n" in out
    assert "nbf        soon  (not a time)\n" in out
    assert f"auth_time  {10**20}  (not a time)\n" in out


def test_stored_token_is_the_default(authgate, server):
    authgate("--flow", "device")
    server.requests.clear()

    assert f"client_id  {server.client_id}\n" in authgate("inspect").out
    assert server.requests == []


def test_ready_token_comes_before_the_stored_one(authgate, server):
    authgate("--flow", "device")

    assert "ready" in authgate("inspect", env={"AUTHGATE_TOKEN": server.sign({"sub": "ready"})}).out


def test_nothing_to_inspect_is_exit_4(authgate):
    result = authgate("inspect")

    assert (result.status, result.out) == (4, "")


def inspect_stdin(stdin, server):
    out, err = io.StringIO(), io.StringIO()
    status = cli.run(["inspect", "-"], {"AUTHGATE_STORE": "file"}, Terminal(stdin, out, err, {}))
    return status, out.getvalue(), err.getvalue()


def test_token_is_read_from_stdin(home, server):
    status, out, _ = inspect_stdin(io.StringIO(server.sign({"sub": "piped"}) + "\n"), server)

    assert status == 0
    assert "sub  piped" in out


@pytest.mark.parametrize(
    "stdin",
    [io.StringIO(""), io.StringIO(" \n"), None, io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), encoding="utf-8")],
    ids=["empty", "blank", "closed", "no text"],
)
def test_stdin_without_a_token_is_a_usage_error(home, server, stdin):
    status, out, err = inspect_stdin(stdin, server)

    assert (status, out) == (2, "")
    assert "stdin" in err


@pytest.mark.parametrize(
    "token", ["opaque", "a.b.c", "..", "eyJhbGciOiJub25lIn0.bm90IGpzb24.", "e30.W10.x", "a.b.c.d.e"]
)
@pytest.mark.parametrize("switches", [(), ("--json",), ("--verify",)], ids=str)
def test_what_is_no_jwt_is_refused_without_showing_it(authgate, token, switches):
    result = authgate("inspect", token, *switches)

    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("authgate: error: this is not a JWT: ")


def test_two_tokens_are_a_usage_error(authgate):
    assert authgate("inspect", "a", "b").status == 2


def test_text_of_a_token_cannot_move_the_cursor(authgate, server):
    token = server.sign({"sub": "\x1b[2Jgone\nProven: everything", "\x1b]0;title\a": 1, "list": ["\x1b[1m"]})

    out = authgate("inspect", token).out

    assert "\x1b" not in out
    assert "\a" not in out
    assert "\nProven" not in out


def test_json_has_header_claims_and_what_is_proven(authgate, server):
    server.signing = "RS256"
    content = claims(server)
    token = server.sign(content)

    plain = json.loads(authgate("inspect", token, "--json").out)
    verified = json.loads(authgate("inspect", token, "--json", "--verify").out)

    assert list(plain) == list(verified) == ["header", "claims", "verified", "proven"]
    assert (plain["claims"], plain["verified"], plain["proven"]) == (content, False, [])
    assert (verified["header"]["alg"], verified["verified"]) == ("RS256", True)
    assert len(verified["proven"]) == 2


# -- --verify


@pytest.mark.parametrize("signing", ["RS256", "ES256"])
def test_right_signature_is_proven_and_what_is_not_is_said(authgate, server, signing):
    server.signing = signing

    result = authgate("inspect", "--verify", server.sign(claims(server)), env={"CLIENT_ID": None})

    assert (result.status, result.err) == (0, "")
    assert f"Proven: the signature is valid: {signing} with the key test-" in result.out
    assert "Proven: it has not expired\n" in result.out
    assert "Not proven: that it has not been revoked" in result.out


def test_token_itself_is_not_sent_anywhere(authgate, server):
    server.signing = "RS256"
    token = server.sign(claims(server))

    authgate("inspect", "--verify", token)

    assert [seen.path for seen in server.requests] == ["/.well-known/openid-configuration", JWKS]
    assert not any(token in str(seen) or seen.headers.get("Authorization") for seen in server.requests)


NOT_GOOD = {
    "wrong signature": (lambda server: tampered(server.sign(claims(server))), "signature"),
    "expired": (lambda server: server.sign(claims(server, exp=int(time.time()) - 600)), "has expired"),
    "expiry that is no time": (lambda server: server.sign(claims(server, exp="never")), "has expired"),
    "not good yet": (lambda server: server.sign(claims(server, nbf=int(time.time()) + 600)), "not valid yet"),
    "other issuer": (lambda server: server.sign(claims(server, iss="https://other.example")), "another server"),
    "issuer that is no text": (lambda server: server.sign(claims(server, iss=["x"])), "another server"),
    "no issuer": (lambda server: server.sign({"sub": "jane"}), "does not name its issuer"),
    "HS256": (lambda server: server.sign(claims(server), "HS256"), "only the server can check"),
    "unknown key": (lambda server: with_kid(server.sign(claims(server)), "rotated"), "key"),
    "other algorithm": (lambda server: server.sign(claims(server), "ES256"), "key"),
}


@pytest.mark.parametrize(("make", "reason"), NOT_GOOD.values(), ids=NOT_GOOD)
@pytest.mark.parametrize("switches", [(), ("--json",)], ids=str)
def test_what_cannot_be_proven_is_exit_1_with_the_reason(authgate, server, make, reason, switches):
    server.signing = "RS256"

    result = authgate("inspect", "--verify", make(server), *switches)

    assert (result.status, result.out) == (1, "")
    assert reason in result.err.splitlines()[0]


def test_unsigned_token_proves_nothing(authgate, server):
    server.signing = "RS256"
    head = "eyJhbGciOiJub25lIn0"  # {"alg":"none"}
    payload = server.sign(claims(server)).split(".")[1]

    result = authgate("inspect", "--verify", f"{head}.{payload}.")

    assert (result.status, result.out) == (1, "")


def test_clocks_may_differ_by_two_minutes(authgate, server):
    server.signing = "RS256"

    assert authgate("inspect", "--verify", server.sign(claims(server, exp=int(time.time()) - 60))).status == 0


def test_token_without_an_end_is_told_so(authgate, server):
    server.signing = "RS256"

    assert "no expiry time" in authgate("inspect", "--verify", server.sign({"iss": server.issuer})).out


def test_slash_at_the_end_of_the_issuer_is_no_difference(authgate, server):
    server.signing = "RS256"

    assert authgate("inspect", "--verify", server.sign(claims(server, iss=server.issuer + "/"))).status == 0


def test_keys_are_fetched_once_more_for_a_key_that_is_new(authgate, server):
    server.signing = "RS256"
    server.misbehave(JWKS, times=1, body={"keys": []})

    assert authgate("inspect", "--verify", server.sign(claims(server))).status == 0
    assert server.count("GET", JWKS) == 2


def test_keys_are_not_fetched_for_ever(authgate, server):
    server.signing = "RS256"

    authgate("inspect", "--verify", with_kid(server.sign(claims(server)), "rotated"))

    assert server.count("GET", JWKS) == 2


@pytest.mark.parametrize(
    ("fault", "status"), [({"status": 503, "headers": AT_ONCE}, 3), ({"status": 404}, 1), ({"body": b"[]"}, 1)], ids=str
)
def test_keys_that_cannot_be_had_prove_nothing(authgate, server, fault, status):
    server.signing = "RS256"
    server.misbehave(JWKS, times=None, **fault)

    result = authgate("inspect", "--verify", server.sign(claims(server)))

    assert (result.status, result.out) == (status, "")


def test_verify_needs_a_server(authgate, server):
    server.signing = "RS256"

    result = authgate("inspect", "--verify", server.sign(claims(server)), env=NOBODY)

    assert (result.status, result.out) == (2, "")
    assert "AUTHGATE_URL is not set" in result.err


# -- what to do about a token that is not proven


def hint(result):
    return result.err.splitlines()[-1].removeprefix("authgate: hint: ")


def test_a_key_that_is_not_known_may_have_been_replaced(authgate, server):
    server.signing = "RS256"

    result = authgate("inspect", "--verify", with_kid(server.sign(claims(server)), "old-key"))

    assert "the token's key old-key is not among the server's RS256 keys" in result.err
    assert hint(result) == (
        "the server may have replaced its keys since it issued the token; run authgate.pyz status to ask the server"
    )


def test_a_token_that_was_changed_is_not_the_operators_fault(authgate, server):
    server.signing = "RS256"

    result = authgate("inspect", "--verify", tampered(server.sign(claims(server))))

    assert "the token's signature is wrong" in result.err
    assert "changed after it was signed" in hint(result) and "operator" not in result.err


@pytest.mark.parametrize("changes", [{"exp": 1_700_000_000}, {"nbf": 1_900_000_000, "exp": 1_900_000_900}], ids=str)
def test_a_clock_that_is_hours_ahead_or_behind_is_told(authgate, server, changes):
    server.signing = "RS256"

    result = authgate("inspect", "--verify", server.sign(claims(server, **changes)), now=lambda: 1_800_000_000.0)

    assert (result.status, hint(result)) == (1, "this machine's clock says 2027-01-15T08:00:00Z")


@pytest.mark.parametrize("signing", ["RS512", "PS384", "ES384", "ES512"])
def test_every_algorithm_is_proven(authgate, server, signing):
    server.signing = signing

    result = authgate("inspect", "--verify", server.sign(claims(server)))

    assert result.status == 0
    assert f"{signing} with the key" in result.out


DATES = [
    -1,
    -1e300,
    -62135596801,
    32503680000,
    253402300799,
    253402300800,
    1e16,
    1e300,
    10**400,
    0,
    0.5,
    -0.5,
    True,
    "x",
]


@pytest.mark.parametrize("when", DATES, ids=lambda when: str(when)[:20])
@pytest.mark.parametrize("switches", [(), ("--json",), ("--verify",)], ids=str)
def test_no_date_ends_in_a_bug(authgate, server, when, switches):
    server.signing = "RS256"
    dates = dict.fromkeys(["exp", "iat", "nbf", "auth_time"], when)

    for token in (server.sign(claims(server, **dates)), server.sign(claims(server, exp=when))):
        assert authgate("inspect", token, *switches).status in (0, 1)
        for command in (("status",), ("status", "--offline"), ("token",), ("token", "--format", "exec-credential")):
            assert authgate(*command, env={"AUTHGATE_TOKEN": token}).status in (0, 1, 2, 3, 4)


def test_names_in_wide_letters_stand_in_columns(authgate, server):
    out = authgate("inspect", server.sign({"名前": "wide", "name": "narrow"})).out

    assert "  名前  wide\n  name  narrow\n" in out
