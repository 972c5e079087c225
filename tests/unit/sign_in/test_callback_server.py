"""The callback port, with neighbours of every kind."""

import os
import select
import socket
import sys

import pytest
from own_process import run

from authgate_cli.errors import CallbackUnavailable
from authgate_cli.sign_in.callback_server import CallbackServer
from authgate_cli.urls import split

SAFETY = 20.0  # seconds; only a test that fails gets to feel it
HOSTS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6 here")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Port:
    """An open listener, a clock to turn, and the browsers that connect to it."""

    def __init__(self, host="127.0.0.1", path="/callback"):
        self.number, self.time, self._browsers = free_port(), 0.0, []
        self.host = f"{host}:{self.number}"
        self.listener = CallbackServer(split(f"http://{self.host}{path}"), lambda: self.time)

    def connect(self, data=b"", family=socket.AF_INET):
        browser = socket.create_connection((HOSTS[family], self.number), SAFETY)
        self._browsers.append(browser)
        browser.sendall(data)
        return browser

    def get(self, target="/callback?code=1", method="GET", host=None):
        return f"{method} {target} HTTP/1.1\r\nHost: {host or self.host}\r\nAccept: */*\r\n\r\n".encode()

    def deliver(self, browser):
        """Wait until something is delivered, or the browser is answered or dropped."""
        while True:
            deliveries = self.listener.wait(SAFETY, wake=browser.fileno())
            if deliveries or is_readable(browser):
                return deliveries

    def accept_all(self):
        """Let the listener see everybody who has connected and everything that was sent so far."""
        return [delivery for _ in range(400) for delivery in self.listener.wait(0)]

    def close(self):
        self.listener.close()
        for browser in self._browsers:
            browser.close()


@pytest.fixture
def port():
    port = Port()
    yield port
    port.close()


def is_readable(browser):
    return bool(select.select([browser], [], [], 0)[0])


def received(browser):
    """Return all that the browser gets, b"" when it is dropped."""
    data = b""
    try:
        while chunk := browser.recv(65536):
            data += chunk
    except ConnectionResetError:
        pass
    return data


def status(browser):
    return received(browser)[9:12].decode()


# The one that is waited for


def test_a_callback_is_delivered_and_answered(port):
    browser = port.connect(port.get("/callback?code=1&state=a%20b"))
    [delivery] = port.deliver(browser)
    assert delivery.query == "code=1&state=a%20b"
    delivery.answer(200, "<p>Grüße</p>", {"Referrer-Policy": "no-referrer"})
    head, _, body = received(browser).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert (lines[0], body.decode()) == ("HTTP/1.1 200 OK", "<p>Grüße</p>")
    assert {f"Content-Length: {len(body)}", "Cache-Control: no-store", "Connection: close"} < set(lines)
    assert "Referrer-Policy: no-referrer" in lines


def test_a_request_may_come_in_pieces(port):
    data = port.get("/callback?code=1")
    browser = port.connect()
    for position in range(0, len(data), 7):
        assert port.accept_all() == []
        browser.sendall(data[position : position + 7])
    [delivery] = port.deliver(browser)
    assert delivery.query == "code=1"
    delivery.answer(200, "", {})


def test_two_callbacks_may_come_at_once(port):
    for code in (1, 2):
        port.connect(port.get(f"/callback?code={code}"))
    deliveries = port.accept_all()
    assert sorted(delivery.query for delivery in deliveries) == ["code=1", "code=2"]
    for delivery in deliveries:
        delivery.answer(400, "", {})


def test_a_browser_that_has_gone_does_not_disturb(port):
    browser = port.connect(port.get())
    [delivery] = port.deliver(browser)
    browser.close()
    delivery.answer(200, "x" * 1_000_000, {})


def test_nothing_is_delivered_when_nobody_comes(port):
    assert port.listener.wait(0) == []


def test_a_readable_descriptor_ends_the_waiting(port):
    reading, writing = os.pipe()
    try:
        os.write(writing, b"pasted")
        assert port.listener.wait(SAFETY, wake=reading) == []
        assert port.listener.wait(0) == []
        assert port.listener.wait(SAFETY, wake=reading) == []
    finally:
        os.close(reading)
        os.close(writing)


# Everybody else


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        ("GET /favicon.ico HTTP/1.1", "404"),
        ("GET / HTTP/1.1", "404"),
        ("GET /callback/ HTTP/1.1", "404"),
        ("GET /callback2?code=1 HTTP/1.1", "404"),
        ("GET //callback?code=1 HTTP/1.1", "404"),
        ("GET http://127.0.0.1/callback?code=1 HTTP/1.1", "404"),
        ("HEAD /callback?code=1 HTTP/1.1", "405"),
        ("OPTIONS /callback?code=1 HTTP/1.1", "405"),
        ("POST /callback?code=1 HTTP/1.1", "405"),
        ("get /callback?code=1 HTTP/1.1", "405"),
        ("nonsense", "404"),
        ("", "404"),
    ],
)
def test_another_request_is_answered_and_not_delivered(port, request_line, expected):
    browser = port.connect(f"{request_line}\r\nHost: {port.host}\r\n\r\n".encode())
    assert port.deliver(browser) == []
    assert status(browser) == expected


def test_a_wrong_method_is_told_the_right_one(port):
    browser = port.connect(port.get(method="HEAD"))
    assert port.deliver(browser) == []
    assert b"\r\nAllow: GET\r\n" in received(browser)


@pytest.mark.parametrize(
    "hosts",
    [[], ["evil.example"], ["127.0.0.1"], ["localhost:{port}"], ["127.0.0.1:{port}", "evil.example"]],
    ids=["none", "foreign", "without the port", "another name", "two"],
)
def test_a_foreign_host_is_misdirected(port, hosts):
    fields = "".join(f"Host: {host.format(port=port.number)}\r\n" for host in hosts)
    browser = port.connect(f"GET /callback?code=1 HTTP/1.1\r\n{fields}\r\n".encode())
    assert port.deliver(browser) == []
    assert status(browser) == "421"


def test_a_silent_neighbour_does_not_stop_the_waiting(port):
    silent = port.connect()
    port.accept_all()
    browser = port.connect(port.get())
    [delivery] = port.deliver(browser)
    delivery.answer(200, "", {})
    assert not is_readable(silent)


def test_a_silent_neighbour_is_dropped_after_a_while(port):
    silent, slow = port.connect(), port.connect(b"GET /call")
    port.accept_all()
    port.time = 9.0
    port.accept_all()
    assert not is_readable(silent)
    port.time = 11.0
    slow.sendall(b"back")
    port.accept_all()
    assert (received(silent), received(slow)) == (b"", b"")


def test_a_neighbour_that_goes_without_a_word_is_forgotten(port):
    port.connect().close()
    port.accept_all()
    assert port.listener.wait(0) == []


def test_a_megabyte_of_header_is_not_read(port):
    browser = port.connect(b"GET /callback HTTP/1.1\r\n")
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(100):
            browser.sendall(b"X: " + b"x" * 10_000 + b"\r\n")
            assert port.accept_all() == []


def test_a_crowd_of_silent_neighbours_does_not_keep_the_real_one_out(port):
    crowd = []
    for _ in range(100):
        crowd.append(port.connect())
        port.listener.wait(0)
    browser = port.connect(port.get())
    [delivery] = port.deliver(browser)
    delivery.answer(200, "", {})
    assert status(browser) == "200"
    dropped = [is_readable(one) for one in crowd]
    assert dropped == sorted(dropped, reverse=True)  # those that came first
    assert dropped.count(False) <= 64


# Opening and closing


@pytest.mark.parametrize("path", ["", "/"])
def test_a_callback_without_a_path_is_the_root(path):
    port = Port(path=path)
    browser = port.connect(port.get("/?code=1"))
    [delivery] = port.deliver(browser)
    delivery.answer(200, "", {})
    port.close()


def test_a_port_that_somebody_has_is_never_shared():
    with socket.create_server(("127.0.0.1", 0)) as neighbour:
        number = neighbour.getsockname()[1]
        with pytest.raises(CallbackUnavailable, match=f"{number} cannot be used .*in use") as caught:
            CallbackServer(split(f"http://127.0.0.1:{number}/callback"), float)
    assert "--redirect-uri" in caught.value.hint


def test_on_windows_the_port_is_bound_exclusively():
    """Its name for that, and its system, are lent to a process of its own; another option stands in."""
    code = """
        import os, socket
        from authgate_cli.sign_in.callback_server import CallbackServer
        from authgate_cli.urls import split

        socket.SO_EXCLUSIVEADDRUSE = socket.SO_KEEPALIVE
        os.name = "nt"
        listener = CallbackServer(split("http://127.0.0.1:%d/callback" % PORT), float)
        [listening] = listener._listening
        for option in (socket.SO_KEEPALIVE, socket.SO_REUSEADDR):
            print(int(listening.getsockopt(socket.SOL_SOCKET, option) != 0))
        listener.close()
    """
    assert run(code.replace("PORT", str(free_port()))) == ["1", "0"]


def test_a_second_listener_is_noticed(port):
    with pytest.raises(CallbackUnavailable):
        CallbackServer(split(f"http://{port.host}/callback"), float)


def test_a_port_can_be_used_again_at_once(port):
    browser = port.connect(port.get())
    [delivery] = port.deliver(browser)
    delivery.answer(200, "", {})  # our side closes first and keeps the port in TIME_WAIT
    received(browser)
    port.listener.close()
    CallbackServer(split(f"http://{port.host}/callback"), float).close()


@needs_ipv6
@pytest.mark.parametrize("family", HOSTS)
def test_localhost_is_served_on_both_of_its_addresses(family):
    port = Port("localhost")
    browser = port.connect(port.get(), family)
    [delivery] = port.deliver(browser)
    delivery.answer(200, "", {})
    port.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", *(["[::1]"] if has_ipv6() else [])])
def test_only_loopback_is_listened_on(host):
    """Whoever asks the other addresses of this machine finds it free."""
    port = Port(host)
    addresses = {listening.getsockname()[0] for listening in port.listener._listening}
    assert addresses <= {"127.0.0.1", "::1"}
    if sys.platform == "linux":  # where all of 127.0.0.0/8 is loopback
        socket.create_server(("127.0.0.2", port.number)).close()
    port.close()


@needs_ipv6
@pytest.mark.parametrize("family", HOSTS)
def test_a_neighbour_on_one_address_of_localhost_is_noticed(family):
    with socket.create_server((HOSTS[family], 0), family=family) as neighbour:
        number = neighbour.getsockname()[1]
        with pytest.raises(CallbackUnavailable):
            CallbackServer(split(f"http://localhost:{number}/callback"), float)
        for other in set(HOSTS) - {family}:
            socket.create_server((HOSTS[other], number), family=other).close()  # nothing was left open


@needs_ipv6
def test_an_ipv6_callback_is_served():
    port = Port("[::1]")
    browser = port.connect(port.get(), socket.AF_INET6)
    [delivery] = port.deliver(browser)
    delivery.answer(200, "", {})
    port.close()


def test_nothing_listens_after_the_close(port):
    silent = port.connect()
    port.accept_all()
    port.listener.close()
    assert received(silent) == b""
    with pytest.raises(ConnectionRefusedError):
        port.connect()


@pytest.mark.parametrize("seen", [True, False], ids=["seen before", "not seen yet"])
def test_who_comes_late_is_answered_on_close(port, seen):
    """A second tab, or a reload, while the code is being redeemed."""
    late = [port.connect() for _ in range(3)]
    if seen:
        port.accept_all()
    for browser in late:
        browser.sendall(port.get())
    port.listener.close("<p>already used</p>", {"X-Page": "late"})
    for browser in late:
        answer = received(browser)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.endswith(b"<p>already used</p>")
        assert b"\r\nX-Page: late\r\n" in answer


def test_closing_waits_for_nobody(port):
    silent = port.connect()
    port.listener.close("<p>already used</p>")
    assert received(silent) == b""
