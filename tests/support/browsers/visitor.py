"""A person at a real browser: signs in and decides, on the stand-in's pages and on oidc-provider's.

As a program it stands in $BROWSER and leaves what it saw at the end in a file:

    visitor.py chromium allow RECORD ADDRESS

A picture of it is beside the file, for whoever wants to look.
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # its own folder is there already

from webdriver import Browser, Chromium, Firefox

BROWSERS = {"chromium": Chromium, "firefox": Firefox}
NAME, PASSWORD = "input[name=username], input[name=login]", "input[name=password]"
SIGN_IN = "input[name=password] ~ button"
# oidc-provider has its way out on every page; the decision is made on the one that asks for consent.
DECISIONS = {
    "allow": "button[value=allow], input[value=consent] ~ button",
    "deny": "button[value=deny], body:has(input[value=consent]) a[href$='/abort']",
}
RIGHT_CODE = "button[form='op.deviceConfirmForm']:not([name])"  # oidc-provider asks that of a device first
OURS = {"You are signed in", "Sign-in denied", "Sign-in failed"}
EDGE = "return getComputedStyle(document.querySelector('main')).borderTopWidth"


def decide(browser: Browser, decision: str) -> None:
    """Sign in as Jane, and allow or deny what is asked for."""
    browser.type(NAME, "jane")
    browser.type(PASSWORD, "secret")
    browser.click(SIGN_IN)
    browser.click(DECISIONS[decision])


def visit(browser: Browser, address: str, decision: str) -> dict:
    """Go from the authorization address to the page that we serve; return what is to be seen there."""
    browser.open(address)
    decide(browser, decision)
    return {
        "title": browser.wait_for_title(OURS),
        "address": browser.address,
        "edge": browser.run(EDGE),
        "complaints": browser.complaints(),
    }


def main(kind: str, decision: str, record: str, address: str) -> None:
    """Be the program that was started: in its session, on its streams."""
    found = {
        "streams": [os.readlink(f"/proc/self/fd/{number}") for number in range(3)],
        "session": os.getsid(0),
    }
    with BROWSERS[kind]() as browser:
        found |= visit(browser, address, decision)
        browser.screenshot(Path(f"{record}.png"))
    unfinished = Path(f"{record}.new")
    unfinished.write_text(json.dumps(found))
    unfinished.rename(record)


if __name__ == "__main__":
    main(*sys.argv[1:])
