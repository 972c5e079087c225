"""The archive: the same bytes from the same source, and nothing of the machine in it."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile

import pytest
from client import ROOT, Client


@pytest.fixture
def checkout(tmp_path):
    """A copy of the sources, in a folder of a given name."""

    def copy(name: str):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy2(ROOT / "build.py", folder)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "authgate_cli", folder / "authgate_cli", ignore=ignored)
        return folder

    return copy


def build(folder, *arguments, **environment) -> bytes:
    subprocess.run(
        [sys.executable, str(folder / "build.py"), *arguments],
        cwd=folder.parent,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return (folder / "dist" / "authgate.pyz").read_bytes()


def test_two_builds_have_the_same_bytes_wherever_whenever_and_by_whomever(checkout, archive):
    here, there = checkout("here"), checkout("a far place")
    for path in there.rglob("*.py"):
        os.utime(path, (1, 2))
        path.chmod(0o600)
    before = os.umask(0o077)
    try:
        far = build(there, TZ="Pacific/Kiritimati", LC_ALL="C", PYTHONHASHSEED="7", SOURCE_DATE_EPOCH="5")
    finally:
        os.umask(before)

    near = build(here, TZ="America/Adak", LC_ALL="C.UTF-8", PYTHONHASHSEED="8")
    # Not the bytes themselves: pytest would look for what differs in them, and not come back.
    assert len({hashlib.sha256(built).digest() for built in (near, far, archive.read_bytes())}) == 1


def test_what_else_the_process_has_loaded_does_not_change_the_bytes(checkout, archive, tmp_path):
    """Before Python 3.12, byte code is written differently for strings that something else uses too."""
    words = "import re, sys, pathlib\ntext = ''.join(path.read_text() for path in pathlib.Path({!r}).rglob('*.py'))\n"
    words += "kept = [sys.intern(word) for word in (*map(chr, range(256)), *re.findall(r'\\w+', text))]\n"
    folder = checkout("here")
    (tmp_path / "sitecustomize.py").write_text(words.format(str(folder)))

    built = build(folder, PYTHONPATH=str(tmp_path))

    assert hashlib.sha256(built).digest() == hashlib.sha256(archive.read_bytes()).digest()


def test_second_build_replaces_the_first(checkout):
    folder = checkout("here")
    first = build(folder)

    (folder / "authgate_cli" / "__init__.py").write_text('"""Other."""\n\n__version__ = "1"\n')

    assert build(folder) != first
    assert sorted(path.name for path in (folder / "dist").iterdir()) == ["authgate.pyz", "authgate.pyz.sha256"]


def test_what_is_no_source_stays_out(checkout):
    folder = checkout("here")
    clean = build(folder)
    package = folder / "authgate_cli"
    (package / "__pycache__").mkdir()
    for name in ("__pycache__/cli.cpython-311.pyc", ".env", "notes.txt", "cli.py.orig", ".cli.py.swp"):
        (package / name).write_text("secret")

    assert build(folder) == clean


def test_entries_are_sorted_dated_alike_and_nothing_but_the_package(archive):
    with zipfile.ZipFile(archive) as opened:
        entries = opened.infolist()
        assert opened.testzip() is None
    names = [entry.filename for entry in entries]

    assert names == sorted(names)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    assert {(entry.create_system, entry.extra, entry.comment) for entry in entries} == {(3, b"", b"")}


def test_every_module_is_an_entry_byte_for_byte(archive):
    paths = (ROOT / "authgate_cli").rglob("*.py")
    sources = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in paths}
    sources["__main__.py"] = sources.pop("authgate_cli/__main__.py")

    with zipfile.ZipFile(archive) as opened:
        assert {name: opened.read(name) for name in opened.namelist() if not name.endswith(".pyc")} == sources


def test_byte_code_is_pythons_own_and_not_compared_with_the_source(archive):
    with zipfile.ZipFile(archive) as opened:
        compiled = [opened.read(name) for name in opened.namelist() if name.endswith(".pyc")]

    assert {data[:4] for data in compiled} == {importlib.util.MAGIC_NUMBER}
    assert {data[4:8] for data in compiled} == {bytes([1, 0, 0, 0])}  # PEP 552: hash-based, unchecked


def test_unpacked_it_runs_as_well(archive, tmp_path):
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path)

    command = [sys.executable, "__main__.py", "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("authgate ")


def test_a_traceback_shows_its_lines(archive, tmp_path):
    client = Client(archive, tmp_path, AUTHGATE_URL="http://127.0.0.1:9", CLIENT_ID="x")

    done = client.run("token", "--debug")

    assert "raise SignInNeeded(" in done.stderr


def test_archive_is_small(archive):
    """Whichever Python has built it."""
    assert archive.stat().st_size <= 256_000


def test_archive_is_a_program(archive):
    assert archive.read_bytes().startswith(b"#!/usr/bin/env python3\n")
    assert os.access(archive, os.X_OK)


def test_nothing_of_the_machine_is_in_it(archive):
    with zipfile.ZipFile(archive) as opened:
        content = b"".join(opened.read(name) for name in opened.namelist())

    assert str(ROOT).encode() not in content


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="no sha256sum on this system")
def test_checksum_file_is_what_sha256sum_takes(archive):
    def check() -> int:
        return subprocess.run(
            ["sha256sum", "-c", f"{archive.name}.sha256"], cwd=archive.parent, capture_output=True, check=False
        ).returncode

    assert check() == 0


def test_checksum_is_of_these_bytes(archive):
    checksum = archive.with_name(archive.name + ".sha256").read_text()

    assert checksum == f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  authgate.pyz\n"


@pytest.mark.parametrize(("arguments", "status"), [(("--version",), 0), (("--bogus",), 2), (("token",), 4)], ids=str)
def test_exit_status_of_main_is_the_process_own(archive, tmp_path, arguments, status):
    client = Client(archive, tmp_path, AUTHGATE_URL="http://127.0.0.1:9", CLIENT_ID="x")

    assert client.run(*arguments).returncode == status
