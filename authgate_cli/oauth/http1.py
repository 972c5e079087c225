"""Write an HTTP/1.1 request and read the response (RFC 9112), strictly and with a bound on everything.

Not http.client: that one takes bare CRs for line ends, any number of interim answers, and a chunk
of -1 bytes for everything there is; and it loads `email` and `ssl`, which takes longer than all
else that a report from a stored token does.
"""

from __future__ import annotations

from ..values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LONGEST_HEAD = 256 * 1024  # bytes, interim answers included
LONGEST_FRAMING = 8 * 1024 * 1024  # bytes of a body in its chunks: 1 MiB in chunks of a byte each takes 6
_LONGEST_LINE = 64 * 1024
_MOST_FIELDS = 100
# Those that decide something here. A length is none, but is as bad in two lines as in one.
_LISTS = ("cache-control", "connection", "content-encoding", "content-length", "transfer-encoding")
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")


class NotHttp(Exception):
    """What came is no HTTP response, or one that goes on and on."""


class NoAnswer(Exception):
    """The connection ended before the first byte of an answer."""


class CutOff(Exception):
    """The connection ended in the middle of an answer."""


class TooLarge(Exception):
    """The body is larger than was allowed."""


class Head(Value):
    """Status and header fields; names are in lower case.

    Of several of one name the last counts, unless the field is a list (RFC 9110 section 5.3).
    """

    status: int
    headers: dict[str, str]
    is_persistent: bool


class Incoming:
    """What arrives on a connection; `receive` returns some bytes more, and b"" at the end of all.

    `allowance` is how many bytes may still come.
    """

    def __init__(self, receive: Callable[[], bytes]):
        self._receive = receive
        self._buffer, self._at = b"", 0
        self.allowance = LONGEST_HEAD

    @property
    def is_empty(self) -> bool:
        """Tell whether everything that has come has been taken."""
        return self._at == len(self._buffer)

    def line(self) -> str:
        """Take a line without its end, which is CRLF or LF (RFC 9112 section 2.2)."""
        while (end := self._buffer.find(b"\n", self._at)) < 0:
            if len(self._buffer) - self._at > _LONGEST_LINE:
                raise NotHttp
            self._more()
        line = self._buffer[self._at : end].removesuffix(b"\r")
        self._at = end + 1
        if b"\r" in line or b"\0" in line:
            raise NotHttp
        return line.decode("latin-1")

    def exactly(self, size: int) -> bytes:
        """Take so many bytes."""
        parts = []
        while size > (issued := len(self._buffer) - self._at):
            parts.append(self._take(issued))
            size -= issued
            self._more()
        return b"".join([*parts, self._take(size)])

    def rest(self) -> Iterator[bytes]:
        """Take everything until the connection ends."""
        try:
            while True:
                yield self._take(len(self._buffer) - self._at)
                self._more()
        except CutOff:
            pass

    def begin(self) -> None:
        """Wait for the first byte. Raise NoAnswer when there is none."""
        try:
            self._more()
        except CutOff:
            raise NoAnswer from None

    def _take(self, size: int) -> bytes:
        self._at += size
        return self._buffer[self._at - size : self._at]

    def _more(self) -> None:
        data = self._receive()
        if not data:
            raise CutOff
        self.allowance -= len(data)
        if self.allowance < 0:
            raise NotHttp
        self._buffer, self._at = self._buffer[self._at :] + data, 0


def write_request(method: str, target: str, headers: Mapping[str, str], body: str | None = None) -> bytes:
    """Return a request's bytes. Raise ValueError for what would not stay within its line."""
    content = body.encode() if body is not None else b""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body is not None:
        lines.append(f"Content-Length: {len(content)}")
    if not all(line.isprintable() for line in lines):
        raise ValueError("a line of the request holds characters that cannot be sent")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


def read_head(incoming: Incoming) -> Head:
    """Read up to the body, past interim answers. Raise NotHttp, NoAnswer or CutOff."""
    incoming.begin()
    while True:
        version, status = _status_line(incoming.line())
        headers = _fields(incoming)
        if status >= 200:
            break
        if status == 101:
            raise NotHttp  # nobody asked for another protocol
    options = {option.strip().lower() for option in headers.get("connection", "").split(",")}
    return Head(status, headers, version == "HTTP/1.1" and "close" not in options)


def read_body(incoming: Incoming, head: Head, most: int) -> tuple[bytes, bool]:
    """Read a body of at most `most` bytes, and tell whether the connection can be used again (section 6.3).

    Raise NotHttp, CutOff or TooLarge.
    """
    incoming.allowance = LONGEST_FRAMING
    coding, length = head.headers.get("transfer-encoding"), head.headers.get("content-length")
    if head.status in (204, 304):
        body, framed = b"", True
    elif coding is not None:
        if coding.strip().lower() != "chunked":
            raise NotHttp
        body = _bounded(_chunks(incoming, most), most)
        # With a length, too, somebody between here and there may see another message than we do.
        framed = _has_sound_trailers(incoming) and length is None
    elif length is not None:
        sizes = {_number(size.strip(), 10) for size in length.split(",")}
        size = sizes.pop()
        if sizes:
            raise NotHttp
        if size > most:
            raise TooLarge
        body, framed = incoming.exactly(size), True
    else:
        body, framed = _bounded(incoming.rest(), most), False
    return body, framed and head.is_persistent and incoming.is_empty


def _status_line(line: str) -> tuple[str, int]:
    version, _, rest = line.partition(" ")
    status = rest[:3]
    well_formed = len(status) == 3 and status.isdecimal() and rest[3:4] in ("", " ")
    if version not in ("HTTP/1.1", "HTTP/1.0") or not well_formed or not 100 <= int(status) <= 599:
        raise NotHttp
    return version, int(status)


def _fields(incoming: Incoming) -> dict[str, str]:
    """Read header fields, or trailers (section 5)."""
    headers: dict[str, str] = {}
    name, count = "", 0
    while line := incoming.line():
        if line[0] in " \t" and name:  # obsolete folding, section 5.2
            headers[name] += " " + line.strip(" \t")
            continue
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or not name or not _TOKEN.issuperset(name):
            raise NotHttp
        value = value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers and name in _LISTS else value
        count += 1
        if count > _MOST_FIELDS:
            raise NotHttp
    return headers


def _chunks(incoming: Incoming, most: int) -> Iterator[bytes]:
    """Read a chunked body up to its trailers (section 7.1)."""
    while size := _number(incoming.line().partition(";")[0].strip(" \t"), 16):
        if size > most:
            raise TooLarge
        yield incoming.exactly(size)
        if incoming.line():
            raise NotHttp


def _has_sound_trailers(incoming: Incoming) -> bool:
    """Read the trailers, which mean nothing to us: without them, too, the body is complete (section 8)."""
    try:
        _fields(incoming)
    except (CutOff, NotHttp, OSError):
        return False
    return True


def _number(text: str, base: int) -> int:
    if not 0 < len(text) < 16 or not _HEXADECIMAL.issuperset(text) or (base == 10 and not text.isdecimal()):
        raise NotHttp
    return int(text, base)


def _bounded(parts: Iterator[bytes], most: int) -> bytes:
    body, size = [], 0
    for part in parts:
        body.append(part)
        size += len(part)
        if size > most:
            raise TooLarge
    return b"".join(body)
