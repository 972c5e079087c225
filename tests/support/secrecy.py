"""Look for secrets in the program's output, where none belongs.

stderr never shows one, whatever was asked for. stdout shows tokens where that is the point: by
`token`, `inspect`, `--show-tokens`, and by whatever `exec` runs. The fixtures of tests/flows and
tests/cli put all that a test has run through this when the test is over.
"""

from __future__ import annotations

from typing import NamedTuple

SHOWING = {"token", "inspect", "exec", "--show-tokens"}
SHORTEST = 12  # characters; what a test makes up and calls a token may be a common word


class Said(NamedTuple):
    """A command line and its output."""

    arguments: tuple[str, ...]
    out: str
    err: str

    @property
    def may_show(self) -> bool:
        """Tell whether tokens belong on stdout."""
        return not SHOWING.isdisjoint(self.arguments)


def said(arguments, out, err) -> Said:
    """Return the output of a command; a stream may be text, bytes, or None if it went elsewhere."""
    return Said(tuple(map(str, arguments)), *map(_text, (out, err)))


def insist(everything: list[Said], secrets: set[str]) -> None:
    """Fail if a secret is where none belongs, without repeating it in full."""
    for one in everything:
        for stream, text in {"stderr": one.err, "stdout": "" if one.may_show else one.out}.items():
            for secret in secrets:
                if len(secret) >= SHORTEST and secret in text:
                    raise AssertionError(f"{' '.join(one.arguments)}: {secret[:8]}... is on {stream}")


def _text(stream) -> str:
    if isinstance(stream, bytes):
        return stream.decode("utf-8", "replace")
    return stream or ""
