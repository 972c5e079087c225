"""A server's word about itself is taken only when it is the server that was asked for."""

from __future__ import annotations

import pytest
from builders import ISSUER, answer

from authgate_cli.errors import Refused, Unreachable
from authgate_cli.oauth.metadata import metadata_url, oauth_metadata_url, parse_metadata

# What a real AuthGate server says.
AUTHGATE = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/oauth/authorize",
    "token_endpoint": f"{ISSUER}/oauth/token",
    "userinfo_endpoint": f"{ISSUER}/oauth/userinfo",
    "revocation_endpoint": f"{ISSUER}/oauth/revoke",
    "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
}
ENDPOINTS = [
    "authorization_endpoint",
    "token_endpoint",
    "device_authorization_endpoint",
    "userinfo_endpoint",
    "revocation_endpoint",
    "jwks_uri",
]


def discover(asked=ISSUER, **changes):
    """Return what becomes of AuthGate's document with these changes; None takes a member out."""
    document = {name: value for name, value in {**AUTHGATE, **changes}.items() if value is not None}
    return parse_metadata(answer(document), asked)


def hint(said, asked):
    with pytest.raises(Refused) as caught:
        discover(asked, issuer=said)
    return caught.value.hint


@pytest.mark.parametrize(
    ("issuer", "url"),
    [
        ("https://a.example", "https://a.example/.well-known/openid-configuration"),
        ("https://a.example/", "https://a.example/.well-known/openid-configuration"),
        ("https://a.example/realms/one", "https://a.example/realms/one/.well-known/openid-configuration"),
        ("https://a.example/one/", "https://a.example/one/.well-known/openid-configuration"),
    ],
)
def test_one_slash_is_put_before_well_known(issuer, url):
    assert metadata_url(issuer) == url


@pytest.mark.parametrize(
    ("issuer", "url"),
    [
        ("https://a.example", "https://a.example/.well-known/oauth-authorization-server"),
        ("https://a.example/", "https://a.example/.well-known/oauth-authorization-server"),
        ("https://a.example/one", "https://a.example/.well-known/oauth-authorization-server/one"),
        ("https://a.example:8443/one/two/", "https://a.example:8443/.well-known/oauth-authorization-server/one/two"),
    ],
)
def test_the_document_of_a_plain_oauth_server_is_before_the_path(issuer, url):
    assert oauth_metadata_url(issuer) == url


DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
OFFERED = {
    "AuthGate": ({}, True),
    "AuthGate, another grant": ({"grant_types_supported": ["authorization_code"]}, False),
    "AuthGate, this grant": ({"grant_types_supported": [DEVICE]}, True),
    "another server": ({"token_endpoint": f"{ISSUER}/token"}, False),
    "another server, by its grant alone": (
        {"token_endpoint": f"{ISSUER}/token", "grant_types_supported": [DEVICE]},
        False,
    ),
    "another server, advertised": (
        {"token_endpoint": f"{ISSUER}/token", "device_authorization_endpoint": f"{ISSUER}/d"},
        True,
    ),
    "nonsense": ({"grant_types_supported": 5}, True),
}


@pytest.mark.parametrize(("changes", "offered"), OFFERED.values(), ids=OFFERED)
def test_whether_the_device_flow_is_offered(changes, offered):
    assert discover(**changes).offers_device is offered


def test_authgates_own_document_is_read():
    assert discover()._asdict() == {
        "issuer": ISSUER,
        "token_endpoint": f"{ISSUER}/oauth/token",
        "device_authorization_endpoint": f"{ISSUER}/oauth/device/code",
        "tokeninfo_endpoint": f"{ISSUER}/oauth/tokeninfo",
        "authorization_endpoint": f"{ISSUER}/oauth/authorize",
        "userinfo_endpoint": f"{ISSUER}/oauth/userinfo",
        "revocation_endpoint": f"{ISSUER}/oauth/revoke",
        "jwks_uri": None,
        "sends_iss": False,
        "auth_method": "client_secret_post",
        "offers_device": True,
        "assumes_device": False,
    }


@pytest.mark.parametrize("name", sorted({*ENDPOINTS} - {"token_endpoint"}))
def test_an_empty_endpoint_is_none(name):
    assert discover(**{name: ""}) == discover(**{name: None})


@pytest.mark.parametrize("name", ENDPOINTS)
def test_an_endpoint_is_where_the_document_says(name):
    assert getattr(discover(**{name: "https://other.example/x?y=z"}), name) == "https://other.example/x?y=z"


def test_what_is_not_advertised_is_looked_for_below_an_issuer_that_ends_in_a_slash():
    metadata = discover(ISSUER + "/one/", issuer=ISSUER + "/one/")
    assert metadata.device_authorization_endpoint == f"{ISSUER}/one/oauth/device/code"
    assert metadata.tokeninfo_endpoint is None  # its token endpoint is not where AuthGate keeps it
    assert metadata.assumes_device


@pytest.mark.parametrize(("said", "sends"), [(True, True), (False, False), (None, False), ("true", False)])
def test_iss_is_expected_only_when_it_is_promised(said, sends):
    assert discover(authorization_response_iss_parameter_supported=said).sends_iss is sends


@pytest.mark.parametrize(
    "said", [None, "client_secret_post", [], ["none", 5]], ids=["silence", "text", "none at all", "not all are text"]
)
def test_silence_about_client_authentication_means_basic(said):
    assert discover(token_endpoint_auth_methods_supported=said).auth_method == "client_secret_basic"


# -- the issuer

HINTS = {
    "slash": (f"{ISSUER}/", ISSUER, f"set AUTHGATE_URL={ISSUER}/ (the difference: a slash at the end)"),
    "localhost": (
        "http://localhost:8080",
        "http://127.0.0.1:8080",
        "set AUTHGATE_URL=http://localhost:8080 (the difference: localhost is not 127.0.0.1)",
    ),
    "https": (
        "https://localhost:8080",
        "http://localhost:8080",
        "set AUTHGATE_URL=https://localhost:8080 (the difference: https is not http)",
    ),
    "localhost and a slash": (
        "http://localhost:8080/",
        "http://127.0.0.1:8080",
        "set AUTHGATE_URL=http://localhost:8080/ (the difference: a slash at the end, localhost is not 127.0.0.1)",
    ),
    "plain http behind a proxy": (
        "http://auth.example.com",
        ISSUER,
        "ask the operator of the server to put https into its own URL (the difference: http is not https)",
    ),
    "capitals": (
        "https://AUTH.example.com",
        ISSUER,
        "set AUTHGATE_URL=https://AUTH.example.com (the difference: how it is written)",
    ),
}
OTHERS = {
    "another host": "https://other.example.com",
    "another host and a slash": "https://other.example.com/",
    "another host over http": "http://other.example.com",
    "another port": f"{ISSUER}:8443",
    "another port and a slash": f"{ISSUER}:8443/",
    "another path": f"{ISSUER}/realms/one",
}


def test_a_slash_that_was_only_typed_is_left_out():
    assert discover(f"{ISSUER}/", issuer=ISSUER) == discover()


@pytest.mark.parametrize(("said", "asked", "named"), HINTS.values(), ids=HINTS)
def test_a_slip_is_named_in_the_hint(said, asked, named):
    assert hint(said, asked) == named


@pytest.mark.parametrize("said", OTHERS.values(), ids=OTHERS)
def test_another_server_is_not_made_out_to_be_a_slip(said):
    assert hint(said, ISSUER) == f"if {said} is the server you mean, set AUTHGATE_URL to that"


@pytest.mark.parametrize("said", [None, 5, [ISSUER]], ids=["missing", "number", "list"])
def test_a_document_without_issuer_is_refused(said):
    with pytest.raises(Refused, match="names no issuer"):
        discover(issuer=said)


def test_a_hostile_issuer_is_made_safe_to_show():
    with pytest.raises(Refused) as caught:
        discover(issuer="https://\x1b[2J\nauthgate: error")
    assert not set("\x1b\n") & set(f"{caught.value.message} {caught.value.hint}")


# -- the endpoints


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://auth.example.com/x", "is not https"),
        ("https://localhost/x", "points to this machine"),
        ("http://127.0.0.1/x", "points to this machine"),
    ],
)
def test_no_endpoint_may_be_plain_http_or_inside_this_machine(name, url, reason):
    with pytest.raises(Refused, match=f"the server's {name} {reason}"):
        discover(**{name: url})


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize(
    "value", ["/oauth/x", "javascript:alert(1)", "https://a@b.example", 5, ["https://a"]], ids=repr
)
def test_an_endpoint_has_to_be_a_url(name, value):
    with pytest.raises(Refused, match=f"the server's {name} is not a URL"):
        discover(**{name: value})


def test_a_server_on_this_machine_may_have_its_endpoints_here():
    local = "http://localhost:8080"
    found = parse_metadata(answer({"issuer": local, "token_endpoint": f"{local}/oauth/token"}), local)
    assert found.token_endpoint == f"{local}/oauth/token"


def test_without_a_token_endpoint_there_is_nothing_to_do():
    with pytest.raises(Refused, match="names no token_endpoint"):
        discover(token_endpoint=None)


# -- no document


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_has_no_time_is_not_reachable_now(status):
    with pytest.raises(Unreachable):
        parse_metadata(answer(b"", status), ISSUER)


@pytest.mark.parametrize(
    "response",
    [answer(b"<html>", 404), answer(AUTHGATE, 404), answer(b"<html>"), answer([]), answer(b"")],
    ids=["not found", "not found, whatever else it says", "page", "list", "empty"],
)
def test_where_there_is_no_document_the_url_is_doubted(response):
    with pytest.raises(Refused) as caught:
        parse_metadata(response, ISSUER)
    assert f"is {ISSUER} the server's own URL?" in caught.value.hint


def test_an_issuer_that_is_too_long_to_type_is_no_advice():
    long = ISSUER + "/" + "a" * 900_000
    with pytest.raises(Refused) as caught:
        parse_metadata(answer({"issuer": long}), ISSUER)
    assert len(caught.value.message) < 300
    assert caught.value.hint == "is AUTHGATE_URL right?"
