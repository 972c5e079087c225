"""HTTP as it is met in the wild: every answer here is bytes from a real socket."""

import os
import socket
import sys
import threading
from contextlib import ExitStack, contextmanager
from email.utils import formatdate

import certificates
import pytest
from raw_server import SAFETY, RawServer, answer, reset, say_nothing, trickle, tunnel_to

from authgate_cli import __version__
from authgate_cli.errors import Refused, Unreachable
from authgate_cli.oauth.messages import Request, get, get_as, post_form
from authgate_cli.system.http import Http
from authgate_cli.system.threads import call_within

NOW = 1_800_000_000.0
LARGEST = 1024 * 1024  # bytes of body
OK = answer(200, b"fine", Content_Type="text/plain")


class Client:
    """Http with its pauses and log lines remembered instead of waited for and shown."""

    def __init__(self):
        self.pauses, self.log = [], []

    def __call__(self, environ=None, timeout=10.0, sleep=None, **more):
        sleep = sleep or self.pauses.append
        return Http(timeout, environ or {}, self.log.append, lambda: NOW, sleep, **more)


@pytest.fixture
def client():
    return Client()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def form(url):
    return post_form(url, {"code": "secret-code"})


# The exchange


def test_a_get_brings_status_headers_and_body(client):
    with RawServer(answer(404, b"\0\xff", X_Kind="a")) as server:
        response = client().send(get(server.url))
    assert (response.status, response.headers["x-kind"], response.body) == (404, "a", b"\0\xff")


def test_a_request_names_its_host_and_its_sender(client):
    with RawServer(OK) as server:
        client().send(Request("GET", server.url + "path?query=1", {"Authorization": "Bearer abc"}))
    first, *fields = server.requests[0].decode().rstrip().split("\r\n")
    headers = dict(field.split(": ", 1) for field in fields)
    assert first == "GET /path?query=1 HTTP/1.1"
    assert headers["Host"] == f"127.0.0.1:{server.port}"
    assert headers["User-Agent"].startswith(f"authgate/{__version__} ")
    assert headers["Accept"] == "application/json"
    assert headers["Authorization"] == "Bearer abc"
    assert headers["Accept-Encoding"] == "identity"


def test_a_form_is_posted(client):
    with RawServer(OK) as server:
        client().send(post_form(server.url, {"a": "ü &", "b": None}))
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST / HTTP/1.1\r\n")
    assert b"Content-Type: application/x-www-form-urlencoded" in head
    assert b"Content-Length: 12" in head
    assert body == b"a=%C3%BC+%26"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("make", [get, form])
def test_no_redirect_is_followed(client, make, status):
    with RawServer(OK) as elsewhere, RawServer(answer(status, Location=elsewhere.url)) as server:
        response = client().send(make(server.url))
    assert (response.status, response.headers["location"], elsewhere.requests) == (status, elsewhere.url, [])


START = b"HTTP/1.1 200 OK\r\n"
CHUNKED = START + b"Transfer-Encoding: chunked\r\n\r\n"
READ = {
    "length": START + b"Content-Length: 4\r\n\r\nfine",
    "a length in two lines": START + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nfine",
    "more than the length": START + b"Content-Length: 4\r\n\r\nfine and more",
    "until the end": START + b"\r\nfine",
    "an older version": b"HTTP/1.0 200 OK\r\n\r\nfine",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 4\r\n\r\nfine",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 4\n\nfine",
    "chunks": CHUNKED + b"3\r\nfin\r\n1\r\ne\r\n0\r\n\r\n",
    "chunks with extensions and trailers": CHUNKED + b"004 ;x=y\r\nfine\r\n0\r\nDigest: z\r\n\r\n",
    "chunks cut off after the last": CHUNKED + b"4\r\nfine\r\n0\r\n",
    "chunks and a length": START + b"Content-Length: 9\r\nTransfer-Encoding: Chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n",
    "interim answers": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    b"HTTP/1.1 102 Processing\r\n\r\n" + START + b"Content-Length: 4\r\n\r\nfine",
    "identity": answer(200, b"fine", Content_Encoding="identity"),
}


@pytest.mark.parametrize("raw", READ.values(), ids=READ)
def test_every_way_to_frame_a_body_is_understood(client, raw):
    with RawServer(raw) as server:
        assert client().send(get(server.url)).body == b"fine"


def test_an_answer_is_read_however_it_arrives(client):
    whole = READ["chunks with extensions and trailers"]
    with RawServer(trickle(whole, 0)) as server:
        assert client().send(get(server.url)).body == b"fine"


def test_an_answer_that_never_has_a_body_is_not_waited_for(client):
    def never_close(connection):
        connection.sendall(b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n")
        connection.recv(1)

    with RawServer(never_close) as server:
        assert client().send(get(server.url)).body == b""


def test_fields_have_lower_case_names_and_one_value(client):
    fields = b"X-Kind: \t a \r\n  b \r\nVary: a\r\nvary: b\r\nCONTENT-length:0\r\n\r\n"
    with RawServer(START + fields) as server:
        assert client().send(get(server.url)).headers == {"x-kind": "a b", "vary": "a, b", "content-length": "0"}


# Limits


def test_a_body_of_one_mebibyte_is_read(client):
    with RawServer(answer(200, b"x" * LARGEST)) as server:
        assert len(client().send(get(server.url)).body) == LARGEST


@pytest.mark.parametrize(
    "raw",
    [
        answer(200, b"x" * (LARGEST + 1)),
        answer(200, b"x" * (LARGEST + 1), Content_Length=10**12),
        answer(200, Content_Length=10**12),
        b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * (LARGEST + 1),
        CHUNKED + b"100001\r\n" + b"x" * (LARGEST + 1),
        CHUNKED + b"1000\r\n" + b"x" * 0x1000 + b"\r\n",
    ],
    ids=["told", "told wrongly", "told and not sent", "not told", "in one chunk", "chunked without end"],
)
def test_a_larger_body_is_refused_however_it_is_framed(client, raw):
    def send(connection):
        connection.sendall(raw)
        while raw.startswith(CHUNKED) and raw.endswith(b"\r\n"):
            connection.sendall(raw.partition(b"\r\n\r\n")[2])

    with RawServer(send) as server, pytest.raises(Refused, match="more than 1 MiB"):
        client().send(get(server.url))


@pytest.mark.parametrize(
    ("script", "make"),
    [
        (say_nothing, get),
        (say_nothing, form),
        (trickle(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 700 + b"\r\nContent-Length: 0\r\n\r\n"), get),
        (trickle(answer(200, b"x" * 700)), get),
        (trickle(answer(200, b"x" * 700)), form),
    ],
    ids=["silence", "silence after a form", "a head that trickles", "a body that trickles", "and after a form"],
)
def test_one_deadline_covers_the_whole_exchange(client, script, make):
    with RawServer(script) as server:
        with pytest.raises(Unreachable, match=r"no answer from .* within 0\.2 s") as caught:
            client(timeout=0.2).send(make(server.url))
    assert (caught.value.sent, server.connections) == (True, 1)


# What is no answer

CUT_OFF, NOT_HTTP = (Unreachable, "was cut off"), (Refused, "not HTTP")
HOSTILE = {
    "nothing": (b"", (Unreachable, "closed the connection without an answer")),
    "cut off in the status line": (b"HTTP/1.1", CUT_OFF),
    "cut off in the head": (START + b"Content-Le", CUT_OFF),
    "cut off before the end of the head": (START + b"Content-Length: 0\r\n", CUT_OFF),
    "cut off in the body": (START + b"Content-Length: 8\r\n\r\nhalf", CUT_OFF),
    # Python 3.9 reads to the end of the answer there.
    "a chunk of a negative size": (CHUNKED + b"-5\r\nhello", NOT_HTTP if sys.version_info >= (3, 10) else CUT_OFF),
    "cut off in a chunk": (CHUNKED + b"8\r\nhalf", CUT_OFF),
    "cut off between chunks": (CHUNKED + b"4\r\nhalf\r\n", CUT_OFF),
    "another protocol": (b"SSH-2.0-OpenSSH_9.6\r\n", NOT_HTTP),
    "another version": (b"HTTP/2 200\r\n\r\n", NOT_HTTP),
    "no version": (b"ICY 200 OK\r\n\r\n", NOT_HTTP),
    "a status that is no number": (b"HTTP/1.1 abc OK\r\n\r\n", NOT_HTTP),
    "a status of no kind": (b"HTTP/1.1 600 OK\r\n\r\n", NOT_HTTP),
    "another protocol on request": (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", NOT_HTTP),
    "interim answers without end": (b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000, NOT_HTTP),
    "early hints without end": (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000, NOT_HTTP),
    "a line without end": (START + b"A: " + b"x" * 70_000, NOT_HTTP),
    "101 fields": (START + b"A: 1\r\n" * 101 + b"\r\n", NOT_HTTP),
    "a head of 65 KiB": (START + (b"A: " + b"x" * 1019 + b"\r\n") * 65 + b"\r\n", NOT_HTTP),
    "a line without a colon": (START + b"nonsense\r\n\r\n", NOT_HTTP),
    "a space before the colon": (START + b"A : 1\r\n\r\n", NOT_HTTP),
    "a folded line with nothing before it": (START + b" A: 1\r\n\r\n", NOT_HTTP),
    "a length that is no number": (START + b"Content-Length: 4x\r\n\r\nfine", NOT_HTTP),
    "a negative length": (START + b"Content-Length: -4\r\n\r\nfine", NOT_HTTP),
    "two lengths": (START + b"Content-Length: 4, 5\r\n\r\nfine", NOT_HTTP),
    "two lengths in two lines": (START + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nfine", NOT_HTTP),
    "a length in other digits": (START + "Content-Length: ²\r\n\r\nfi".encode("latin-1"), NOT_HTTP),
    "a coding that was not asked for": (START + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", NOT_HTTP),
    "two codings": (START + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", NOT_HTTP),
    "a chunk of no size": (CHUNKED + b"\r\n\r\n", CUT_OFF),
    "a chunk of letters": (CHUNKED + b"zz\r\n", CUT_OFF),
    "a chunk of minus one": (CHUNKED + b"-1\r\nfine\r\n0\r\n\r\n", CUT_OFF),
    "a chunk longer than its size": (CHUNKED + b"3\r\nfine\r\n0\r\n\r\n", CUT_OFF),
    "chunks with more framing than is read": (CHUNKED + (b"1;" + b"x" * 60_000 + b"\r\nx\r\n") * 150, NOT_HTTP),
    "trailers without end": (CHUNKED + b"0\r\n" + (b"A: " + b"x" * 60_000 + b"\r\n") * 150, NOT_HTTP),
    "a compressed body": (answer(200, b"fine", Content_Encoding="gzip"), (Refused, "compressed")),
}


@pytest.mark.parametrize(("raw", "outcome"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_answer_is_none(client, raw, outcome):
    with RawServer(raw) as server, pytest.raises(outcome[0], match=outcome[1]) as caught:
        client().send(form(server.url))
    assert caught.value.hint or outcome[1] == "compressed"


def test_an_answer_that_is_cut_off_anywhere_is_none(client):
    whole = READ["chunks"]
    for end in range(1, whole.index(b"0\r\n\r\n")):
        with RawServer(whole[:end]) as server, pytest.raises(Unreachable, match="was cut off"):
            client().send(form(server.url))


@pytest.mark.parametrize(
    "raw",
    [
        b"\x15\x03\x01\x00\x02\x02F",
        b"\x15\x03\x03\x00\x02\x02\n",
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
        answer(400, b"<title>400 The plain HTTP request was sent to HTTPS port</title>"),
        answer(400, b"<p>You're speaking plain HTTP to an SSL-enabled server port.<br />"),
        answer(400, b"This combination of host and port requires TLS.\r\n"),
    ],
)
def test_plain_http_sent_to_a_tls_port_is_named(client, raw):
    with RawServer(raw) as server, pytest.raises(Refused, match="speaks https, not plain http") as caught:
        client().send(get(server.url))
    assert caught.value.hint == "use https:// in AUTHGATE_URL"


def test_an_oauth_error_is_never_taken_for_that(client):
    refusal = b'{"error": "invalid_request", "error_description": "this client requires TLS"}'
    with RawServer(answer(400, refusal)) as server:
        assert client().send(get(server.url)).body == refusal


def test_plain_http_that_a_tls_server_hangs_up_on_has_the_hint_too(client):
    context = certificates.tls(certificates.of("127.0.0.1"))
    with RawServer(OK, OK, OK, tls=context) as server, pytest.raises(Unreachable) as caught:
        client().send(get(server.url.replace("https:", "http:")))
    assert "https" in caught.value.hint


def test_a_server_that_is_not_there_is_named(client):
    port = free_port()
    with pytest.raises(Unreachable, match=f"127.0.0.1:{port} refuses connections") as caught:
        client().send(get(f"http://127.0.0.1:{port}/"))
    assert caught.value.sent is False


@pytest.mark.parametrize("host", ["auth..example.com", ".example.com", "x" * 64 + ".example.com"])
def test_a_name_without_an_address_is_named(client, host):
    with pytest.raises(Unreachable, match="cannot be found") as caught:
        client().send(get(f"https://{host}/"))
    assert caught.value.sent is False


# Trying again


@pytest.mark.parametrize("failure", [answer(429), answer(502), answer(503), answer(504), reset, b""])
def test_a_get_is_tried_three_times_over_what_may_pass(client, failure):
    with RawServer(failure, failure, OK) as server:
        assert client().send(get(server.url)).body == b"fine"
    assert client.pauses == [0.2, 0.6]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_the_third_answer_is_the_answer(client, status):
    with RawServer(*[answer(status)] * 4) as server:
        assert client().send(get(server.url)).status == status
    assert server.connections == 3


def test_the_third_reset_is_an_error(client):
    with RawServer(*[reset] * 4) as server, pytest.raises(Unreachable):
        client().send(get(server.url))
    assert server.connections == 3


@pytest.mark.parametrize("status", [200, 400, 401, 404, 500, 501])
def test_other_answers_are_not_asked_for_again(client, status):
    with RawServer(answer(status), OK) as server:
        assert client().send(get(server.url)).status == status
    assert client.pauses == []


@pytest.mark.parametrize(
    ("value", "pause"),
    [("3", 3.0), (formatdate(NOW + 4, usegmt=True), 4.0), ("0", 0.0), ("soon", 0.2), ("-1", 0.2)],
)
def test_the_server_may_say_how_long_to_wait(client, value, pause):
    with RawServer(answer(503, Retry_After=value), OK) as server:
        assert client().send(get(server.url)).status == 200
    assert client.pauses == [pause]


def test_a_wait_that_does_not_fit_the_deadline_is_not_begun(client):
    with RawServer(answer(503, Retry_After=60), OK) as server:
        assert client(timeout=30).send(get(server.url)).status == 503
    assert client.pauses == []


@pytest.mark.parametrize("failure", [answer(429), answer(502), answer(503), answer(504)])
def test_a_form_that_was_answered_is_never_sent_again(client, failure):
    with RawServer(failure, OK) as server:
        assert client().send(form(server.url)).status != 200
    assert server.connections == 1


@pytest.mark.parametrize("failure", [reset, b"", answer(200, b"half", Content_Length=8)], ids=["reset", "end", "half"])
def test_a_form_that_may_have_arrived_is_never_sent_again(client, failure):
    with RawServer(failure, OK) as server, pytest.raises(Unreachable) as caught:
        client().send(form(server.url))
    assert (caught.value.sent, server.connections, client.pauses) == (True, 1, [])


def test_a_form_that_cannot_have_arrived_is_sent_again(client):
    port, servers, pauses = free_port(), [], []

    def sleep(seconds):
        pauses.append(seconds)
        servers.append(RawServer(OK, port=port).__enter__())

    assert client(sleep=sleep).send(form(f"http://127.0.0.1:{port}/")).body == b"fine"
    servers[0].__exit__()
    assert pauses == [0.2]


# Connections


def test_every_request_has_a_connection_of_its_own(client):
    with RawServer(OK + answer(200, b"smuggled"), OK) as server:
        http = client()
        assert [http.send(get(server.url)).body for _ in range(2)] == [b"fine"] * 2
    assert server.connections == 2


def leading_to(*addresses):
    """Return a look-up that knows these addresses of whatever name."""

    def look_up(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port)) for address in addresses]

    return look_up


@contextmanager
def black_hole(address, port):
    """Listen on an address of loopback that drops whatever wants to connect."""
    with socket.create_server((address, port), backlog=0) as silent, ExitStack() as waiting:
        for _ in range(2):  # the queue is full from then on
            connection = waiting.enter_context(socket.socket())
            connection.setblocking(False)
            connection.connect_ex(silent.getsockname())
        yield


def test_an_address_that_is_silent_does_not_use_up_the_time(client):
    """Half of the time would be twice as long as this test waits."""
    with RawServer(OK) as server, black_hole("127.0.0.2", server.port):
        http = client(timeout=4 * SAFETY, look_up=leading_to("127.0.0.2", "127.0.0.1"))
        asked = get(f"http://localhost:{server.port}/")
        assert call_within(lambda: http.send(asked), SAFETY).body == b"fine"


def test_an_address_that_answered_is_tried_first_from_then_on(client):
    with RawServer(OK, OK) as server:
        http = client(look_up=leading_to("127.0.0.2", "127.0.0.1"))
        asked = get(f"http://localhost:{server.port}/")
        assert http.send(asked).body == b"fine"
        with socket.create_server(("127.0.0.2", server.port)) as other:
            assert http.send(asked).body == b"fine"
            other.setblocking(False)
            with pytest.raises(BlockingIOError):
                other.accept()  # nobody came


def test_with_little_time_every_address_gets_its_share(client):
    with RawServer(OK) as server, black_hole("127.0.0.2", server.port):
        http = client(timeout=1, look_up=leading_to("127.0.0.2", "127.0.0.1"))
        assert http.send(get(f"http://localhost:{server.port}/")).body == b"fine"


def test_an_address_that_refuses_is_not_the_last_word(client):
    with RawServer(OK) as server:
        http = client(look_up=leading_to("127.0.0.2", "127.0.0.1"))
        assert http.send(get(f"http://localhost:{server.port}/")).body == b"fine"


def test_a_name_look_up_that_hangs_ends_at_the_deadline(client):
    over = threading.Event()
    try:
        with pytest.raises(Unreachable, match="no answer") as caught:
            client(timeout=0.2, look_up=lambda *_, **__: over.wait(SAFETY)).send(form("https://auth.example.com/"))
    finally:
        over.set()
    assert caught.value.sent is False


def own_address():
    """Return an address of this machine that is not loopback; packets to it do not leave the machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has loopback and nothing else")
        return probe.getsockname()[0]


@pytest.mark.parametrize("make", [get, form])
def test_plain_http_is_not_sent_past_loopback_whatever_the_look_up_says(client, make):
    address, requests = own_address(), []
    with socket.create_server((address, 0)) as listening:

        def serve():
            connection, _ = listening.accept()
            with connection:
                requests.append(connection.recv(65536))

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(Unreachable, match=f"localhost is {address} here") as caught:
            client(look_up=leading_to(address)).send(make(f"http://localhost:{listening.getsockname()[1]}/"))
        thread.join(SAFETY)
    assert requests == [b""]
    assert "https" in caught.value.hint and "hosts file" in caught.value.hint
    assert (caught.value.sent, client.pauses) == (False, [])


# What is logged


def test_a_log_line_says_what_was_done_and_shows_no_secret(client):
    with RawServer(OK) as server:
        client().send(post_form(server.url + "token?state=secret-state", {"code": "secret-code"}))
    [line] = client.log
    assert line.startswith(f"POST {server.url}token: 200 in ")


@pytest.mark.parametrize("script", [reset, b"secret-nonsense\r\n\r\n", answer(200, b"secret", Content_Encoding="gzip")])
def test_a_failure_is_logged_and_told_without_a_secret(client, script):
    with RawServer(script, script, script) as server, pytest.raises((Unreachable, Refused)) as caught:
        client().send(get_as(server.url + "userinfo?state=secret-state", "secret-token"))
    assert all(line.startswith(f"GET {server.url}userinfo: ") for line in client.log)
    assert "secret" not in "".join([*client.log, str(caught.value), str(caught.value.hint)])


# TLS


def trusting(authority=certificates.AUTHORITY):
    return {"SSL_CERT_FILE": str(authority)}


def test_a_private_authority_is_trusted_when_it_is_named(client):
    with RawServer(OK, tls=certificates.tls(certificates.of("127.0.0.1"))) as server:
        assert client(trusting()).send(get(server.url)).body == b"fine"


@pytest.mark.parametrize(
    ("file", "message", "hint"),
    [
        (certificates.of("auth.example.com"), "cannot be trusted: IP address mismatch", "the host"),
        (certificates.EXPIRED, "has expired", "this machine's clock"),
        (certificates.SELF_SIGNED, "self.signed certificate", "SSL_CERT_FILE"),
    ],
    ids=["of another host", "expired", "self-signed"],
)
@pytest.mark.parametrize("make", [get, form])
def test_a_certificate_that_is_not_good_is_refused_at_once(client, make, file, message, hint):
    context = certificates.tls(file)
    with RawServer(OK, OK, tls=context) as server:
        with pytest.raises(Unreachable, match=message) as caught:
            client(trusting()).send(make(server.url))
    assert hint in caught.value.hint
    assert (caught.value.sent, server.requests, client.pauses) == (False, [], [])


def test_a_certificate_that_names_its_host_as_common_name_alone_is_refused(client):
    with RawServer(OK, tls=certificates.tls(certificates.COMMON_NAME_ONLY)) as server:
        with pytest.raises(Unreachable, match="cannot be trusted: Hostname mismatch") as caught:
            client(trusting(certificates.COMMON_NAME_ONLY)).send(get(f"https://localhost:{server.port}/"))
    assert "subject alternative name" in caught.value.hint
    assert server.requests == []


def test_an_authority_that_was_not_named_is_not_trusted(client):
    with RawServer(OK, tls=certificates.tls(certificates.of("127.0.0.1"))) as server:
        with pytest.raises(Unreachable, match="cannot be trusted"):
            client(trusting(certificates.OTHER_AUTHORITY)).send(get(server.url))


def test_tls_1_1_is_too_old(client):
    with RawServer(OK, tls=certificates.tls_1_1(certificates.of("127.0.0.1"))) as server:
        with pytest.raises(Unreachable, match="TLS with .* fails: .*version") as caught:
            client(trusting()).send(get(server.url))
    assert "1.2 or newer" in caught.value.hint


def test_a_server_without_tls_is_told_apart_from_one_that_is_down(client):
    with RawServer(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        with pytest.raises(Unreachable, match="TLS with .* fails") as caught:
            client().send(get(server.url.replace("http:", "https:")))
    assert "speak https" in caught.value.hint


def test_a_connection_that_is_closed_in_the_handshake_is_tried_again(client):
    with RawServer(*[lambda connection: None] * 3) as server:
        with pytest.raises(Unreachable, match="TLS with .* fails"):
            client().send(form(server.url.replace("http:", "https:")))
    assert len(client.pauses) == 2


def test_white_space_around_the_file_of_authorities_is_cut_off(client):
    environ = {name: f" {path}\n" for name, path in trusting().items()}
    with RawServer(OK, tls=certificates.tls(certificates.of("127.0.0.1"))) as server:
        assert client(environ).send(get(server.url)).status == 200


def test_silence_in_place_of_a_handshake_ends_at_the_deadline(client):
    with RawServer(say_nothing) as server, pytest.raises(Unreachable, match="no answer") as caught:
        client(timeout=0.2).send(form(server.url.replace("http:", "https:")))
    assert caught.value.sent is False


def test_a_failure_of_tls_after_the_form_was_sent_may_have_spent_it(client):
    def break_the_record(connection):
        with socket.socket(fileno=os.dup(connection.fileno())) as below_tls:
            below_tls.sendall(b"\x17\x03\x03\x00\x40" + b"x" * 64)

    with RawServer(break_the_record, tls=certificates.tls(certificates.of("127.0.0.1"))) as server:
        with pytest.raises(Unreachable, match="TLS with .* fails") as caught:
            client(trusting()).send(form(server.url))
    assert (caught.value.sent, client.pauses) == (True, [])


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), (b"", "holds no certificate"), (b"no certificate", "holds no certificate")],
)
def test_a_file_of_authorities_that_is_no_good_is_an_error(client, tmp_path, content, reason):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Unreachable, match=f"SSL_CERT_FILE or SSL_CERT_DIR cannot be used: .*{reason}"):
        client({"SSL_CERT_FILE": str(path)}).send(get("https://127.0.0.1:9/"))
    assert client.pauses == []


def test_a_directory_of_authorities_is_honoured(client, tmp_path):
    certificates.fill_directory(tmp_path)
    with RawServer(OK, tls=certificates.tls(certificates.of("127.0.0.1"))) as server:
        assert client({"SSL_CERT_DIR": str(tmp_path)}).send(get(server.url)).body == b"fine"


# Proxies


@pytest.fixture
def target():
    """An https server for auth.example.com that no name leads to: only a tunnel does."""
    with RawServer(OK, OK, tls=certificates.tls(certificates.of("auth.example.com"))) as server:
        yield server


def through(proxy, credentials="", **more):
    return {"HTTPS_PROXY": f"http://{credentials}127.0.0.1:{proxy.port}", **trusting(), **more}


def test_a_proxy_is_asked_for_a_tunnel(client, target):
    with RawServer(tunnel_to(target.port)) as proxy:
        response = client(through(proxy)).send(get_as("https://auth.example.com/userinfo", "secret"))
    assert response.body == b"fine"
    [asked], [request] = proxy.requests, target.requests
    assert asked.startswith(b"CONNECT auth.example.com:443 HTTP/1.")
    assert b"secret" not in asked
    assert b"\r\nHost: auth.example.com\r\n" in request and b"Bearer secret" in request


def test_a_proxy_is_asked_for_an_ipv6_address_in_brackets(client):
    with RawServer(answer(403)) as proxy, pytest.raises(Unreachable):
        client(through(proxy), timeout=0.1).send(form("https://[2001:db8::7]/"))
    assert proxy.requests[0].startswith(b"CONNECT [2001:db8::7]:443 HTTP/1.")


def test_the_proxys_password_goes_to_the_proxy_alone(client, target):
    with RawServer(tunnel_to(target.port)) as proxy:
        client(through(proxy, "jane:p%40ss@")).send(get("https://auth.example.com:8443/"))
    [asked], [request] = proxy.requests, target.requests
    assert asked.startswith(b"CONNECT auth.example.com:8443 ")
    assert b"\r\nProxy-Authorization: Basic amFuZTpwQHNz\r\n" in asked
    assert b"Proxy-Authorization" not in request


def test_the_certificate_behind_a_proxy_is_checked_all_the_same(client, target):
    with RawServer(tunnel_to(target.port)) as proxy, pytest.raises(Unreachable, match="Hostname mismatch"):
        client(through(proxy)).send(get("https://other.example.com/"))


@pytest.mark.parametrize(
    ("script", "credentials", "message", "hint"),
    [
        (answer(407), "", "refuses the connection .status 407.", "put user and password into HTTPS_PROXY"),
        (answer(407), "jane:hunter2@", "refuses the user and password in HTTPS_PROXY .status 407.", "correct them"),
        (answer(403, b"forbidden"), "jane:hunter2@", "refuses the connection .status 403.", "NO_PROXY"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "jane:hunter2@", "does not speak HTTP", "HTTPS_PROXY"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: 1\r\n" * 30_000, "", "does not speak HTTP", "HTTPS_PROXY"),
        (b"", "jane:hunter2@", "closed the connection without an answer", "HTTPS_PROXY"),
        (reset, "jane:hunter2@", "cannot be reached", "HTTPS_PROXY"),
    ],
)
def test_a_proxy_that_gives_no_tunnel_is_an_error(client, script, credentials, message, hint):
    with RawServer(script, script, script) as proxy, pytest.raises(Unreachable, match=message) as caught:
        client(through(proxy, credentials)).send(form("https://auth.example.com/"))
    assert hint in caught.value.hint
    assert caught.value.sent is False
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint} {client.log}"


def test_a_proxy_that_trickles_ends_at_the_deadline(client):
    with RawServer(trickle(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000)) as proxy:
        with pytest.raises(Unreachable, match="no answer"):
            client(through(proxy), timeout=0.2).send(get("https://auth.example.com/"))


@pytest.mark.parametrize("host", ["127.0.0.1", "proxy..example.com"])
def test_a_proxy_that_is_not_there_is_told_apart_from_the_server(client, host):
    environ = {"HTTPS_PROXY": f"http://jane:hunter2@{host}:{free_port()}"}
    with pytest.raises(Unreachable, match=f"the proxy {host} cannot be reached") as caught:
        client(environ).send(get("https://auth.example.com/"))
    assert "HTTPS_PROXY" in caught.value.hint
    assert caught.value.sent is False


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_never_proxied(client, host):
    with RawServer(OK) as proxy, RawServer(OK, tls=certificates.tls(certificates.of(host))) as server:
        http = client(through(proxy, HTTP_PROXY=proxy.url, http_proxy=proxy.url))
        assert http.send(get(f"https://{host}:{server.port}/")).body == b"fine"
    assert proxy.requests == []
