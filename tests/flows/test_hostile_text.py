"""Text of a server's never moves the cursor, forges a line or hides, wherever the server puts it."""

import json
import unicodedata

import pytest
from callback_address import callback_address
from test_browser_flow import get, with_field

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
