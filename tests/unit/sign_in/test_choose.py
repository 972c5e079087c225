"""Browser or device code: the first rule that fits decides, and says why."""

from __future__ import annotations

import pytest

from authgate_cli.errors import SignInNeeded
from authgate_cli.settings import Settings
from authgate_cli.sign_in import choose, require_person
from authgate_cli.system.browser import Environment

DESKTOP = Environment(platform="linux", display=True, terminal=True)
CHOICES = {
    "desktop": ({}, "browser", "xdg-open can open a browser"),
    "macOS without DISPLAY": ({"platform": "darwin", "display": False}, "browser", "can open a browser"),
    "Windows without DISPLAY": ({"platform": "win32", "display": False}, "browser", "can open a browser"),
    "WSL without DISPLAY": ({"platform": "wsl", "display": False}, "browser", "can open a browser"),
    "Linux without display": ({"display": False}, "device", "no display"),
    "FreeBSD without display": ({"platform": "freebsd14", "display": False}, "device", "no display"),
    "SSH without display": ({"ssh": True, "display": False}, "device", "SSH session without a display"),
    "SSH to a Mac": ({"ssh": True, "display": False, "platform": "darwin"}, "device", "SSH session without a display"),
    "SSH with a forwarded display": ({"ssh": True}, "browser", "can open a browser"),
    "CI": ({"ci": True}, "device", "CI job"),
    "container": ({"container": "a Kubernetes pod"}, "device", "this is a Kubernetes pod"),
    "no program that opens one": ({"browser": None}, "device", "no program here"),
    "BROWSER": ({"browser_asked": "firefox"}, "browser", "BROWSER is set"),
    "BROWSER beats SSH": ({"browser_asked": "firefox", "ssh": True, "display": False}, "browser", "BROWSER is set"),
    "BROWSER beats CI": ({"browser_asked": "firefox", "ci": True}, "browser", "BROWSER is set"),
    "BROWSER beats the container": ({"browser_asked": "firefox", "container": "a container"}, "browser", "is set"),
    "BROWSER is a text browser": ({"browser_asked": "w3m", "browser": None}, "device", "text browser"),
    "BROWSER cannot be found": ({"browser_asked": "nope", "browser": None}, "device", "cannot be found"),
    "SSH beats CI": ({"ssh": True, "display": False, "ci": True}, "device", "SSH"),
    "CI beats the container": ({"ci": True, "container": "a container"}, "device", "CI"),
    "container beats the display": ({"container": "a container", "display": False}, "device", "container"),
}


@pytest.mark.parametrize(("changes", "flow", "reason"), CHOICES.values(), ids=CHOICES)
def test_auto_takes_the_browser_where_one_can_be_opened(changes, flow, reason):
    changes, browser = {**changes}, changes.get("browser", "xdg-open")
    changes.pop("browser", None)
    choice = choose("auto", DESKTOP._replace(**changes), lambda: browser)
    assert choice.flow == flow
    assert reason in choice.reason


@pytest.mark.parametrize("flow", ["browser", "device", "client-credentials"])
def test_a_flow_that_is_named_is_taken(flow):
    assert choose(flow, DESKTOP._replace(browser_asked="firefox", ci=True), lambda: "firefox").flow == flow


@pytest.mark.parametrize("changes", [{"display": False}, {"ci": True}, {"container": "a container"}], ids=str)
def test_a_browser_is_looked_for_only_where_it_matters(changes):
    """Looking starts a process."""
    choose("auto", DESKTOP._replace(**changes), lambda: pytest.fail("looked for"))
    choose("device", DESKTOP, lambda: pytest.fail("looked for"))


NOBODY_IS_ASKED = {
    "--no-input": ("auto", True, {}, "--no-input"),
    "--no-input beats a named flow": ("browser", True, {}, "--no-input"),
    "CI without a terminal": ("auto", False, {"ci": True, "terminal": False}, "CI"),
}
SOMEBODY_IS_ASKED = {
    "terminal": ("auto", False, {}),
    "no terminal, but no CI either": ("auto", False, {"terminal": False}),
    "CI with a terminal": ("auto", False, {"ci": True}),
    "named flow in CI": ("device", False, {"ci": True, "terminal": False}),
}


@pytest.mark.parametrize(("flow", "no_input", "changes", "reason"), NOBODY_IS_ASKED.values(), ids=NOBODY_IS_ASKED)
def test_where_nobody_may_be_asked_signing_in_is_refused(flow, no_input, changes, reason):
    with pytest.raises(SignInNeeded, match=reason):
        require_person(Settings(flow=flow, no_input=no_input), DESKTOP._replace(**changes))


@pytest.mark.parametrize(("flow", "no_input", "changes"), SOMEBODY_IS_ASKED.values(), ids=SOMEBODY_IS_ASKED)
def test_elsewhere_signing_in_goes_ahead(flow, no_input, changes):
    require_person(Settings(flow=flow, no_input=no_input), DESKTOP._replace(**changes))
