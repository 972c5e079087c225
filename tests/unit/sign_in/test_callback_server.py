"""The callback port, with neighbours of every kind, and the pages that it serves."""

import base64
import hashlib
import re
import select
import socket
import sys

import pytest
from own_process import run

from authgate_cli.oauth.authorization import Callback
from authgate_cli.sign_in import callback_server
from authgate_cli.sign_in.callback_server import (
    ALREADY_USED,
    DENIED,
    FAILED,
    NOT_OURS,
    SUCCESS,
    CallbackServer,
    CallbackUnavailable,
    Page,
)
from authgate_cli.urls import split

SAFETY = 20.0  # seconds; only a test that fails gets to feel it
HOSTS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
ISSUER = "https://auth.example.com/realms/one"
GOOD = "/callback?code=1&state=s"


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


def serve(host, path="/callback", monotonic=lambda: 0.0):
    return CallbackServer(split(f"http://{host}{path}"), "s", ISSUER, monotonic)


class Port:
    """An open callback port, a clock to turn, and the browsers that connect to it."""

    def __init__(self, host="127.0.0.1", path="/callback"):
        self.number, self.time, self._browsers = free_port(), 0.0, []
        self.host = f"{host}:{self.number}"
        self.server = serve(self.host, path, lambda: self.time)

    def connect(self, data=b"", family=socket.AF_INET):
        browser = socket.create_connection((HOSTS[family], self.number), SAFETY)
        self._browsers.append(browser)
        browser.sendall(data)
        return browser

    def get(self, target=GOOD, method="GET", host=None, more=""):
        return f"{method} {target} HTTP/1.1\r\nHost: {host or self.host}\r\nAccept: */*\r\n{more}\r\n".encode()

    def lets_the_real_one_in(self):
        browser = self.connect(self.get())
        assert self.server.wait(SAFETY) == Callback(code="1")
        self.server.finish(SUCCESS)
        return status(browser) == "200"

    def close(self):
        self.server.close()
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


def test_a_callback_is_delivered_and_its_browser_waits_for_the_outcome(port):
    browser = port.connect(port.get("/callback?code=a%20b&state=s"))
    assert port.server.wait(SAFETY) == Callback(code="a b")
    assert not is_readable(browser)
    port.server.finish(SUCCESS)
    head, _, body = received(browser).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert (lines[0], body.decode()) == ("HTTP/1.1 200 OK", SUCCESS.render(ISSUER))
    assert {f"Content-Length: {len(body)}", "Cache-Control: no-store", "Connection: close"} < set(lines)
    assert "Referrer-Policy: no-referrer" in lines


def test_an_error_of_the_server_is_a_callback_too(port):
    port.connect(port.get("/callback?error=access_denied&state=s"))
    assert port.server.wait(SAFETY) == Callback(error="access_denied")


def test_a_request_may_come_in_pieces(port):
    data = port.get()
    browser = port.connect()
    for position in range(0, len(data), 7):
        assert port.server.wait(0) is None
        browser.sendall(data[position : position + 7])
    assert port.server.wait(SAFETY) == Callback(code="1")


def test_of_two_callbacks_one_counts_and_the_other_is_told_so(port):
    browsers = [port.connect(port.get(f"/callback?code={code}&state=s")) for code in (1, 2)]
    assert port.server.wait(SAFETY).code in "12"
    port.server.finish(SUCCESS)
    answers = [received(browser) for browser in browsers]
    assert sorted(answer[9:12] for answer in answers) == [b"200", b"400"]
    assert sum(b"Already used" in answer for answer in answers) == 1
    assert port.server.wait(0) is None


def test_a_wrong_state_is_answered_at_once_and_the_waiting_goes_on(port):
    browser = port.connect(port.get("/callback?code=1&state=other"))
    assert b"Another sign-in is waiting" in received(browser)
    assert port.lets_the_real_one_in()


@pytest.mark.parametrize("page", [SUCCESS, Page(200, "x" * 10_000_000, "")], ids=["gone", "does not read"])
def test_a_browser_that_has_gone_or_does_not_read_does_not_disturb(port, page):
    browser = port.connect(port.get())
    assert port.server.wait(SAFETY)
    if page is SUCCESS:
        browser.close()
    port.server.finish(page)


def test_nothing_is_delivered_when_nobody_comes(port):
    assert port.server.wait(0) is None
    port.server.finish(FAILED)  # nobody waits for it


def test_only_the_first_outcome_counts(port):
    browser = port.connect(port.get())
    assert port.server.wait(SAFETY)
    port.server.finish(DENIED)
    port.server.finish(SUCCESS)
    port.server.close()
    assert b"Sign-in denied" in received(browser)


# Everybody else


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        ("GET /favicon.ico HTTP/1.1", "404"),
        ("GET / HTTP/1.1", "404"),
        ("GET /callback/?code=1&state=s HTTP/1.1", "404"),
        ("GET /callback2?code=1&state=s HTTP/1.1", "404"),
        ("GET //callback?code=1&state=s HTTP/1.1", "404"),
        ("GET http://127.0.0.1/callback?code=1&state=s HTTP/1.1", "404"),
        ("HEAD /callback?code=1&state=s HTTP/1.1", "405"),
        ("OPTIONS /callback?code=1&state=s HTTP/1.1", "405"),
        ("POST /callback?code=1&state=s HTTP/1.1", "405"),
        ("get /callback?code=1&state=s HTTP/1.1", "405"),
        ("GET /callback?code=1&state=s HTTP/9.9", "505"),
        ("GET /callback?code=1 &state=s HTTP/1.1", "400"),
        ("nonsense", "400"),
        ("", ""),
    ],
)
def test_another_request_is_answered_and_not_delivered(port, request_line, expected):
    browser = port.connect(f"{request_line}\r\nHost: {port.host}\r\n\r\n".encode())
    head, _, body = received(browser).partition(b"\r\n\r\n")
    assert (head[9:12].decode(), body) == (expected, b"")
    assert port.lets_the_real_one_in()


def test_a_wrong_method_is_told_the_right_one(port):
    browser = port.connect(port.get(method="HEAD"))
    assert b"\r\nAllow: GET\r\n" in received(browser)


def test_seventeen_kilobytes_of_cookies_are_no_hindrance(port):
    """A browser sends what other ports of this host have set."""
    cookies = "".join(f"Cookie: {name}={'x' * 4300}\r\n" for name in "abcd")
    browser = port.connect(port.get(more=cookies))
    assert port.server.wait(SAFETY) == Callback(code="1")
    port.server.finish(SUCCESS)
    assert status(browser) == "200"


def test_a_browser_that_insists_on_https_is_noticed(port):
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
    assert not port.server.saw_https
    assert received(port.connect(hello)) == b""
    assert port.server.saw_https
    assert port.lets_the_real_one_in()


@pytest.mark.parametrize(
    "hosts",
    [[], ["evil.example"], ["127.0.0.1"], ["localhost:{port}"], ["127.0.0.1:{port}", "evil.example"]],
    ids=["none", "foreign", "without the port", "another name", "two"],
)
def test_a_foreign_host_is_misdirected(port, hosts):
    fields = "".join(f"Host: {host.format(port=port.number)}\r\n" for host in hosts)
    browser = port.connect(f"GET {GOOD} HTTP/1.1\r\n{fields}\r\n".encode())
    assert status(browser) == "421"
    assert port.lets_the_real_one_in()


def test_a_silent_neighbour_does_not_stop_the_waiting(port):
    silent = port.connect()
    assert port.lets_the_real_one_in()
    assert not is_readable(silent)


def test_a_silent_neighbour_is_dropped_after_a_while():
    """The clock says zero when the connection is accepted, and shortly before ten seconds when it is read."""
    times = iter([0.0])
    number = free_port()
    server = serve(f"127.0.0.1:{number}", monotonic=lambda: next(times, 9.95))
    with socket.create_connection(("127.0.0.1", number), SAFETY) as silent:
        silent.settimeout(5)
        assert received(silent) == b""
    server.close()


def test_a_slow_neighbour_is_dropped_after_a_while(port):
    slow = port.connect(b"GET /call")
    assert status(port.connect(port.get("/favicon.ico"))) == "404"  # so the slow one has been accepted
    port.time = 11.0
    slow.sendall(b"back")
    assert received(slow) == b""
    assert port.lets_the_real_one_in()


def test_a_neighbour_that_goes_without_a_word_is_forgotten(port):
    port.connect().close()
    assert port.lets_the_real_one_in()


def test_a_megabyte_of_header_is_not_read(port):
    browser = port.connect(b"GET /callback HTTP/1.1\r\n")
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(1000):
            browser.sendall(b"X: " + b"x" * 10_000 + b"\r\n")
    assert port.lets_the_real_one_in()


def test_a_crowd_of_silent_neighbours_does_not_keep_the_real_one_out(port):
    crowd = [port.connect() for _ in range(100)]
    assert port.lets_the_real_one_in()
    dropped = [is_readable(one) for one in crowd]
    assert dropped == sorted(dropped, reverse=True)  # those that came first
    assert dropped.count(False) <= 64


def test_a_crowd_does_not_push_out_the_one_that_is_waited_for(port):
    browser = port.connect(port.get())
    assert port.server.wait(SAFETY)
    for _ in range(100):
        port.connect()
    assert status(port.connect(port.get())) == "400"  # so all of them have been accepted
    port.server.finish(SUCCESS)
    assert status(browser) == "200"


# Opening and closing


@pytest.mark.parametrize("path", ["", "/"])
def test_a_callback_without_a_path_is_the_root(path):
    port = Port(path=path)
    port.connect(port.get("/?code=1&state=s"))
    assert port.server.wait(SAFETY)
    port.close()


def test_a_port_that_somebody_has_is_never_shared():
    with socket.create_server(("127.0.0.1", 0)) as neighbour:
        number = neighbour.getsockname()[1]
        with pytest.raises(CallbackUnavailable, match=f"{number} cannot be used .*in use") as caught:
            serve(f"127.0.0.1:{number}")
    assert "--redirect-uri" in caught.value.hint


def test_on_windows_the_port_is_bound_exclusively():
    """Its name for that, and its system, are lent to a process of its own; another option stands in."""
    code = """
        import os, socket
        from authgate_cli.sign_in.callback_server import CallbackServer
        from authgate_cli.urls import split

        socket.SO_EXCLUSIVEADDRUSE = socket.SO_KEEPALIVE
        os.name = "nt"
        server = CallbackServer(split("http://127.0.0.1:%d/callback" % PORT), "s", "https://a.example", float)
        [listening] = server._servers
        for option in (socket.SO_KEEPALIVE, socket.SO_REUSEADDR):
            print(int(listening.socket.getsockopt(socket.SOL_SOCKET, option) != 0))
        server.close()
    """
    assert run(code.replace("PORT", str(free_port()))) == ["1", "0"]


def test_where_no_thread_can_be_started_the_port_cannot_be_used():
    code = """
        import threading
        from authgate_cli.sign_in.callback_server import CallbackServer, CallbackUnavailable
        from authgate_cli.urls import split

        def refuse(self):
            raise RuntimeError("can't start new thread")

        threading.Thread.start = refuse
        try:
            CallbackServer(split("http://127.0.0.1:%d/callback" % PORT), "s", "https://a.example", float)
        except CallbackUnavailable as error:
            print(error.message.partition("(")[2])
    """
    assert run(code.replace("PORT", str(free_port()))) == ["can't start new thread)"]


def test_a_second_listener_is_noticed(port):
    with pytest.raises(CallbackUnavailable):
        serve(port.host)


def test_a_port_can_be_used_again_at_once(port):
    browser = port.connect(port.get())
    assert port.server.wait(SAFETY)
    port.server.finish(SUCCESS)  # our side closes first and keeps the port in TIME_WAIT
    received(browser)
    port.server.close()
    serve(port.host).close()


@needs_ipv6
@pytest.mark.parametrize("family", HOSTS)
def test_localhost_is_served_on_both_of_its_addresses(family):
    port = Port("localhost")
    port.connect(port.get(), family)
    assert port.server.wait(SAFETY)
    port.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", *(["[::1]"] if has_ipv6() else [])])
def test_only_loopback_is_listened_on(host):
    """Whoever asks the other addresses of this machine finds it free."""
    port = Port(host)
    addresses = {listening.server_address[0] for listening in port.server._servers}
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
            serve(f"localhost:{number}")
        for other in set(HOSTS) - {family}:
            socket.create_server((HOSTS[other], number), family=other).close()  # nothing was left open


@needs_ipv6
def test_an_ipv6_callback_is_served():
    port = Port("[::1]")
    port.connect(port.get(), socket.AF_INET6)
    assert port.server.wait(SAFETY)
    port.close()


def test_nothing_listens_after_the_close(port):
    port.server.close()
    with pytest.raises(ConnectionRefusedError):
        port.connect()


def test_who_comes_late_is_answered(port):
    """A second tab, or a reload, while the code is being exchanged."""
    first = port.connect(port.get())
    assert port.server.wait(SAFETY)
    for _ in range(3):
        answer = received(port.connect(port.get()))
        assert (answer[9:12], b"Already used" in answer) == (b"400", True)
    port.server.finish(SUCCESS)
    assert status(first) == "200"


def test_a_callback_that_is_not_used_is_answered_on_close(port):
    """A device code was quicker."""
    browser = port.connect(port.get())
    assert port.server.wait(SAFETY)
    port.server.close()
    assert b"Already used" in received(browser)


def test_closing_waits_for_nobody(port):
    port.connect()
    port.server.close()


def test_descriptors_beyond_those_of_select_are_fine():
    """select() knows 1,024 of them, and the program that started us may have left more than that open."""
    code = """
        import os, resource, socket
        from authgate_cli.sign_in.callback_server import SUCCESS, CallbackServer
        from authgate_cli.urls import split

        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, 4096), limit))
        kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
        server = CallbackServer(split("http://127.0.0.1:%d/callback" % PORT), "s", "https://a.example", float)
        browser = socket.create_connection(("127.0.0.1", PORT))
        browser.sendall(b"GET /callback?code=1&state=s HTTP/1.1\\r\\nHost: 127.0.0.1:%d\\r\\n\\r\\n" % PORT)
        print(server.wait(20).code)
        server.finish(SUCCESS)
        print(browser.recv(12).decode())
        browser.close()
        server.close()
    """
    assert run(code.replace("PORT", str(free_port()))) == ["1", "HTTP/1.1 200"]


# The pages: nothing from elsewhere, nothing unescaped, no code left behind

PAGES = {page.title: page for page in (SUCCESS, DENIED, FAILED, NOT_OURS, ALREADY_USED)}
POLICY = dict(part.split(" ", 1) for part in callback_server._HEADERS["Content-Security-Policy"].split("; "))
pages = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)


def content(element):
    return re.search(f"<{element}>(.*?)</{element}>", SUCCESS.render(ISSUER), re.DOTALL)[1]


def source(text):
    """Return what a policy calls this very text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.mark.parametrize(("element", "directive"), [("style", "style-src"), ("script", "script-src")])
def test_the_policy_allows_what_the_page_has_and_nothing_else(element, directive):
    assert POLICY[directive] == source(content(element))


@pytest.mark.parametrize("directive", ["default-src", "base-uri", "form-action", "frame-ancestors"])
def test_the_policy_forbids_everything_else(directive):
    assert POLICY[directive] == "'none'"


@pytest.mark.parametrize("target", ["/callback?code=1&state=other", "/favicon.ico"])
def test_no_answer_hands_an_address_on_and_each_is_what_it_says_it_is(port, target):
    lines = received(port.connect(port.get(target))).decode().partition("\r\n\r\n")[0].split("\r\n")
    assert {
        "Referrer-Policy: no-referrer",
        "X-Content-Type-Options: nosniff",
        "Content-Type: text/html; charset=utf-8",
    } < set(lines)


@pages
def test_nothing_is_loaded_from_elsewhere(page):
    assert "//" not in page.render(ISSUER)


@pages
def test_every_page_takes_the_code_out_of_the_address_bar(page):
    assert '<script>history.replaceState(null,"",location.pathname)</script>' in page.render(ISSUER)


@pages
def test_every_page_names_the_program_and_the_server(page):
    assert "<footer>authgate, signing in to auth.example.com/realms/one</footer>" in page.render(ISSUER)


def test_title_text_and_server_are_escaped():
    page = Page(200, "<b>", "<script>alert('x')</script>&\"").render("https://<i>.example")
    assert "<b>" not in page
    assert "<i>" not in page
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&amp;&quot;" in page
    assert "&lt;i&gt;.example" in page


@pages
def test_only_one_page_speaks_of_success(page):
    text = page.render(ISSUER)
    assert ("You are signed in" in text, 'class="good"' in text) == ((page is SUCCESS),) * 2
