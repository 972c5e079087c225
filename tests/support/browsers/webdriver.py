"""Drive a real browser with the W3C WebDriver commands, in plain JSON.

Chromium takes them over HTTP from chromedriver. Firefox takes the same ones on a socket of its
own (Marionette), so that no driver is needed, which Debian does not have.
"""

import base64
import json
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from ports import free_port

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key that the standard prescribes
PATIENCE = 30  # seconds
NOBODY_ELSE = "MAP 127.0.0.1 127.0.0.1, MAP * ~NOTFOUND"  # such as the fonts of oidc-provider's pages
QUIET = [  # lets Chromium run as root, ask nothing and call nobody
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", f"--host-resolver-rules={NOBODY_ELSE}"),
]
ARGUMENTS = ["--headless", "--window-size=900,600", *QUIET]
ROUTES = {
    "Navigate": "POST /url",
    "GetCurrentURL": "GET /url",
    "GetTitle": "GET /title",
    "ExecuteScript": "POST /execute/sync",
    "FindElement": "POST /element",
    "ElementSendKeys": "POST /element/{id}/value",
    "ElementClick": "POST /element/{id}/click",
    "TakeScreenshot": "GET /screenshot",
}
PREFERENCES = 'user_pref("marionette.port", {});\nuser_pref("network.dns.disabled", true);\n'


class Browser:
    """What a person does and sees in a window."""

    def open(self, url: str) -> None:
        self._command("Navigate", url=url)

    @property
    def address(self) -> str:
        return self._command("GetCurrentURL")

    @property
    def title(self) -> str:
        return self._command("GetTitle")

    def run(self, script: str):
        """Return what a script in the page returns."""
        return self._command("ExecuteScript", script=script, args=[])

    def type(self, css: str, text: str) -> None:
        self._command("ElementSendKeys", id=self._find(css), text=text)

    def click(self, css: str) -> None:
        self._command("ElementClick", id=self._find(css))

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._command("TakeScreenshot")))

    def wait_for_title(self, titles: "set[str]") -> str:
        """Wait for a page that has one of these, and return that."""
        return self._wait(lambda: {self.title} & titles).pop()

    def complaints(self) -> list[str]:
        """Return what the console has to say, such as breaches of a page's policy; Firefox does not tell."""
        return []

    def _find(self, css: str) -> str:
        return self._wait(lambda: self._command("FindElement", using="css selector", value=css))[ELEMENT]

    def _command(self, name: str, **parameters):
        """Return what a command of the standard returns; OSError says why there is nothing."""
        raise NotImplementedError

    @staticmethod
    def _wait(attempt):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if found := attempt():
                    return found
            except OSError:  # HTTP errors among them: not there yet
                if time.monotonic() > deadline:
                    raise
            assert time.monotonic() < deadline, "the browser does not get there"
            time.sleep(0.05)


class Chromium(Browser):
    """A browser window of its own, with an empty profile and these arguments on top of the usual ones."""

    def __init__(self, *arguments: str):
        self._arguments = [*ARGUMENTS, *arguments]

    def __enter__(self) -> "Chromium":
        port = free_port()
        self._profile = tempfile.TemporaryDirectory()
        self._driver = subprocess.Popen(
            ["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._base = f"http://127.0.0.1:{port}"
        self._wait(lambda: self._call("GET", "/status"))
        options = {"args": [*self._arguments, f"--user-data-dir={self._profile.name}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._base += f"/session/{answer['sessionId']}"
        return self

    def __exit__(self, *_) -> None:
        try:
            self._call("DELETE", "")
        finally:
            self._driver.terminate()
            self._driver.wait()
            self._profile.cleanup()

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self._call("POST", "/se/log", {"type": "browser"})]

    def _command(self, name: str, **parameters):
        method, path = ROUTES[name].split()
        return self._call(method, path.format(**parameters), parameters if method == "POST" else None)

    def _call(self, method: str, path: str, body: "dict | None" = None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self._base + path, data, {"Content-Type": "application/json"}, method=method)
        with OPENER.open(request, timeout=PATIENCE) as answer:
            return json.load(answer)["value"]


class Firefox(Browser):
    """The same, of the other make."""

    def __enter__(self) -> "Firefox":
        port = free_port()
        self._profile = tempfile.TemporaryDirectory()
        (Path(self._profile.name) / "user.js").write_text(PREFERENCES.format(port))
        command = ["firefox-esr", "--headless", "--marionette", "--no-remote", "--profile", self._profile.name]
        self._firefox = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._socket = self._wait(lambda: socket.create_connection(("127.0.0.1", port), PATIENCE))
        self._answers, self._commands = self._socket.makefile("rb"), 0
        self._read()  # its greeting
        self._command("NewSession")
        return self

    def __exit__(self, *_) -> None:
        self._firefox.terminate()
        self._firefox.wait()
        self._answers.close()
        self._socket.close()
        self._profile.cleanup()

    def _command(self, name: str, **parameters):
        self._commands += 1
        message = json.dumps([0, self._commands, f"WebDriver:{name}", parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._read()
        if error:
            raise OSError(error["message"])
        return result.get("value", result)

    def _read(self):
        """Return the next message: its length in digits, a colon, JSON."""
        length = b""
        while not length.endswith(b":"):
            length += self._answers.read(1)
        return json.loads(self._answers.read(int(length[:-1])))
