"""An opener that ends with a failure may have opened the page all the same: the callback stays open.

Under `auto` a device code is shown as well, and whichever answers first is used.
"""

import json
import re
import threading
import urllib.parse
from contextlib import contextmanager

import pytest
from callback_address import callback_address
from robot import Robot
from test_browser_flow import get

FAILED = "The browser may not have opened"
WAITING = {"status": 400, "body": {"error": "authorization_pending"}}


class FailingOpener:
    """A program that ends with a failure at once, having opened the page or not."""

    def __init__(self):
        self.address = None

    def __call__(self, url):
        self.address = url
        return self

    def failed(self):
        return True


@pytest.fixture
def opener():
    return FailingOpener()


@pytest.fixture
def sign_in(authgate, callback, opener):
    """Sign in; `then()` is called in another thread once these words have been shown."""
    threads = []

    def sign_in(*argv, words=FAILED, then=lambda: None, **how):
        def watch(text):
            if words in text and not threads:
                threads.append(threading.Thread(target=then))
                threads[0].start()

        return authgate("login", "--redirect-uri", callback, "--json", *argv, browser=opener, watch=watch, **how)

    yield sign_in
    for thread in threads:
        thread.join(20)


def test_browser_flow_says_so_and_waits_on(sign_in, opener, server):
    pages = []

    result = sign_in("--flow", "browser", then=lambda: pages.append(Robot({}).visit(opener.address).title))

    assert json.loads(result.out)["source"] == "browser"
    assert result.err.count(FAILED) == 1
    assert pages == ["You are signed in"]
    assert server.count("POST", "/oauth/device/code") == 0


def test_auto_shows_a_device_code_and_takes_the_callback_if_that_comes_first(sign_in, opener, server):
    server.auto_approve = False
    pages = []

    result = sign_in(words="enter the code", then=lambda: pages.append(Robot({}).visit(opener.address).title))

    assert json.loads(result.out)["source"] == "browser"
    assert "Use the address above, or a device code:" in result.err
    assert pages == ["You are signed in"]
    assert server.count("POST", "/oauth/token", grant_type="authorization_code") == 1
    assert len(server.families) == 1


def test_auto_takes_the_device_code_if_that_is_approved_first(sign_in, server):
    server.auto_approve = False

    def approve():
        [device] = server.devices.values()
        server.approve(device.user_code)

    result = sign_in(words="enter the code", then=approve)

    assert json.loads(result.out)["source"] == "device"
    assert server.count("POST", "/oauth/token", grant_type="authorization_code") == 0


def test_a_callback_that_arrives_while_the_device_code_is_answered_is_not_redeemed(sign_in, opener, server):
    """One person approves here and there: one of the two is spent, and the other page says so."""
    server.auto_approve = False
    pages, addresses, visits = [], [], []

    def approve_both():
        addresses.append(callback_address(opener.address))
        [device] = server.devices.values()
        server.approve(device.user_code)

    def visit(seen):
        if not addresses or visits:
            return False
        visits.append(threading.Thread(target=lambda: pages.append(get(addresses[0]))))
        visits[0].start()
        return True

    server.misbehave("/oauth/token", when=visit, delay=0.5)

    result = sign_in(words="enter the code", then=approve_both)

    visits[0].join(20)
    assert json.loads(result.out)["source"] == "device"
    [(status, page, _)] = pages
    assert (status, "Already used" in page) == (400, True)
    assert server.count("POST", "/oauth/token", grant_type="authorization_code") == 0
    assert len(server.families) == 1


def test_the_port_is_closed_once_the_device_code_is_approved(sign_in, callback):
    assert json.loads(sign_in().out)["source"] == "device"
    with pytest.raises(OSError, match="refused"):
        get(callback)


@pytest.mark.parametrize("path", ["/oauth/device/code", "/oauth/token"], ids=["at once", "at the first poll"])
def test_where_the_device_code_is_refused_the_callback_is_waited_for(sign_in, opener, server, path):
    server.misbehave(path, status=400, body={"error": "unauthorized_client"})

    result = sign_in(words="continuing with the address above", then=lambda: Robot({}).visit(opener.address))

    assert json.loads(result.out)["source"] == "browser"


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503},
        {"status": 400, "body": {"error": "invalid_scope"}},
        {"status": 401, "body": {"error": "invalid_client"}},
        {"status": 200, "body": {"error": "server_error"}},
        {"edit": lambda told: {**told, "user_code": "A" * 80}},
    ],
    ids=["503", "invalid_scope", "invalid_client", "an error with 200", "a code that nobody could type"],
)
def test_where_the_device_code_cannot_be_had_the_callback_is_waited_for(sign_in, opener, server, fault):
    server.misbehave("/oauth/device/code", **fault)

    result = sign_in(words="continuing with the address above", then=lambda: Robot({}).visit(opener.address))

    assert json.loads(result.out)["source"] == "browser"


def test_where_the_callback_is_refused_the_same_device_code_is_waited_for(sign_in, opener, server, callback):
    server.auto_approve = False

    def refuse():
        [state] = urllib.parse.parse_qs(urllib.parse.urlsplit(opener.address).query)["state"]
        get(f"{callback}?error=unauthorized_client&state={state}")
        [device] = server.devices.values()
        server.approve(device.user_code)

    result = sign_in(words="enter the code", then=refuse)

    assert json.loads(result.out)["source"] == "device"
    assert "continuing with the device code" in result.err
    assert len(re.findall("enter the code", result.err)) == server.count("POST", "/oauth/device/code") == 1


@pytest.mark.parametrize("way", ["device", "browser"])
def test_a_denial_of_either_is_final(sign_in, opener, server, token_file, way):
    server.auto_approve = False
    if way == "device":
        server.misbehave("/oauth/token", status=400, body={"error": "access_denied"})
        result = sign_in()
    else:
        result = sign_in(words="enter the code", then=lambda: Robot({}, deny=True).visit(opener.address))

    assert (result.status, result.out) == (4, "")
    assert "denied" in result.err
    assert not token_file.exists()


def test_the_callback_is_open_as_long_as_the_device_code_lives(sign_in, server):
    server.auto_approve, server.device_ttl = False, 1000
    times = iter(range(0, 10_000, 90))

    result = sign_in(monotonic=lambda: next(times))

    assert result.status == 4
    assert "the code expired" in result.err
    assert "not completed in time" not in result.err


@pytest.mark.parametrize("code", ["expired_token", "invalid_grant", "server_is_odd"])
def test_the_callback_outlives_the_device_code(sign_in, opener, server, code):
    server.misbehave("/oauth/token", status=400, body={"error": code})

    result = sign_in(words="continuing with the address above", then=lambda: Robot({}).visit(opener.address))

    assert json.loads(result.out)["source"] == "browser"


def test_a_program_that_cannot_be_started_is_as_good_as_one_that_fails(authgate, callback, server):
    result = authgate("login", "--redirect-uri", callback, "--json", browser=lambda url: None)

    assert json.loads(result.out)["source"] == "device"
    assert FAILED in result.err


def test_ctrl_c_ends_the_wait_for_both(sign_in, server, callback):
    server.misbehave("/oauth/token", times=None, **WAITING)

    @contextmanager
    def uninterrupted():
        yield
        raise KeyboardInterrupt  # a signal that has waited for the answer to a poll

    result = sign_in(uninterrupted=uninterrupted)

    assert result.status == 130
    assert result.err.endswith("authgate: error: interrupted\n")
    with pytest.raises(OSError, match="refused"):
        get(callback)
