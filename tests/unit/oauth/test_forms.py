"""Requests with a form in their body."""

from __future__ import annotations

from authgate_cli.oauth.messages import post_form


def test_a_form_is_posted_as_a_form():
    request = post_form("https://a.example/t", {"a": "1", "b": None})
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert request == ("POST", "https://a.example/t", kind, "a=1", ())


def test_a_form_knows_its_secrets():
    fields = {"grant_type": "refresh_token", "refresh_token": "r", "client_id": "c", "client_secret": "s", "code": None}
    assert post_form("https://a.example/t", fields).secrets == ("s", "r")
