"""What a person at a real terminal sees and may type: the archive on a pseudo-terminal."""

import re
import socket
import time
import urllib.request
from urllib.parse import urlsplit

import pytest
from callback_address import callback_address
from client import run_robot
from ports import free_callback
from screen import Screen


@pytest.fixture
def screen(client):
    screens = []

    def start(*arguments, **how) -> Screen:
        screens.append(Screen(client, *arguments, **how))
        return screens[-1]

    yield start
    for one in screens:
        one.close()


def test_device_prompt_shows_address_code_qr_and_a_countdown(screen, server):
    server.auto_approve = False
    server.device_interval = 1
    terminal = screen("login", "--flow", "device")

    address = terminal.wait_for(r"open directly +(http\S+)")[1]
    terminal.wait_for(r"\rWaiting for approval, 29:5\d")

    assert "█" in terminal.shown
    assert re.search(r"enter the code +(\x1b\[1m)?[A-Z]{4}-[A-Z]{4}", terminal.shown)
    run_robot(address)
    assert terminal.finish() == 0
    # One empty line between prompts and report, and the closing line after it.
    assert re.search(r"\r\x1b\[K\r\nUser: Jane Doe", terminal.shown)
    closing = "Signed in as Jane Doe. The token is stored in ~/.authgate-tokens.json."
    assert re.search(rf"\r\nTokenInfo Exp: \d+\r\n{re.escape(closing)}\r\n$", terminal.shown)


def test_there_is_one_empty_line_below_the_qr_code(screen, server):
    server.auto_approve = False
    for colour in ({}, {"NO_COLOR": "1"}):
        terminal = screen("login", "--flow", "device", env=colour)
        terminal.wait_for("To sign in")
        lines = re.sub(r"\x1b\[[\d;]*m", "", terminal.shown).split("\r\n")
        end = next(number for number, line in enumerate(lines) if line.startswith("To sign in"))
        assert lines[end - 1].strip() == ""
        assert lines[end - 2].strip() != ""


@pytest.mark.parametrize(
    ("arguments", "closing"),
    [
        ((), "Already signed in (stored token); run it with --force to sign in again.\r\n"),
        (("--json",), "}\r\nAlready signed in (stored token); run it with --force to sign in again.\r\n"),
        (("--quiet",), None),
    ],
    ids=str,
)
def test_closing_line_tells_of_a_stored_token(screen, signed_in, arguments, closing):
    terminal = screen("login", *arguments)
    terminal.wait_for("(?i)tokeninfo")  # before that the terminal may not have been opened

    assert terminal.finish() == 0
    assert terminal.shown.endswith(closing) if closing else "signed in" not in terminal.shown


@pytest.mark.parametrize(("columns", "text"), [(50, "Waiting for approval, 29:"), (30, "29:")])
def test_narrow_terminal_gets_a_shorter_text(screen, server, columns, text):
    server.auto_approve = False
    terminal = screen("login", "--flow", "device", columns=columns)

    terminal.wait_for(rf"\r{text}5\d left\x1b")


@pytest.mark.parametrize("command", [["--help"], ["help", "token"], ["doctor"]], ids=" ".join)
def test_text_is_folded_between_words_to_the_width_of_the_terminal(screen, client, command):
    narrow, whole = screen(*command, columns=50), client.run(*command)
    narrow.finish()

    shown = [line for line in narrow.shown.splitlines() if not re.search(r"authgate\.pyz |[/~]", line)]
    assert max(map(len, shown)) <= 50
    assert max(map(len, whole.stdout.splitlines())) > 50
    if "doctor" not in command:  # its text depends on the terminal
        assert "".join(narrow.shown.split()) == "".join(whole.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "how"),
    [
        (["--no-qr"], {}),
        ([], {"columns": 30}),
        ([], {"rows": 20}),
        ([], {"env": {"TERM": "dumb"}}),
        ([], {"env": {"PYTHONIOENCODING": "ascii"}}),
    ],
    ids=["not wanted", "too narrow", "too low", "dumb", "without blocks"],
)
def test_qr_is_left_out(screen, server, arguments, how):
    server.auto_approve = False
    terminal = screen("login", "--flow", "device", *arguments, **how)

    terminal.wait_for("open directly")

    assert "█" not in terminal.shown


def test_ctrl_c_is_one_line_and_130(screen, server):
    server.auto_approve = False
    terminal = screen("login", "--flow", "device")
    terminal.wait_for("Waiting for approval")

    terminal.type("\x03")

    assert terminal.finish() == 130
    assert terminal.shown.rstrip().endswith("authgate: error: interrupted")
    assert "Traceback" not in terminal.shown


def test_ctrl_c_ends_the_wait_for_the_browser_whoever_else_has_come(screen, server):
    uri = free_callback(server)
    port = urlsplit(uri).port
    terminal = screen("login", "--flow", "browser", "--redirect-uri", uri, env={"BROWSER": "true"})
    terminal.wait_for("paste its address here")
    crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for one in crowd[::2]:
        one.sendall(b"GET /callback?code=x&state=wr")

    terminal.type("\x03")

    assert terminal.finish() == 130
    assert terminal.shown.rstrip().endswith("authgate: error: interrupted")
    assert "Traceback" not in terminal.shown
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    for one in crowd:
        one.close()


@pytest.fixture
def waiting(screen, server):
    """A sign-in that waits for the browser, on a port of its own, and the address where it began."""

    def start(**how):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            uri = f"http://127.0.0.1:{probe.getsockname()[1]}/callback"
        server.register(redirect_uris=[uri])
        arguments = ["login", "--flow", "browser", "--redirect-uri", uri]
        terminal = screen(*arguments, **{"env": {"BROWSER": "true"}, **how})
        address = terminal.wait_for(r"(http://\S+/oauth/authorize\S+)")[1]
        terminal.wait_for("Waiting for the browser, [45]:")
        return terminal, address

    return start


WAYS = {
    "as it is": lambda address: address,
    "without its scheme": lambda address: address.partition("://")[2],
    "with https": lambda address: address.replace("http", "https", 1),
    "beyond a line of the terminal": lambda address: address.replace("?", f"?session_state={'x' * 20_000}&"),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_address_of_the_page_that_failed_to_load_may_be_pasted(waiting, way):
    terminal, address = waiting()

    terminal.type("http://127.0.0.1:8088/callback?code=x&state=wrong\n")
    terminal.wait_for("does not belong to this sign-in")
    terminal.type(way(callback_address(address)) + "\n")

    assert terminal.finish() == 0
    assert "User: Jane Doe" in terminal.shown


def test_waiting_for_the_browser_is_counted_down(waiting):
    terminal, _ = waiting()

    terminal.wait_for(r"\rWaiting for the browser, 4:59 left")
    terminal.wait_for(r"\rWaiting for the browser, 4:58 left")


def test_sent_to_the_background_the_callback_is_still_answered(waiting):
    terminal, address = waiting(shell=True)

    terminal.type("\x1a")
    terminal.wait_for("(?i)stopped")
    shown = len(terminal.shown)
    terminal.type("bg\n")
    time.sleep(0.6)  # in which a countdown would be shown twice
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(callback_address(address), timeout=20) as page:
        assert "You are signed in" in page.read().decode()
    terminal.wait_for("User: Jane Doe")

    assert "stopped" not in terminal.shown[shown:].lower()
    assert "Waiting for" not in terminal.shown[shown:]  # the shell has its prompt there


def test_back_in_the_foreground_an_address_may_be_pasted(waiting):
    terminal, address = waiting(shell=True)

    terminal.type("half an address")
    terminal.wait_for("half an address")
    time.sleep(0.6)  # in which it is read; stopping drops it
    terminal.type("\x1a")
    terminal.wait_for("(?i)stopped")
    time.sleep(1)  # longer than the program waits at a time
    terminal.type("fg\n")
    terminal.wait_for(r"(?s)fg\r\n.*Waiting for the browser")
    terminal.type(callback_address(address) + "\n")

    terminal.wait_for("User: Jane Doe")


def test_device_code_beside_a_browser_that_seems_to_have_failed(screen, server):
    """One page, or the other: here the address is pasted, and then Ctrl-C ends another one."""
    server.auto_approve, server.device_interval = False, 1
    uri = free_callback(server)
    for end in ("paste", "\x03"):
        terminal = screen("login", "--force", "--no-qr", "--redirect-uri", uri, env={"BROWSER": "false"})
        address = terminal.wait_for(r"(http://\S+/oauth/authorize\S+)")[1]
        terminal.wait_for("Waiting for approval, 29:5")
        terminal.type(end if end == "\x03" else callback_address(address) + "\n")
        assert terminal.finish() == (130 if end == "\x03" else 0)
    assert "Traceback" not in terminal.shown
