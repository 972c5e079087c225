#!/usr/bin/env python3
"""The AuthGate stand-in as a program; the package `authgate` has what it does.

    python tests/support/authgate_server.py --port 8080

runs it in the foreground. Sign in as jane with the password secret.
"""

from __future__ import annotations

import argparse
import contextlib
import time
import uuid

from authgate import AuthGateServer
from authgate.keys import SIGNERS

__all__ = ["AuthGateServer"]


def main() -> None:
    """Run in the foreground until Ctrl-C."""
    parser = argparse.ArgumentParser(description="AuthGate stand-in; sign in as jane / secret.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080, help="0 picks a free one")
    parser.add_argument("--path", default="", help="of the issuer, such as /tenant/a")
    parser.add_argument("--client-id", default=str(uuid.uuid4()), help="of the public client")
    parser.add_argument("--signing", default="HS256", choices=sorted(SIGNERS))
    parser.add_argument("--access-ttl", type=int, default=3600, metavar="SECONDS")
    parser.add_argument("--device-interval", type=int, default=5, metavar="SECONDS")
    parser.add_argument("--rate-limits", action="store_true")
    parser.add_argument("--manual", action="store_true", help="device codes wait for a person")
    options = vars(parser.parse_args())
    server = AuthGateServer(auto_approve=not options.pop("manual"), **options)
    with contextlib.suppress(KeyboardInterrupt), server:
        print(f"export AUTHGATE_URL={server.issuer} CLIENT_ID={server.client_id}", flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
