"""A neighbour on the same machine, while somebody signs in: the person gets in within a second all the same."""

import json
import socket
import threading
import time
import urllib.parse

import pytest
from callback_address import callback_address
from robot import Robot
from test_browser_flow import get, with_field

WITHIN = 1.0  # seconds, from the person's coming back to the end of the program


@pytest.fixture
def sign_in(authgate, callback, robot):
    """Sign in while `neighbour(port, address)` does what it does before the person comes back.

    It may return a function that goes on while the person comes back.
    """

    def sign_in(neighbour):
        port, came = urllib.parse.urlsplit(callback).port, []

        def visit(url):
            address = callback_address(url)
            neighbour(port, address)
            came.append(time.monotonic())
            return get(address)

        person = robot(visit=visit)
        result = authgate("login", "--flow", "browser", "--redirect-uri", callback, "--json", browser=person)
        ended = time.monotonic()
        status, page, _ = person.finish()
        assert json.loads(result.out)["source"] == "browser", result.err
        assert (status, "You are signed in" in page) == (200, True)
        assert ended - came[0] < WITHIN
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        return result

    return sign_in


def connect(port):
    return socket.create_connection(("127.0.0.1", port), 20)


def test_a_thousand_wrong_states(sign_in, server):
    def neighbour(port, address):
        path = urllib.parse.urlsplit(with_field(address, state="guess")).path
        for number in range(1000):
            query = f"code=stolen&state=guess-{number}" if number % 2 else f"error=access_denied&state={number}"
            with connect(port) as guess:
                guess.sendall(f"GET {path}?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
                assert guess.recv(12) == b"HTTP/1.1 400"

    sign_in(neighbour)
    assert server.count("POST", "/oauth/token") == 1
    assert server.count("POST", "/oauth/token", code="stolen") == 0


def test_a_megabyte_of_header(sign_in):
    def neighbour(port, address):
        with connect(port) as loud:
            with pytest.raises(OSError):
                for _ in range(1024):
                    loud.sendall(b"X: " + b"x" * 1021)
                    time.sleep(0.0001)

    sign_in(neighbour)


def test_a_crowd_of_whom_most_say_nothing_and_some_never_read(sign_in):
    crowd = []

    def neighbour(port, address):
        for number in range(100):  # fewer than the backlog, where the kernel keeps people waiting
            crowd.append(connect(port))
            if number % 4 == 0:
                crowd[-1].sendall(f"GET /callback?state=x HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())

    sign_in(neighbour)
    for one in crowd:
        one.close()


def test_a_flood_that_goes_on(sign_in, server):
    over = threading.Event()

    def flood(port):
        while not over.is_set():
            try:
                with connect(port) as one:
                    one.sendall(f"GET /callback?code=x&state=y HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
                    one.recv(100)
            except OSError:
                return

    floods = []

    def neighbour(port, address):
        floods.extend(threading.Thread(target=flood, args=(port,)) for _ in range(4))
        for one in floods:
            one.start()
        time.sleep(0.1)

    try:
        sign_in(neighbour)
    finally:
        over.set()
        for one in floods:
            one.join(20)
    assert server.count("POST", "/oauth/token") == 1


@pytest.mark.parametrize("fields", [{"state": "guess"}, {"state": None}], ids=["wrong state", "no state"])
def test_the_right_code_with_a_wrong_issuer_and_no_right_state(sign_in, server, fields):
    def neighbour(port, address):
        assert get(with_field(address, iss="https://evil.example", **fields))[0] == 400

    sign_in(neighbour)
    assert server.count("POST", "/oauth/token") == 1


def test_a_second_code_comes_too_late(authgate, server, robot, callback):
    """With the right state even: the first one is what counts, and the second is never redeemed."""
    seconds = []

    def visit(url):
        address = callback_address(url)
        server.misbehave("/oauth/token", delay=0.3)

        def come_second():
            time.sleep(0.1)
            try:
                seconds.append(get(with_field(address, code="another-code"))[:2])
            except OSError as error:
                seconds.append(error)

        second = threading.Thread(target=come_second)
        second.start()
        first = get(address)
        second.join(20)
        return first

    person = robot(visit=visit)

    result = authgate("login", "--redirect-uri", callback, "--json", browser=person)

    assert json.loads(result.out)["source"] == "browser"
    assert person.finish()[0] == 200
    [(status, page)] = seconds
    assert (status, "Already used" in page) == (400, True)
    assert server.count("POST", "/oauth/token") == server.count("POST", "/oauth/token", grant_type="authorization_code")
    assert server.count("POST", "/oauth/token", code="another-code") == 0


def test_a_neighbour_who_takes_the_port_first_is_sent_nothing(authgate, server, callback):
    with socket.create_server(("127.0.0.1", urllib.parse.urlsplit(callback).port)) as neighbour:
        neighbour.settimeout(0)
        result = authgate("login", "--redirect-uri", callback, "--json", browser=lambda url: pytest.fail("opened"))

        assert json.loads(result.out)["source"] == "device"
        assert "/oauth/authorize" not in result.err
        with pytest.raises(BlockingIOError):
            neighbour.accept()


def test_the_port_is_open_only_while_somebody_is_asked(authgate, server, robot, callback):
    port, before = urllib.parse.urlsplit(callback).port, []

    def closed(seen):
        with socket.socket() as probe:
            before.append(probe.connect_ex(("127.0.0.1", port)) != 0)
        return False

    server.misbehave("/.well-known/openid-configuration", times=None, when=closed)
    server.misbehave("/oauth/userinfo", times=None, when=closed)

    result = authgate("login", "--redirect-uri", callback, "--json", browser=robot(visit=Robot({}).visit))

    assert json.loads(result.out)["source"] == "browser"
    assert before == [True, True]
