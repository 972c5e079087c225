"""A Chromium on a desktop, opened by xdg-open as the person's own browser; only keyboard and screen are used.

It reaches the callback through a relay, which remembers what a real browser does there of its own
accord, and what a page that stays open in another tab makes it do.
"""

import contextlib
import json
import subprocess
from urllib.parse import urlsplit

import pytest
from desktop import Display
from leftovers import nothing_left
from life import admit
from relay import Relay
from waiting import eventually
from webdriver import NOBODY_ELSE, QUIET

ENTRY = "[Desktop Entry]\nType=Application\nName=Chromium\nExec={} %U\n"
# As the desktop's settings write it; by a name that webbrowser knows it would start the program without our flags.
DEFAULTS = "[Default Applications]\nx-scheme-handler/http=own.desktop\n"
# A site that knows where we listen. Its frame is of another site, whose early connections stay unused.
NEWS = """<!doctype html><title>News</title><iframe src="http://localhost:{port}/frame"></iframe><script>
const get = (url, method) => fetch(url, {{method, mode: method == "PUT" ? "cors" : "no-cors"}}).catch(() => 0)
setInterval(() => {{
  new Image().src = "{origin}/favicon.ico?" + Math.random()
  get("{callback}", "HEAD")
  get("{callback}", "PUT")
  get("{callback}?error=access_denied&state=guessed", "GET")
}}, 300)
</script>"""
FRAME = '<!doctype html><meta http-equiv="refresh" content="1"><link rel="preconnect" href="{origin}">'
ANSWERS = {("GET /favicon.ico", 404), ("HEAD /callback", 405), ("OPTIONS /callback", 405), ("GET /callback", 400)}
UNHEARD = {(request, 0) for request, _ in ANSWERS}  # before we listen
UNUSED = 0.5  # seconds after which a connection was not opened for a request
ATTEMPTS = 4
SLOW = 2.5  # seconds; a page in the background gets its turn once a second


@pytest.fixture
def screen():
    with Display() as display:
        yield display


@pytest.fixture
def relay(client):
    with Relay(urlsplit(client.environment["AUTHGATE_REDIRECT_URI"]).port) as relay:
        yield relay


@pytest.fixture
def desktop(client, screen, relay, authgate, tmp_path):
    """Chromium is the default browser, with the flags that root needs; return what opens it beforehand."""
    redirect = client.environment["AUTHGATE_REDIRECT_URI"]
    client.environment |= {"AUTHGATE_URL": admit(client, authgate), **screen.environment}
    del client.environment["BROWSER"]

    to_relay = f"MAP {urlsplit(redirect).netloc} 127.0.0.1:{relay.port}, MAP localhost 127.0.0.1, {NOBODY_ELSE}"
    flags = " ".join(f"'{flag}'" for flag in [*QUIET, f"--host-resolver-rules={to_relay}"])
    chromium, log = tmp_path / "chromium", tmp_path / "chromium.log"
    chromium.write_text(f'#!/bin/sh\nexec chromium {flags} "$@" >>"{log}" 2>&1\n')
    chromium.chmod(0o755)
    for path, text in {
        ".local/share/applications/own.desktop": ENTRY.format(chromium),
        ".config/mimeapps.list": DEFAULTS,
    }.items():
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(text)

    opened = []
    with nothing_left(tmp_path):
        yield lambda address: opened.append(subprocess.Popen([chromium, address], env=client.environ()))
    for process in opened:
        process.wait()
    print(log.read_text() if log.exists() else "Chromium was not started")


def start(client):
    """Start a sign-in; what it and Chromium say is shown when the test fails."""
    return client.start("login", "--flow", "browser", "--json", "--verbose", stderr=None)


def sign_in(screen) -> None:
    """Be the person: read the titles, type, press."""
    screen.await_window("Sign in ")
    insist(screen, "Allow access", *[lambda: (screen.press("ctrl+a"), screen.type("jane\tsecret\n"))] * ATTEMPTS)
    # Never one Tab too many, which would be on the button that denies.
    insist(screen, "You are signed in", *[lambda: screen.press("Tab", "Return"), lambda: screen.press("Return")] * 2)


def insist(screen, title, *attempts) -> None:
    """Try until a window with this title comes: a page that has only just appeared may not listen yet."""
    for attempt in attempts:
        attempt()
        with contextlib.suppress(AssertionError):
            return eventually(lambda: screen.shows(title), 2 * SLOW)
    raise AssertionError(f"{title!r} never came")


def asked(visits) -> "set[tuple[str, int]]":
    """Return what was asked for, without the queries, and how it was answered."""
    return {(visit.request.partition("?")[0], visit.status) for visit in visits}


def test_new_window_asks_for_the_callback_and_for_no_favicon(client, desktop, screen, relay):
    process = start(client)

    sign_in(screen)

    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(out)["source"] == "browser"
    screen.press("ctrl+l")  # whatever our page made it ask for was asked for before this
    screen.type(client.environment["AUTHGATE_REDIRECT_URI"].replace("callback", "next\n"))
    eventually(lambda: ("GET /next", 0) in asked(relay.visits))
    assert asked(relay.visits) == {("GET /callback", 200), ("GET /next", 0)}


def test_browser_that_is_open_on_a_page_that_pesters_us(client, desktop, screen, relay, authgate):
    redirect = client.environment["AUTHGATE_REDIRECT_URI"]
    words = {"callback": redirect, "origin": redirect.removesuffix("/callback"), "port": authgate.port}
    for path, page in {"/news": NEWS, "/frame": FRAME}.items():
        html = {"body": page.format(**words).encode(), "headers": {"Content-Type": "text/html"}}
        authgate.misbehave(path, status=200, times=None, **html)
    authgate.misbehave("/oauth/token", delay=SLOW)
    desktop(authgate.url("/news"))
    screen.await_window("News")

    process = start(client)
    eventually(lambda: relay.silent(UNUSED) and asked(relay.visits) >= ANSWERS)
    sign_in(screen)

    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(out)["source"] == "browser"
    came_back = [visit.status for visit in relay.visits].index(200)
    assert asked(relay.visits[:came_back]) - UNHEARD == ANSWERS
    assert asked(relay.visits[came_back + 1 :]) & ANSWERS
    assert relay.silent(UNUSED)
