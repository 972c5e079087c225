"""The archive, started by a given command, and a sign-in that has to work however it is started."""

import re
from pathlib import Path

from authgate_server import AuthGateServer
from client import Client
from secrecy import insist


class Started(Client):
    """The archive in an empty home, started by the command `start`."""

    def __init__(self, start: list, home: Path, **environment: str):
        super().__init__(Path(start[-1]), home, **environment)
        self.start_with = start

    def command(self, *arguments: str) -> list[str]:
        return [*self.start_with, *arguments]


def signs_in(client: Client, server: AuthGateServer, name: str = "Jane Doe", **how) -> None:
    """Sign in by device code and print the token; fail if anything else is printed."""
    client.environment |= {"AUTHGATE_URL": server.issuer, "CLIENT_ID": server.client_id}

    signed_in, token = client.run("login", "--flow", "device", **how), client.run("token", **how)

    assert (signed_in.returncode, signed_in.stdout.partition(" (")[0]) == (0, f"User: {name}"), signed_in.stderr
    assert re.fullmatch(r"To sign in, visit .*\nand enter .*\nor open .*\n\n?", signed_in.stderr)
    assert (token.returncode, token.stderr) == (0, "")
    assert token.stdout == client.stored()["access_token"] + "\n"
    insist(client.everything, server.secrets())
