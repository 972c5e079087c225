"""The archive's own importer: with compiled code or without, it runs the same program."""

import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from client import Client

CODE = f"code.{sys.implementation.cache_tag}"


@pytest.fixture
def altered(archive, server, tmp_path):
    """Return a client of an archive in which entries are replaced, or taken out for None."""

    def alter(**changes) -> Client:
        path = tmp_path / "altered.pyz"
        with zipfile.ZipFile(archive) as old, zipfile.ZipFile(path, "w") as new:
            entries = {name: old.read(name) for name in old.namelist()} | changes
            for name, data in entries.items():
                if data is not None:
                    new.writestr(name, data)
        return Client(path, tmp_path, AUTHGATE_URL=server.issuer, CLIENT_ID=server.client_id)

    return alter


def signs_in(client) -> None:
    for arguments in (("login", "--flow", "device"), ("token",), ("--help",)):
        done = client.run(*arguments)
        assert (done.returncode, "rror" in done.stderr) == (0, False), done.stderr


def test_without_code_for_this_python_the_text_is_compiled(altered):
    signs_in(altered(**{CODE: None, "__main__.pyc": None, "authgate_cli/bundle.pyc": None}))


def test_code_of_another_python_of_this_name_is_passed_over(altered):
    signs_in(altered(**{CODE: b"\x00\x01\x02\x03" + b"nonsense"}))


def test_code_is_what_runs(altered):
    """Or the tests here would compare the text with itself."""
    assert altered(**{"source.txt": b""}).run("--version").stdout.startswith("authgate ")
    assert altered(**{"source.txt": b"", CODE: None}).run("--version").returncode == 1


def test_a_module_that_is_not_there_is_not_found(altered, archive, tmp_path):
    code = (
        f"import sys; sys.path.insert(0, {str(archive)!r}); from authgate_cli import bundle; bundle.install()\n"
        "for name in ('authgate_cli.nothing', 'authgate_cli.edges.nothing', 'authgate_climb'):\n"
        "    try: __import__(name)\n"
        "    except ModuleNotFoundError as error: print(error.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.split() == ["authgate_cli.nothing", "authgate_cli.edges.nothing", "authgate_climb"]


def test_a_package_of_our_name_elsewhere_is_not_taken_for_ours(archive, server, tmp_path):
    elsewhere = tmp_path / "site"
    for name in ("authgate_cli/__init__.py", "authgate_cli/cli.py", "bundle.py"):
        (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
        (elsewhere / name).write_text("raise SystemExit('taken over')\n")
    shutil.copytree(elsewhere, tmp_path / "home")
    client = Client(archive, tmp_path / "home", PYTHONPATH=str(elsewhere))

    done = client.run("--version")

    assert (done.returncode, done.stderr) == (0, "")


def test_debug_shows_where_it_happened_and_the_line(client):
    done = client.run("token", "--min-ttl", "soon", "--debug")

    assert done.returncode == 2
    assert re.search(
        r'File "\S+/authgate.pyz/authgate_cli/commands/token\.py", line [1-9]\d*, in _min_ttl\n +raise UsageError',
        done.stderr,
    )
