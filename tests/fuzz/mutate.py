"""Spoil what a server, a file or a person says: a little at a time, the same for the same seed.

Values are replaced by structure, then now and then bytes are. No piece longer than NIBBLE is ever
moved or cut out from between two others, so that a secret never becomes part of what may be shown.
"""

from __future__ import annotations

import json
import random

NIBBLE = 12  # bytes; every secret of the targets is longer
# What JSON text is written for these, as no value stands for it.
RAW = {
    "@nan@": "NaN",
    "@minus-infinity@": "-Infinity",
    "@beyond@": "1e99999",
    "@digits@": "9" * 5000,
    "@deep-list@": "[" * 300 + "]" * 300,
    "@deep-object@": '{"a":' * 80 + "0" + "}" * 80,
    "@bottomless@": "[" * 100_000,
    "@twice@": '{"a": 1, "a": 2}',
}
TEXTS = [
    *("", " ", "0", "-1", "x", "null", "none", "HS256", "Bearer", "https://auth.example.com", "http://127.0.0.1:1/"),
    *("\0", "\x1b[2J", "\x9b2J", "\r\nauthgate: error: forged\n", "\u202egnp.exe", "\u200b", "\u2028", "\ufeff"),
    *("\ud800", "\udfff\ud800", "é", "\U0001f600", "%00", "%ff", "%0a", "../..", "a b", "x" * 3000, "x" * 70_000),
    *("http://[::1", "https://a..b", "https://" + "a" * 64 + ".example", "http://evil.example/", "//evil", "file:///"),
    *("Wed, 21 Oct 2015 07:28:00 GMT", "Mon, 01 Jan 0001 00:00:00 -0000", "0001-01-01T00:00:00Z", "9" * 20, "٣"),
]
VALUES = [
    *(None, True, False, 0, 1, -1, 0.5, -0.0, 2**31, 2**63, -(2**64), 10**400, 1e300, -1e300, 5e-324, 1e17),
    *([], {}, [[]], [None], {"a": {"b": [0]}}, ["x"] * 500, *TEXTS, *RAW),
]
BYTES = [
    *(b"\0", b"\n", b"\r", b"\r\n", b"\r\n\r\n", b" ", b"\t", b"\x85", b"\x1b[", b"\xff", b"\xc3", b"\xed\xa0\x80"),
    *(b"{", b"}", b"[", b'"', b"\\", b"\\u0000", b"\\ud800", b":", b",", b"=", b"&", b"?", b"#", b"%", b"%00", b"."),
    *(b"-1", b"0", b"1e999", b"9" * 30, b"\xef\xbb\xbf", b"\xff\xfe", "\u202e".encode(), b"'", b"$(x)", b"\x7f"),
]


class Mutator(random.Random):
    """Chance with a seed, and what it does to values."""

    def spoil(self, value):
        """Return a JSON value with one to three of its places changed."""
        for _ in range(self.randint(1, 3)):
            value = self._somewhere(value)
        return value

    def document(self, value) -> bytes:
        """Return the bytes of a JSON value that is spoilt in one way or another."""
        way = self.random()
        text = json.dumps(self.spoil(value) if way < 0.8 else value, ensure_ascii=self.random() < 0.8)
        for placeholder, raw in RAW.items():
            text = text.replace(f'"{placeholder}"', raw)
        if isinstance(value, dict) and value and self.random() < 0.05:
            text = text.replace("{", '{"%s": %s, ' % (self.choice(list(value)), json.dumps(self.choice(TEXTS))), 1)
        data = text.encode("utf-8", "surrogatepass")
        return self.bytes(data) if way > 0.7 else data

    def text(self, text: str) -> str:
        """Return text that is spoilt: as bytes, or replaced, or with something odd inside."""
        way = self.random()
        if way < 0.6:
            return self.bytes(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogateescape")
        at = self.randint(0, len(text))
        odd = self.choice(TEXTS)
        return odd if way < 0.7 else text[:at] + odd + text[at:]

    def bytes(self, data: bytes) -> bytes:
        """Return bytes with a few flipped, put in, taken out, doubled, moved, or the end cut off."""
        changed = bytearray(data)
        for _ in range(self.choice((1, 1, 1, 2, 3, 8))):
            at, length = self.randint(0, len(changed)), self.randint(1, NIBBLE)
            way = self.randrange(7)
            if way == 0 and at < len(changed):
                changed[at] ^= 1 << self.randrange(8)
            elif way == 1:
                changed[at:at] = self.choice(BYTES)
            elif way == 2:
                del changed[at : at + length]
            elif way == 3:
                changed[at:at] = changed[at : at + length] * self.choice((1, 1, 1, 200))
            elif way == 4:
                other = self.randint(0, len(changed))
                changed[at:at] = changed[other : other + length]
            elif way == 5 and self.random() < 0.2:
                del changed[at:]
            elif way == 6:
                changed[at : at + 1] = bytes([self.randrange(256)])
        return bytes(changed)

    def _somewhere(self, value):
        """Change a value, or go down into it and change something there."""
        if not isinstance(value, (dict, list)) or not value or self.random() < 0.1:
            return self.text(value) if isinstance(value, str) and self.random() < 0.3 else self.choice(VALUES)
        changed = dict(value) if isinstance(value, dict) else list(value)
        at = self.choice(list(changed)) if isinstance(changed, dict) else self.randrange(len(changed))
        way = self.random()
        if way < 0.1:
            del changed[at]
        elif way < 0.15 and isinstance(changed, dict):
            changed[self.choice(TEXTS)] = self.choice(VALUES)
        else:
            changed[at] = self._somewhere(changed[at])
        return changed
