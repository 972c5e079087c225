"""What is read as an HTTP/1.1 response and what is not, byte by byte or at once (RFC 9112)."""

from __future__ import annotations

import pytest

from authgate_cli.oauth.http1 import (
    LONGEST_FRAMING,
    LONGEST_HEAD,
    CutOff,
    Incoming,
    NoAnswer,
    NotHttp,
    TooLarge,
    read_body,
    read_head,
    write_request,
)

MOST = 1000  # bytes of a body
START = b"HTTP/1.1 200 OK\r\n"


def incoming(data: bytes, piece: int = 65536) -> Incoming:
    pieces = iter([data[at : at + piece] for at in range(0, len(data), piece)])
    return Incoming(lambda: next(pieces, b""))


def read(data: bytes, piece: int = 65536):
    """Return status, headers, body, and whether the connection can be used again."""
    arriving = incoming(data, piece)
    head = read_head(arriving)
    return head.status, head.headers, *read_body(arriving, head, MOST)


READ = {
    "length": (START + b"Content-Length: 4\r\n\r\nfine", 200, b"fine", True),
    "no body": (START + b"Content-Length: 0\r\n\r\n", 200, b"", True),
    "until the end": (START + b"\r\nfine", 200, b"fine", False),
    "an older version": (b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nfine", 200, b"fine", False),
    "closed when read": (START + b"Connection: x, Close\r\nContent-Length: 4\r\n\r\nfine", 200, b"fine", False),
    "closed in one line of two": (
        START + b"Connection: close\r\nConnection: x\r\nContent-Length: 4\r\n\r\nfine", 200, b"fine", False),
    "a length said twice": (START + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nfine", 200, b"fine", True),
    "chunks cut off behind the last": (
        START + b"Transfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n", 200, b"fine", False),
    "chunks with nonsense behind the last": (
        START + b"Transfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\nnonsense\r\n\r\n", 200, b"fine", False),
    "no reason": (b"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", 404, b"", True),
    "an empty reason": (b"HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n", 404, b"", True),
    "bare line feeds": (b"HTTP/1.1 200 OK\nContent-Length: 4\n\nfine", 200, b"fine", True),
    "never a body": (b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n", 204, b"", True),
    "interim answers": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + START
                        + b"Content-Length: 4\r\n\r\nfine", 200, b"fine", True),
    "chunks": (START + b"Transfer-Encoding: chunked\r\n\r\n3\r\nfin\r\n1\r\ne\r\n0\r\n\r\n", 200, b"fine", True),
    "chunks with extensions and trailers": (
        START + b"Transfer-Encoding: Chunked\r\n\r\n00A ;x=y\r\n0123456789\r\n0\r\nDigest: z\r\n\r\n", 200,
        b"0123456789", True),
    "chunks and a length": (
        START + b"Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n", 200, b"fine", False),
}  # fmt: skip


@pytest.mark.parametrize("piece", [1, 2, 7, 65536])
@pytest.mark.parametrize(("data", "status", "body", "reusable"), READ.values(), ids=READ)
def test_a_response_is_read_however_it_arrives(data, status, body, reusable, piece):
    seen_status, _, seen_body, seen_reusable = read(data, piece)
    assert (seen_status, seen_body, seen_reusable) == (status, body, reusable)


def test_a_connection_with_more_on_it_than_was_announced_is_not_used_again():
    assert read(START + b"Content-Length: 4\r\n\r\nfine and more")[2:] == (b"fine", False)


def test_names_are_in_lower_case_and_values_without_the_space_around_them():
    _, headers, _, _ = read(START + b"X-Kind: \t a b \t\r\nCONTENT-length:0\r\n\r\n")
    assert headers == {"x-kind": "a b", "content-length": "0"}


def test_several_fields_of_one_name_are_a_list_where_it_is_one_and_else_the_last():
    several = b"Cache-Control: no-store\r\ncache-control: max-age=9\r\nRetry-After: 1\r\nretry-after: 2\r\n"
    _, headers, _, _ = read(START + several + b"Content-Length: 0\r\n\r\n")
    assert (headers["cache-control"], headers["retry-after"]) == ("no-store, max-age=9", "2")


def test_a_folded_line_is_one_line():
    assert read(START + b"A: 1\r\n \t 2\r\nContent-Length: 0\r\n\r\n")[1]["a"] == "1 2"


NOT_HTTP = {
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "another version": b"HTTP/2 200\r\n\r\n",
    "no version": b"ICY 200 OK\r\n\r\n",
    "no number": b"HTTP/1.1 abc\r\n\r\n",
    "a number too long": b"HTTP/1.1 2000 OK\r\n\r\n",
    "an impossible status": b"HTTP/1.1 099 OK\r\n\r\n",
    "a status of no kind": b"HTTP/1.1 600 OK\r\n\r\n",
    "another protocol on request": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "a bare CR": START + b"A: 1\rB: 2\r\n\r\n",
    "a NUL": START + b"A: 1\0\r\n\r\n",
    "a line without a colon": START + b"nonsense\r\n\r\n",
    "a field without a name": START + b": 1\r\n\r\n",
    "a space before the colon": START + b"A : 1\r\n\r\n",
    "a folded line with nothing before it": START + b" A: 1\r\n\r\n",
    "a length that is no number": START + b"Content-Length: 4x\r\n\r\nfine",
    "a negative length": START + b"Content-Length: -4\r\n\r\nfine",
    "two lengths": START + b"Content-Length: 4, 5\r\n\r\nfine",
    "two lengths in two lines": START + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nfine",
    "two codings": START + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a length in hexadecimal": START + b"Content-Length: a\r\n\r\n0123456789",
    "a coding nobody asked for": START + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a chunk of no size": START + b"Transfer-Encoding: chunked\r\n\r\n\r\n",
    "a chunk of minus one": START + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    "a chunk with a prefix": START + b"Transfer-Encoding: chunked\r\n\r\n0x4\r\nfine\r\n",
    "a chunk longer than its size": START + b"Transfer-Encoding: chunked\r\n\r\n3\r\nfine\r\n0\r\n\r\n",
    "a line without end": START + b"A: " + b"x" * 70_000,
    "fields without end": START + b"A: 1\r\n" * 101 + b"\r\n",
    "interim answers without end": b"HTTP/1.1 100 Continue\r\n\r\n" * (LONGEST_HEAD // 20),
    "framing without end": START + b"Transfer-Encoding: chunked\r\n\r\n" + (b"1;" + b"x" * 60_000 + b"\r\nx\r\n") * 150,
}


@pytest.mark.parametrize("data", NOT_HTTP.values(), ids=NOT_HTTP)
def test_what_is_not_http_is_not_read_as_such(data):
    assert len(data) < LONGEST_FRAMING + 2**20
    with pytest.raises(NotHttp):
        read(data)


TOO_LARGE = {
    "told": b"Content-Length: 1001\r\n\r\n",
    "told beyond reason": b"Content-Length: 999999999999999\r\n\r\n",
    "not told": b"\r\n" + b"x" * 1001,
    "in one chunk": b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n",
    "in many": b"Transfer-Encoding: chunked\r\n\r\n"
    + b"1f4\r\n"
    + b"x" * 500
    + b"\r\n"
    + b"1f5\r\n"
    + b"x" * 501
    + b"\r\n",
}


@pytest.mark.parametrize("data", TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_body_that_is_too_large_is_not_waited_for(data):
    with pytest.raises(TooLarge):
        read(START + data)


def test_a_connection_that_ends_before_an_answer_is_told_from_one_that_ends_within():
    with pytest.raises(NoAnswer):
        read(b"")
    whole = READ["chunks with extensions and trailers"][0]
    complete = whole.index(b"\r\n0\r\n") + len(b"\r\n0\r\n")
    for end in range(1, complete):
        with pytest.raises(CutOff):
            read(whole[:end])
    for end in range(complete, len(whole)):
        assert read(whole[:end])[2:] == (b"0123456789", False)


def test_a_request_is_one_line_each():
    request = write_request("POST", "/t?q=1", {"Host": "a.example"}, "a=\u00fc")
    assert request == b"POST /t?q=1 HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\na=\xc3\xbc"
    assert write_request("GET", "/", {}) == b"GET / HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize(("target", "value"), [("/a\r\nX: 1", "v"), ("/", "v\r\nX: 1"), ("/", "\u2028")])
def test_a_request_cannot_be_split(target, value):
    with pytest.raises(ValueError, match="cannot be sent"):
        write_request("GET", target, {"A": value})
