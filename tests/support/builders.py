"""Values that several unit tests use."""

from __future__ import annotations

import json

from authgate_cli.oauth.messages import Response
from authgate_cli.oauth.parsing import base64url_encode

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
ISSUER = "https://auth.example.com"
CLIENT = "client-1"
STATE = "the-state"


def answer(body=b"", status=200, **headers):
    """Return a response; a body that is not bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, data)


def jwt(claims, **header):
    """Return a JWT with a signature that no key made."""
    parts = (base64url_encode(json.dumps(part).encode()) for part in ({"alg": "HS256", **header}, claims))
    return ".".join([*parts, "c2ln"])
