"""Drive a real Chromium through chromedriver, with the W3C WebDriver protocol in plain JSON."""

import base64
import json
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key that the standard prescribes
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--window-size=900,600"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
PATIENCE = 30  # seconds


class Chromium:
    """A browser window of its own, with an empty profile."""

    def __enter__(self) -> "Chromium":
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self._profile = tempfile.TemporaryDirectory()
        self._driver = subprocess.Popen(
            ["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._base = f"http://127.0.0.1:{port}"
        self._wait(lambda: self._call("GET", "/status"))
        options = {"args": [*ARGUMENTS, f"--user-data-dir={self._profile.name}"]}
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

    def open(self, url: str) -> None:
        self._call("POST", "/url", {"url": url})

    @property
    def address(self) -> str:
        return self._call("GET", "/url")

    @property
    def title(self) -> str:
        return self._call("GET", "/title")

    def run(self, script: str):
        """Return what a script in the page returns."""
        return self._call("POST", "/execute/sync", {"script": script, "args": []})

    def type(self, css: str, text: str) -> None:
        self._call("POST", f"/element/{self._find(css)}/value", {"text": text})

    def click(self, css: str) -> None:
        self._call("POST", f"/element/{self._find(css)}/click", {})

    def complaints(self) -> list[str]:
        """Return what the page's console has to say, such as breaches of its policy."""
        return [entry["message"] for entry in self._call("POST", "/se/log", {"type": "browser"})]

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._call("GET", "/screenshot")))

    def wait_for_title(self, title: str) -> None:
        self._wait(lambda: self.title == title)

    def _find(self, css: str) -> str:
        find = {"using": "css selector", "value": css}
        return self._wait(lambda: self._call("POST", "/element", find))[ELEMENT]

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

    def _call(self, method: str, path: str, body: "dict | None" = None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self._base + path, data, {"Content-Type": "application/json"}, method=method)
        with OPENER.open(request, timeout=PATIENCE) as answer:
            return json.load(answer)["value"]
