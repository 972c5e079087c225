"""Text of a server's never moves the cursor, forges a line or hides, wherever the server puts it."""

import json
import unicodedata
from itertools import product
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from callback_address import callback_address
from storms import few_or_many
from test_browser_flow import get, with_field

from authgate_cli.oauth.messages import basic_authorization

DISCOVERY = "/.well-known/openid-configuration"
FORGED = "Subject: mallory"
FORGERY = f"x\n{FORGED}\r{FORGED}\r\n{FORGED}\x85{FORGED}\u2028{FORGED}\u2029{FORGED}\x0b{FORGED}\x0c{FORGED}"
UNSEEN = {
    "escape": "\x1b[2J\x1b]0;title\x07",
    "C1": "\x9b2J\x9d0;title\x9c",
    "bidi": "\u202egpj\u2066\u2069\u200f\u061c",
    "zero-width": "\u200b\u200c\u200d\ufeff\u2060\xad",
    "cursor": f"x\b\b\b\b\x7f{FORGED}",
    "tags and surrogates": "a\U000e0041\ud800b\ufe0f",
}
HOSTILE = {"unseen": "".join(UNSEEN.values()), "lines": FORGERY}
hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
SEEN = {"\n"}  # at the end of our own lines


def insist_on_plain(result, *, json_out=False):
    """Nothing invisible on either stream, and no line that a server has written."""
    for stream in (result.out, result.err):
        odd = {character for character in stream if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
        assert odd <= SEEN, stream
    lines = [*result.err.splitlines(), *([] if json_out else result.out.splitlines())]
    assert not any(line.strip() == FORGED for line in lines)
    assert json_out or not any(line.startswith(FORGED) for line in lines)


def errors(result):
    return [line for line in result.err.splitlines() if line.startswith(("authgate: error: ", "authgate: hint: "))]


ANSWERS = {
    "/oauth/userinfo": ("name", "preferred_username", "nickname", "email", "sub", "iss"),
    "/oauth/tokeninfo": ("active", "user_id", "client_id", "scope", "subject_type", "iss", "exp"),
    "/oauth/token": ("scope", "token_type", "access_token", "refresh_token", "id_token", "error", "error_description"),
    "/oauth/device/code": ("user_code", "verification_uri", "verification_uri_complete", "error"),
    DISCOVERY: ("issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"),
}


@hostile
@pytest.mark.parametrize(("path", "field"), [(path, field) for path, fields in ANSWERS.items() for field in fields])
def test_no_field_of_an_answer_reaches_the_terminal_as_it_is(authgate, server, path, field, text):
    def edit(told):
        before = told.get(field) if isinstance(told.get(field), str) else ""
        return {**told, field: before + text}

    server.misbehave(path, times=None, edit=edit)
    elapsed = [0.0]

    def sleep(seconds):
        elapsed[0] += 1000

    for command in (("login", "--flow", "device", "--verbose"), ("status",), ("logout",), ("doctor",)):
        result = authgate(*command, sleep=sleep, monotonic=lambda: elapsed[0])
        insist_on_plain(result)
        assert len(errors(result)) <= 2


@hostile
@pytest.mark.parametrize("status", [400, 401, 500])
@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/device/code", "/oauth/userinfo", "/oauth/tokeninfo"])
def test_no_error_of_a_server_reaches_the_terminal_as_it_is(authgate, server, path, status, text):
    body = {"error": f"wrong{text}", "error_description": f"very{text}", "error_uri": text}
    server.misbehave(path, times=None, status=status, body=body)
    elapsed = [0.0]

    def sleep(seconds):
        elapsed[0] += 1000

    result = authgate("login", "--flow", "device", "--verbose", "--debug", sleep=sleep, monotonic=lambda: elapsed[0])

    insist_on_plain(result)


@hostile
def test_no_error_on_the_callback_reaches_the_terminal_or_the_page_as_it_is(authgate, robot, callback, text):
    text = text.encode(errors="ignore").decode()

    def visit(url):
        back = with_field(callback_address(url), code=None, error=f"a<b>{text}", error_description=f"<i>{text}")
        return get(back)

    person = robot(visit=visit)

    result = authgate("--flow", "browser", "--redirect-uri", callback, browser=person)

    assert result.status == 1
    insist_on_plain(result)
    page = person.finish()[1]
    assert "<b>" not in page and "<i>" not in page and FORGED not in page


@hostile
@pytest.mark.parametrize("switches", [(), ("--verbose", "--debug")], ids=["", "debug"])
@pytest.mark.parametrize(
    "raw",
    [
        "{} 200 OK\r\n\r\n",
        "HTTP/1.1 {} OK\r\n\r\n",
        "HTTP/{} 200 OK\r\n\r\n",
        "HTTP/1.1 302 {}\r\nLocation: https://{}/\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: {}\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
    ],
    ids=["status line", "status", "version", "Location", "coding", "length"],
)
def test_no_byte_of_a_head_reaches_the_terminal_as_it_is(authgate, server, raw, switches, text):
    text = text.replace("\n", "").encode("latin-1", "ignore")
    server.misbehave(DISCOVERY, times=None, raw=raw.encode().replace(b"{}", text))

    result = authgate("login", "--flow", "device", *switches, sleep=lambda seconds: None)

    assert result.status in (1, 3)
    insist_on_plain(result)


@hostile
def test_json_is_ascii_and_escaped(authgate, server, text):
    server.user["name"] = f"Zoë{text}"
    server.misbehave("/oauth/tokeninfo", edit=lambda told: {**told, "scope": text})

    result = authgate("--flow", "device", "--json")

    document = json.loads(result.out)
    assert result.out.isascii()
    assert (document["user"]["name"], document["tokeninfo"]["scope"]) == (f"Zoë{text}", text)
    insist_on_plain(result, json_out=True)


@hostile
def test_no_claim_of_a_token_reaches_the_terminal_as_it_is(authgate, server, text):
    server.signing = "RS256"
    token = server.sign({"iss": server.issuer + text, "sub": text, f"claim{text}": [text, {text: text}], "exp": text})

    for command in (("inspect",), ("inspect", "--json"), ("inspect", "--verify"), ("status",)):
        insist_on_plain(
            authgate(*command, *([token] if command[0] == "inspect" else []), env={"AUTHGATE_TOKEN": token})
        )


# -- what looks like a line of ours without a line feed, and what fills the screen

FORGED_ERROR = "authgate: error: your token was stolen"
PADDED = {
    "spaces": " " * 200 + FORGED_ERROR,
    "wide spaces": "\u3000" * 100 + FORGED_ERROR,
    "no-break spaces": "\xa0" * 200 + FORGED_ERROR,
    "blanks of Braille": "\u2800" * 200 + FORGED_ERROR,
    "a mixture": " \xa0\u2003\u2800\u3164\t\u200b" * 100 + FORGED_ERROR,
    "escaped spaces": "%20" * 200 + "&nbsp;" * 100 + "\\u0020" * 50 + FORGED_ERROR,
}
LONG = {
    "text": "long text " * 90_000,
    "a word": "x" * 900_000,
    "wide characters": "李" * 300_000,
    "marks": "a" + "\u0301" * 300_000,
    "marks on every letter": ("a" + "\u0301" * 300) * 1000,
}


def seen_at_80_columns(text):
    """Return the lines that a terminal of 80 columns makes of a text."""
    return [line[start : start + 80] for line in text.splitlines() for start in range(0, max(len(line), 1), 80)]


@pytest.mark.parametrize("text", PADDED.values(), ids=PADDED)
@pytest.mark.parametrize(
    "command", [("login", "--flow", "device"), ("login", "--flow", "device", "--verbose")], ids=len
)
def test_padding_does_not_make_a_line_of_ours(authgate, server, text, command):
    body = {"error": "wrong", "error_description": f"no.{text}"}
    server.misbehave("/oauth/device/code", status=400, body=body)

    result = authgate(*command)

    assert result.status == 1
    assert not any(line.startswith(FORGED_ERROR) for line in seen_at_80_columns(result.err))
    assert "  " not in result.err and "no. authgate" in result.err or "no.authgate" in result.err


FIELDS = [(path, field) for path, fields in ANSWERS.items() for field in fields]
LONG_FIELDS = [
    pytest.param(*place, text, id=f"{'-'.join(place)}-{name}") for place in FIELDS for name, text in LONG.items()
]


@pytest.mark.parametrize(("path", "field", "text"), LONG_FIELDS[:: few_or_many(3, 1)])
def test_no_field_of_an_answer_fills_the_screen(authgate, server, path, field, text):
    server.misbehave(path, times=None, edit=lambda told: {**told, field: text})

    for command in (("login", "--flow", "device"), ("status",)):
        result = authgate(*command)
        assert result.status in (0, 1, 3, 4)
        shown = result.out + result.err
        assert len(shown) < 8000, shown[:300]
        assert all(sum(unicodedata.category(letter)[0] == "M" for letter in line) < 500 for line in shown.splitlines())


@pytest.mark.parametrize("text", ["https://evil.example/" + "a" * 900_000, "https://" + "a" * 900_000, "x" * 900_000])
@pytest.mark.parametrize(
    "field", ["issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"]
)
def test_no_address_of_the_metadata_fills_the_screen(authgate, server, field, text):
    server.misbehave(DISCOVERY, times=None, edit=lambda told: {**told, field: text})

    for command in (("login", "--flow", "device", "--verbose", "--debug"), ("doctor",)):
        result = authgate(*command)
        assert result.status in (1, 3)
        assert len(result.err + result.out) < 8000


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("user_code", "ABCD " * 180_000),
        ("user_code", "ABCDEFGH" * 8),
        ("verification_uri", "https://evil.example/?" + "a" * 900_000),
        ("verification_uri_complete", "https://evil.example/?" + "a" * 900_000),
    ],
    ids=["a code of 900 kB", "a code of 64 letters", "an address of 900 kB", "a complete address of 900 kB"],
)
def test_a_device_answer_that_hides_its_code_is_refused(authgate, server, field, text):
    server.misbehave("/oauth/device/code", edit=lambda told: {**told, field: text})

    result = authgate("login", "--flow", "device")

    assert (result.status, result.out) == (1, "")
    assert len(result.err) < 300
    assert result.err.startswith("authgate: error: device sign-in cannot start: the ")
    assert server.count("POST", "/oauth/token") == 0


# -- secrets that come back


def echoed(secret):
    """Return the ways in which a server, or something before it, may repeat what it was sent."""
    return {
        "as it is": secret,
        "JSON": secret.replace("/", "\\/").replace("&", "\\u0026"),
        "form": urlencode({"token": secret}),
        "percent": quote(secret, safe=""),
        "all percent": "".join(f"%{ord(letter):02X}" for letter in secret),
        "HTML": "".join(f"&#x{ord(letter):x};" for letter in secret),
        "Basic": basic_authorization("x", secret),
        "capitals": secret.upper(),
        "split by a control character": "\x01".join(secret),
        "split by an escape": secret[:9] + "\\n" + secret[9:],
        "split by what cannot be seen": "\u200b".join(secret),
        "in two words": secret[: len(secret) // 2] + " " + secret[len(secret) // 2 :],
    }


def letters(text):
    return "".join(filter(str.isalnum, text)).lower()


@pytest.mark.parametrize("way", echoed("x"))
@pytest.mark.parametrize("field", ["error", "error_description", "token_type"])
def test_a_secret_that_comes_back_is_left_out_of_the_error(authgate, server, way, field):
    secret = "s3cr/t&of+the client=only"
    env = {"CLIENT_ID": server.confidential_id, "CLIENT_SECRET": secret}
    server.clients[server.confidential_id].secret = secret
    heard = []

    def repeat(seen):
        code = seen.form["device_code"]
        heard.append(code)
        body = {"error": "wrong", field: f"{echoed(secret)[way]} and {echoed(code)[way]}"}
        if field == "token_type":
            body = {"access_token": "a", field: body[field]}
        server.misbehave("/oauth/token", status=200 if field == "token_type" else 400, body=body)
        return False

    server.misbehave("/oauth/token", when=repeat)

    result = authgate("login", "--flow", "device", "--verbose", "--debug", env=env)

    assert result.status == 1
    for piece in (letters(secret)[:12], letters(secret)[-10:], letters(heard[0])[:12], letters(heard[0])[-12:]):
        assert piece not in letters(result.err)
    assert heard[0].encode().hex()[:30] not in result.err


ECHOES = [
    (f"/oauth/{name}", *rest)
    for name in ("userinfo", "tokeninfo")
    for rest in product((400, 401, 403, 404), echoed("x"))
]


@pytest.mark.parametrize(("path", "status", "way"), ECHOES[:: few_or_many(3, 1)])
def test_an_access_token_that_comes_back_is_left_out(authgate, server, path, status, way):
    token = server.issue()["access_token"]
    server.misbehave(path, times=None, status=status, body={"error": echoed(token)[way]})

    for command in (("login", "--no-input"), ("status",), ("status", "--json")):
        result = authgate(*command, env={"AUTHGATE_TOKEN": token})
        middle = letters(token)[40:60]
        assert middle not in letters(result.err + (result.out if "--json" not in command else ""))
        assert middle not in letters(result.out)


def test_a_secret_of_an_earlier_request_is_left_out_too(authgate, server):
    secret = "correcthorsebatterystaple"
    env = {"CLIENT_ID": server.confidential_id, "CLIENT_SECRET": secret}
    server.clients[server.confidential_id].secret = secret
    body = {"error": "server_error", "error_description": f"cannot ask with {secret}"}
    server.misbehave("/oauth/userinfo", status=400, body=body)

    result = authgate("login", "--flow", "device", env=env)

    assert (result.status, result.out) == (1, "")
    assert "server_error (cannot ask with ****)" in result.err


def test_a_secret_without_a_digit_is_left_out_too(authgate, server):
    env = {"CLIENT_ID": server.confidential_id, "CLIENT_SECRET": "correcthorsebatterystaple"}
    body = {"error": "wrong", "error_description": "the secret Correct-Horse-Battery-Staple is not right"}
    server.misbehave("/oauth/device/code", status=400, body=body)

    result = authgate("login", "--flow", "device", env=env)

    assert "the secret **** is not right" in result.err


def test_the_state_of_a_callback_is_left_out(authgate, robot, callback):
    states = []

    def visit(url):
        back = with_field(callback_address(url), code=None, error="wrong")
        states.append(dict(parse_qsl(back.partition("?")[2]))["state"])
        return get(with_field(back, error_description=f"the state {states[0]} is unknown"))

    result = authgate("--flow", "browser", "--redirect-uri", callback, browser=robot(visit=visit))

    assert result.status == 1
    assert "wrong (the state **** is unknown)" in result.err


# -- secrets inside of claims

SECRET_CLAIMS = {
    "_claim_names": {"address": "src1", "payment": "src2"},
    "_claim_sources": {
        "src1": {"endpoint": "https://bank.example/claims", "access_token": "ksj3n283dke-of-the-bank"},
        "src2": {"JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2ln-aggregated"},
    },
    "tokens": ["opaque-token-one", {"value": "opaque-token-two"}],
    "note": "use eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2ln-in-a-text for this",
    "clientSecret": "correct horse",
    "picture": "https://pictures.example/jane?access_token=opaque-in-an-address&size=2",
    "upstream": {"header": "Bearer opaque-in-a-header", "api_key": "opaque-api-key"},
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2ln-as-a-name": 1,
    "by_token": {"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2ln-as-an-inner-name": 1},
    "subject_type": "user",
    "token_endpoint_calls": 5,
}
HIDDEN = ("283dke", "aggregated", "token-one", "token-two", "in-a-text", "t horse")
HIDDEN += ("in-an-address", "in-a-header", "api-key", "as-a-name", "an-inner-name")


@pytest.mark.parametrize("path", ["/oauth/userinfo", "/oauth/tokeninfo"])
def test_secrets_inside_of_claims_are_masked(authgate, server, path):
    server.misbehave(path, times=None, edit=lambda told: {**told, **SECRET_CLAIMS})
    authgate("login", "--flow", "device")

    for command in (("login", "--json"), ("status", "--json"), ("login",), ("status",)):
        result = authgate(*command)
        assert result.status == 0
        assert not [piece for piece in HIDDEN if piece in result.out]
    told = json.loads(authgate("login", "--json").out)["user" if "userinfo" in path else "tokeninfo"]
    sources = told["_claim_sources"]
    assert sources["src1"] == {"endpoint": "https://bank.example/claims", "access_token": "ksj3n283..."}
    assert (sources["src2"], told["subject_type"], told["token_endpoint_calls"]) == ({"JWT": "eyJhbGci..."}, "user", 5)
    shown = json.loads(authgate("login", "--json", "--show-tokens").out)["user" if "userinfo" in path else "tokeninfo"]
    assert SECRET_CLAIMS.items() <= shown.items()


def test_a_claim_of_another_type_shows_no_secret_in_the_text_report(authgate, server):
    server.misbehave("/oauth/tokeninfo", times=None, edit=lambda told: {**told, "scope": SECRET_CLAIMS})

    result = authgate("login", "--flow", "device")

    assert "TokenInfo Scope: {'_claim_names'" in result.out
    assert not [piece for piece in HIDDEN if piece in result.out]


@pytest.mark.parametrize("switches", [(), ("--json",)], ids=["text", "json"])
def test_secrets_inside_of_the_claims_of_a_jwt_are_masked(authgate, server, switches):
    token = server.sign({"sub": "jane", **SECRET_CLAIMS})

    result = authgate("inspect", token, *switches)
    shown = authgate("inspect", token, *switches, "--show-tokens")

    assert not [piece for piece in HIDDEN if piece in result.out]
    assert [piece for piece in HIDDEN if piece not in shown.out] == []


# -- the names of folders, which other programs and archives make


@pytest.mark.parametrize("content", [None, "no token file", "{"], ids=["signed in", "another file", "corrupt"])
def test_the_name_of_a_folder_forges_no_line(authgate, home, content):
    folder = home / f"x\n{FORGED}\x1b[2J\u202e"
    folder.mkdir(0o700)
    token_file, env = folder / ".authgate-tokens.json", {"HOME": str(folder)}
    if content is None:
        assert authgate("--flow", "device", env=env).status == 0
        token_file.chmod(0o644)  # there is something to warn of
    else:
        token_file.touch(0o600)
        token_file.write_text(content)

    for command in (("doctor",), ("status",), ("status", "--all"), ("token",), ("login", "--no-input"), ("logout",)):
        insist_on_plain(authgate(*command, env=env))
