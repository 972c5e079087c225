"""base64url without padding, and nothing that merely resembles it."""

from __future__ import annotations

import pytest

from authgate_cli.oauth.parsing import base64url_decode, base64url_encode

PAIRS = {
    "nothing": (b"", ""),
    "one byte": (b"\0", "AA"),
    "two bytes": (b"ab", "YWI"),
    "three bytes": (b"abc", "YWJj"),
    "the URL's own letters": (b"\xfb\xff\xfe", "-__-"),
    "RFC 7515, appendix C": (bytes([3, 236, 255, 224, 193]), "A-z_4ME"),
}


@pytest.mark.parametrize(("data", "text"), PAIRS.values(), ids=PAIRS)
def test_bytes_become_text(data, text):
    assert base64url_encode(data) == text


@pytest.mark.parametrize(("data", "text"), PAIRS.values(), ids=PAIRS)
def test_text_becomes_bytes(data, text):
    assert base64url_decode(text) == data


@pytest.mark.parametrize(
    "text",
    ["AA==", "+/+/", "A", "AAAAA", "AB", "YW I", "YWI\n", "YWI!", "YWİ", "YWI.", "\0AAA"],
    ids=["padding", "plain base64", "one", "five", "loose bits", "space", "line feed", "sign", "letter", "dot", "null"],
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError):
        base64url_decode(text)
