"""Inputs that once brought more than success or an error of ours, by target, with what they did."""

import json

from program import Run
from samples import ANSWERS, CLIENT, ENTRY, ENVIRON

from authgate_cli.oauth.messages import Response


def said(path, **changes):
    """Return the answer to a request of this path, with changes."""
    return Response(200, {}, json.dumps({**ANSWERS[path], **changes}).encode())


def file_with(**changes):
    """Return the bytes of a token file whose entry has changes."""
    return json.dumps({"data": {CLIENT: {**ENTRY, **changes}}}).encode()


def behind_proxy(address):
    return {**ENVIRON, "HTTPS_PROXY": address}


DEVICE = "/oauth/device/code"

FOUND = {
    # Exit 70: what cannot be encoded cannot be sent back.
    "device code that is no text": ("device", said(DEVICE, device_code="x\udcae")),
    "the same in the program": ("program", Run(["login"], b"", {DEVICE: [said(DEVICE, device_code="\ud800")]})),
    "stored refresh token that is no text": ("token-file", file_with(refresh_token="\ud800\ud800")),
    "the same when it is spent": (
        "program",
        Run(["token"], file_with(refresh_token="\ud800" * 30, expires_at=1.0)),
    ),
    "proxy's password that is no text": ("environment", behind_proxy("http://jane:\udcbb@proxy:3128")),
    "proxy's port that is endless": ("environment", behind_proxy("http://proxy:" + "1" * 5000)),
    # Control characters on the terminal.
    "stored ID token that forges a line": ("token-file", file_with(id_token="\r\nauthgate: error: forged")),
    "option with a line break": ("command-line", ["--no\nauthgate: error: forged"]),
    "option that is no text": ("command-line", ["--\udfff\ud800"]),
    "settings file with a line break": ("program", Run(["login", "--env-file", "no\nauthgate: error: forged"])),
}
