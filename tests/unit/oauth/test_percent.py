"""Queries, forms and Basic headers."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from authgate_cli.oauth.messages import basic_authorization, parse_query, post_form


def test_a_form_leaves_out_what_is_none():
    assert post_form("https://a.example/t", {"a": "1", "b": None, "c": ""}).body == "a=1&c="


def test_a_form_escapes_what_would_end_a_field():
    assert post_form("https://a.example/t", {"a": "x&b=1 +é"}).body == "a=x%26b%3D1+%2B%C3%A9"


def test_a_query_is_read():
    assert parse_query("code=a%20b%26&state=x+y&empty=") == {"code": "a b&", "state": "x y", "empty": ""}


def test_a_field_may_not_come_twice():
    with pytest.raises(ValueError, match="repeated"):
        parse_query("code=a&code=b")


def test_a_query_without_end_is_refused():
    with pytest.raises(ValueError):
        parse_query("&".join(f"a{number}=1" for number in range(51)))


def test_percent_encoding_is_undone():
    assert unquote("a%40b%2Fc+d") == "a@b/c+d"


def test_basic_is_that_of_rfc_7617():
    assert basic_authorization("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
