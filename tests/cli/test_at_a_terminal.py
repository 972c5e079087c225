"""What a person at a real terminal sees and may type: the archive on a pseudo-terminal."""

import re
import socket
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
    assert "User: Jane Doe" in terminal.shown


@pytest.mark.parametrize(
    ("arguments", "how"),
    [
        (["--no-qr"], {}),
        ([], {"columns": 30}),
        ([], {"env": {"TERM": "dumb"}}),
        ([], {"env": {"PYTHONIOENCODING": "ascii"}}),
    ],
    ids=["not wanted", "too narrow", "dumb", "without blocks"],
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


def test_address_of_the_page_that_failed_to_load_may_be_pasted(screen, server):
    terminal = screen("login", "--flow", "browser", env={"BROWSER": "true"})
    address = terminal.wait_for(r"(http://\S+/oauth/authorize\S+)")[1]
    terminal.wait_for("paste its address here")

    terminal.type("http://127.0.0.1:8088/callback?code=x&state=wrong\n")
    terminal.wait_for("does not belong to this sign-in")
    terminal.type(callback_address(address) + "\n")

    assert terminal.finish() == 0
    assert "User: Jane Doe" in terminal.shown
