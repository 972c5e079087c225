"""Show the main job: sign in to an embedded AuthGate, report, and run again from the stored token.

Everything happens on loopback and in a temporary home. Where a browser can be opened and somebody
is there to use it, they may sign in on the real page; else the device code approves itself.
"""

import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ARCHIVE = ROOT / "dist" / "authgate.pyz"
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from authgate_server import AuthGateServer  # noqa: E402

from authgate_cli.sign_in import choose  # noqa: E402
from authgate_cli.system.browser import detect, find_browser  # noqa: E402

PATIENCE = 10  # seconds to answer the offer


def main() -> int:
    with AuthGateServer(device_interval=1) as server, tempfile.TemporaryDirectory() as home:
        flow = "browser" if browser_wanted() else "device"
        server.auto_approve = flow == "device"
        environment = {
            **{name: os.environ[name] for name in ("PATH", "TERM", "DISPLAY", "WAYLAND_DISPLAY") if name in os.environ},
            "HOME": home,
            "AUTHGATE_URL": server.issuer,
            "CLIENT_ID": server.client_id,
            "AUTHGATE_STORE": "file",
        }
        print(f"An AuthGate server runs at {server.issuer}, this home is {home}.")
        if server.auto_approve:
            print("It approves the device code by itself; there is nothing to do.")
        status = step("Sign in", environment, home, "login", "--flow", flow)
        status = status or step("Run again: the stored token is used", environment, home, "login", "--verbose")
        if not status:
            print("\nThat was all of it, and nothing is left. With your own server: see README.md.")
        return status


def step(title: str, environment: dict, home: str, *arguments: str) -> int:
    print(f"\n== {title}\n$ authgate.pyz {' '.join(arguments)}", flush=True)
    return subprocess.run([sys.executable, str(ARCHIVE), *arguments], env=environment, cwd=home, check=False).returncode


def browser_wanted() -> bool:
    """Offer the real page where there is a browser and somebody at the terminal."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    here = detect(os.environ, terminal=True)
    if choose("auto", here, lambda: find_browser(os.environ, here.platform)).flow != "browser":
        return False
    print(f"Press Enter within {PATIENCE} s to sign in on the page yourself (user jane, password secret).", flush=True)
    return bool(select.select([sys.stdin], [], [], PATIENCE)[0])


if __name__ == "__main__":
    sys.exit(main())
