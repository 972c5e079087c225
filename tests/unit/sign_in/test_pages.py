"""The pages in the browser: nothing from elsewhere, nothing unescaped, no code left behind."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from authgate_cli.sign_in import pages

ALL = {name: getattr(pages, name) for name in ("SUCCESS", "DENIED", "FAILED", "NOT_OURS", "ALREADY_USED")}
POLICY = dict(part.split(" ", 1) for part in pages.HEADERS["Content-Security-Policy"].split("; "))


def content(element):
    return re.search(f"<{element}>(.*?)</{element}>", pages.SUCCESS, re.DOTALL)[1]


def source(text):
    """Return what a policy calls this very text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.mark.parametrize(("element", "directive"), [("style", "style-src"), ("script", "script-src")])
def test_the_policy_allows_what_the_page_has_and_nothing_else(element, directive):
    assert POLICY[directive] == source(content(element))


@pytest.mark.parametrize("directive", ["default-src", "base-uri", "form-action", "frame-ancestors"])
def test_the_policy_forbids_everything_else(directive):
    assert POLICY[directive] == "'none'"


@pytest.mark.parametrize("page", ALL.values(), ids=ALL)
def test_nothing_is_loaded_from_elsewhere(page):
    assert "//" not in page


def test_no_address_is_handed_on():
    assert pages.HEADERS["Referrer-Policy"] == "no-referrer"


def test_a_page_is_what_it_says_it_is():
    assert pages.HEADERS["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("page", ALL.values(), ids=ALL)
def test_every_page_takes_the_code_out_of_the_address_bar(page):
    assert '<script>history.replaceState(null,"",location.pathname)</script>' in page


def test_title_and_text_are_escaped():
    page = pages.page("<b>", "<script>alert('x')</script>&\"")
    assert "<b>" not in page
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&amp;&quot;" in page


@pytest.mark.parametrize("page", ALL.values(), ids=ALL)
def test_only_one_page_speaks_of_success(page):
    assert ("You are signed in" in page, 'class="good"' in page) == ((page is pages.SUCCESS),) * 2
