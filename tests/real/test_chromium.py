"""A real browser signs in, and sees the pages that we serve."""

import json
import time
from urllib.parse import urlsplit

import pytest
from authgate_server import AuthGateServer
from client import Client
from conftest import free_port
from webdriver import Chromium


@pytest.fixture
def chromium():
    with Chromium() as chromium:
        yield chromium


@pytest.fixture
def server():
    with AuthGateServer() as server:
        yield server


@pytest.fixture
def sign_in(archive, server, tmp_path):
    """Start a sign-in whose BROWSER program hands the address over; return the process and the address."""
    redirect = f"http://127.0.0.1:{free_port()}/callback"
    server.register(redirect_uris=[redirect])
    handed_over = tmp_path / "address"
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > "{handed_over}.new" && mv "{handed_over}.new" "{handed_over}"\n')
    program.chmod(0o755)
    client = Client(
        archive,
        tmp_path,
        AUTHGATE_URL=server.issuer,
        CLIENT_ID=server.client_id,
        AUTHGATE_REDIRECT_URI=redirect,
        BROWSER=str(program),
    )
    processes = []

    def start(*arguments):
        processes.append(client.start("login", "--json", *arguments))
        deadline = time.monotonic() + 30
        while not handed_over.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return processes[-1], handed_over.read_text()

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def give_name_and_password(chromium):
    chromium.type("input[name=username]", "jane")
    chromium.type("input[name=password]", "secret")
    chromium.click("button")


def test_sign_in_ends_on_a_page_that_keeps_its_policy_and_hides_the_code(chromium, sign_in, tmp_path):
    process, address = sign_in("--scope", "openid profile email")

    chromium.open(address)
    give_name_and_password(chromium)
    chromium.click("button[value=allow]")
    chromium.wait_for_title("You are signed in")
    chromium.screenshot(tmp_path / "signed-in.png")

    out, err = process.communicate(timeout=30)
    assert json.loads(out)["source"] == "browser", err
    assert urlsplit(chromium.address).query == ""
    assert chromium.run("return getComputedStyle(document.querySelector('main')).borderTopWidth") == "4px"
    assert [line for line in chromium.complaints() if "callback" in line] == []


def test_denial_is_told_on_both_sides(chromium, sign_in):
    process, address = sign_in()

    chromium.open(address)
    give_name_and_password(chromium)
    chromium.click("button[value=deny]")
    chromium.wait_for_title("Sign-in denied")

    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (4, "")
    assert "denied" in err
