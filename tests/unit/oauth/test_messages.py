"""The requests that are made, and what an answer looks like."""

from __future__ import annotations

import pytest
from builders import answer

from authgate_cli.oauth import messages


def test_a_token_travels_in_the_header_alone():
    request = messages.get_as("https://a.example/me", "tok")
    assert request == ("GET", "https://a.example/me", {"Authorization": "Bearer tok"}, None, ("tok",))


def test_a_plain_get_names_nobody():
    assert messages.get("https://a.example") == ("GET", "https://a.example", {}, None, ())


@pytest.mark.parametrize(("status", "body"), [(200, b"r and r"), (400, b"**** and ****")])
def test_an_error_that_repeats_a_secret_is_cleared_of_it(status, body):
    assert messages.without_echo(answer(b"r and r", status), ("r",)).body == body


def test_an_error_with_status_200_is_cleared_too():
    response = answer({"error": "invalid_grant", "error_description": "top-secret is spent"})
    assert b"top-secret" not in messages.without_echo(response, ("top-secret",)).body


PAGES = {
    "declared": answer(b"{}", content_type="text/html; charset=utf-8"),
    "declared in capitals": answer(b"{}", content_type="Text/HTML"),
    "XHTML": answer(b"", content_type="application/xhtml+xml"),
    "not declared": answer(b" \n<!doctype html>"),
}


@pytest.mark.parametrize("response", PAGES.values(), ids=PAGES)
def test_a_page_for_people_is_known_as_one(response):
    assert response.is_html


@pytest.mark.parametrize("response", [answer({}, content_type="application/json"), answer(b"")], ids=["JSON", "empty"])
def test_data_is_no_page(response):
    assert not response.is_html
