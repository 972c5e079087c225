"""Whatever a server sends: one clean line, the stored token kept, and never more than 60 MB of memory."""

import json
import subprocess
import sys

import pytest
from raw_server import RawServer, answer
from storms import few_or_many

MOST = 60  # MB, at the peak
HUGE = 64  # MiB that the server has to send
MEBIBYTE = b" " * 2**20

# A forked child begins with its parent's peak, and ours is large: a small process starts the archive.
LAUNCHER = """
import os, resource, sys
with open(sys.argv[1], "w") as out, open(sys.argv[2], "w") as err:
    files = [(os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, err.fileno(), 2)]
    child = os.posix_spawn(sys.argv[3], sys.argv[3:], os.environ, file_actions=files)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
unit = 2**20 if sys.platform == "darwin" else 2**10
print(status, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit)
"""


class Measured:
    """What a command line came to."""

    def __init__(self, client, *arguments):
        self.files = [client.home / name for name in ("out", "err")]
        launched = subprocess.run(
            [sys.executable, "-S", "-c", LAUNCHER, *map(str, self.files), *client.command(*arguments)],
            cwd=client.home,
            env=client.environ(),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        status, megabytes = launched.stdout.split()
        self.status, self.megabytes = int(status), float(megabytes)
        self.out, self.err = (file.read_text() for file in self.files)


def head(**fields):
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{lines}\r\n".encode()


def sending(first, piece, count=HUGE):
    """Return a script that sends a beginning, and then the same again and again."""

    def script(connection):
        connection.sendall(first)
        for _ in range(count):
            connection.sendall(piece)

    return script


def within(document):
    """Return a script that sends a good answer in which one more member holds this JSON text."""

    def script(connection, good=b"{}"):
        body = good[:-1] + b', "x": ' + document + b"}"
        connection.sendall(answer(200, body, Content_Type="application/json"))

    return script


CHUNKED = head(Transfer_Encoding="chunked")
LINES = (b"X-Flood: " + b"x" * 65_000 + b"\r\n") * 16
HOSTILE = {
    "64 MB of an honest length": sending(head(Content_Length=HUGE * 2**20), MEBIBYTE),
    "64 MB without a length": sending(head(Connection="close"), MEBIBYTE),
    "chunks without end": sending(CHUNKED, b"100000\r\n" + MEBIBYTE + b"\r\n"),
    "a chunk of 64 MB": sending(CHUNKED + b"4000000\r\n", MEBIBYTE),
    "a chunk of -1 bytes": sending(CHUNKED + b"-1\r\n", MEBIBYTE),
    "trailers without end": sending(CHUNKED + b"2\r\n{}\r\n0\r\n", LINES),
    "interim answers without end": sending(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 40_000),
    "64 MB of header lines": sending(head()[:-2], LINES),
    "64 MB in one header line": sending(head()[:-2] + b"X: ", MEBIBYTE),
    "carriage returns in header lines": sending(head()[:-2], b"X: " + b"a\r" * 32_000 + b"\n", 95),
    "a gzip bomb": sending(head(Content_Encoding="gzip", Content_Length=HUGE * 2**20), MEBIBYTE),
    "JSON 100 deep": within(b'{"a":' * 100 + b"0" + b"}" * 100),
    "JSON 100,000 deep": within(b"[" * 100_000 + b"]" * 100_000),
    "a megabyte of zeros, deep down": within(b"[" * 50 + b"0," * 500_000 + b"0" + b"]" * 50),
    "a megabyte of objects": within(b"[" + b'{"a":0},' * 125_000 + b"0]"),
    "a megabyte of names": within(b"{" + b",".join(b'"%x":0' % number for number in range(100_000)) + b"}"),
    # Not refused where nothing else is wrong, and shown with --json.
    "as much as is read": within(b"[" * 50 + b"0," * 49_000 + b"0" + b"]" * 50),
    "a megabyte of text": within(b'"' + "\U0001f600".encode() * 260_000 + b'"'),
}
FINE = ("as much as is read", "a megabyte of text")
DISCOVERY = "/.well-known/openid-configuration"


@pytest.fixture
def sabotaged(server, request):
    """Return a function that lets a script answer in one place; it returns the settings to use."""

    def sabotage(place, script, tokens):
        good = {
            "discovery": {
                "token_endpoint": server.url("/oauth/token"),
                "userinfo_endpoint": server.url("/oauth/userinfo"),
            },
            "token": {**tokens, "access_token": "renewed"},
            "userinfo": {"sub": "user-1", "name": "Jane Doe"},
        }[place]

        def play(connection):
            if script.__qualname__.startswith("within"):
                script(connection, json.dumps(good).encode())
            else:
                script(connection)

        raw = RawServer(*[play] * 3)
        request.addfinalizer(raw.__exit__)
        raw.__enter__()
        good["issuer"] = raw.url.rstrip("/")
        if place == "discovery":
            return raw.url.rstrip("/")
        endpoint = {f"{place}_endpoint": raw.url}
        server.misbehave(DISCOVERY, times=None, edit=lambda genuine: {**genuine, **endpoint})
        return server.issuer

    return sabotage


PLACES = ("discovery", "token", "userinfo")
EVERY_PAIR = [(place, hostile) for hostile in HOSTILE for place in PLACES]
EVERY_BODY = [(PLACES[number % len(PLACES)], hostile) for number, hostile in enumerate(HOSTILE)]


@pytest.mark.parametrize(("place", "hostile"), few_or_many(EVERY_BODY, EVERY_PAIR))
def test_memory_is_bounded_and_the_token_kept(client, server, sabotaged, place, hostile):
    tokens = server.issue()
    issuer = sabotaged(place, HOSTILE[hostile], tokens)
    client.environment["AUTHGATE_URL"] = issuer
    expires_at = 1.0 if place == "token" else 4e9
    entry = {**tokens, "expires_at": expires_at, "issuer": issuer, "client_id": server.client_id}
    client.token_file.write_text(json.dumps({"data": {server.client_id: entry}}))
    client.token_file.chmod(0o600)
    stored = client.token_file.read_bytes()

    run = Measured(client, *(["token"] if place == "token" else ["login", "--json"]))

    print(f"{run.megabytes:.1f} MB")  # shown by pytest -rP
    assert run.megabytes < MOST
    if hostile in FINE:
        assert (run.status, run.err) == (0, "")
        assert run.out
    else:
        error, *hint = run.err.splitlines()
        assert (run.status, run.out) == (1, "")
        assert error.startswith("authgate: error: ") and len(error) < 200
        assert all(line.startswith("authgate: hint: ") for line in hint) and len(hint) <= 1
        assert client.token_file.read_bytes() == stored
