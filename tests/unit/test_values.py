"""A value is a named tuple that never shows a secret."""

from __future__ import annotations

import pytest

from authgate_cli.oauth.authorization import AuthorizationRequest, Callback
from authgate_cli.oauth.device import DeviceAuthorization
from authgate_cli.oauth.jwt import Expected
from authgate_cli.oauth.messages import Request, Response
from authgate_cli.oauth.parsing import Jwt
from authgate_cli.settings import Settings
from authgate_cli.tokens import IssuedToken, TokenSet
from authgate_cli.values import Value

SECRET = "hush-this-is-a-secret"


class Point(Value):
    """A point."""

    x: int
    y: int = 2

    @property
    def total(self):
        return self.x + self.y


def test_fields_are_given_in_order():
    assert (Point(3, 4).x, Point(3, 4).y) == (3, 4)


def test_a_field_may_have_a_default():
    assert Point(1).y == 2


def test_a_field_without_a_default_has_to_be_given():
    with pytest.raises(TypeError):
        Point()


@pytest.mark.parametrize(
    ("values", "named"), [((1, 2, 3), {}), ((1,), {"x": 2}), ((1,), {"z": 2})], ids=["too many", "twice", "unknown"]
)
def test_nothing_else_can_be_given(values, named):
    with pytest.raises(TypeError):
        Point(*values, **named)


def test_the_repr_shows_no_field():
    assert repr(Point(1)) == "<Point>"


def test_values_with_equal_fields_are_equal():
    assert Point(1, 2) == Point(1)


def test_a_value_cannot_be_changed():
    with pytest.raises(AttributeError):
        Point(1).x = 5


def test_a_value_takes_no_attributes_beside_its_fields():
    with pytest.raises(AttributeError):
        Point(1).z = 5


def test_a_copy_may_differ_in_a_field():
    assert Point(1)._replace(y=7) == Point(1, 7)


def test_a_value_has_its_methods_and_its_docstring():
    assert (Point(1).total, Point.__doc__, Point.__module__) == (3, "A point.", __name__)


HOLDERS = [
    TokenSet(SECRET, refresh_token=SECRET, id_token=SECRET),
    IssuedToken(TokenSet(SECRET), "stored"),
    Settings(client_secret=SECRET, access_token=SECRET),
    Request("POST", f"https://auth.example.com/?code={SECRET}", {"Authorization": SECRET}, SECRET),
    Response(200, {"set-cookie": SECRET}, SECRET.encode()),
    AuthorizationRequest("client", "http://127.0.0.1/", "openid", state=SECRET, verifier=SECRET, nonce=SECRET),
    Callback(code=SECRET),
    DeviceAuthorization(SECRET, SECRET, "https://a.example", f"https://a.example/{SECRET}", 1.0, 1.0, SECRET),
    Expected("https://auth.example.com", "client", 0.0, nonce=SECRET, access_token=SECRET),
    Jwt({}, {"sub": SECRET}, SECRET.encode(), SECRET.encode()),
]


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: type(holder).__name__)
def test_repr_shows_no_secret(holder):
    assert SECRET not in repr(holder)
