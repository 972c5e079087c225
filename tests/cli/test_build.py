"""The archive: the same bytes from the same source, and nothing of the machine in it."""

import ast
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tokenize
import zipfile

import pytest
from client import ROOT, Client

CODE = f"code.{sys.implementation.cache_tag}"


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


def test_second_build_replaces_the_first(checkout):
    folder = checkout("here")
    first = build(folder)

    (folder / "authgate_cli" / "__init__.py").write_text('"""Other."""\n')

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
    first = ("__main__", "authgate_cli/__init__", "authgate_cli/bundle")
    assert set(names) == {f"{name}.{kind}" for name in first for kind in ("py", "pyc")} | {CODE, "source.txt"}
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    assert {(entry.create_system, entry.extra, entry.comment) for entry in entries} == {(3, b"", b"")}


def sources(archive) -> dict[str, str]:
    """Return what the archive has of each module's text."""
    with zipfile.ZipFile(archive) as opened:
        parts = ("\n" + opened.read("source.txt").decode()).split("\n#@ ")[1:]
        found = {name: text for name, _, text in (part.partition("\n") for part in parts)}
        return found | {name: opened.read(name).decode() for name in opened.namelist() if name.endswith(".py")}


def test_every_module_is_in_it_once(archive):
    package = ROOT / "authgate_cli"
    modules = {path.relative_to(ROOT).as_posix() for path in package.rglob("*.py")} - {"authgate_cli/__main__.py"}

    assert set(sources(archive)) == modules | {"__main__.py"}


@pytest.mark.parametrize("path", sorted((ROOT / "authgate_cli").rglob("*.py")), ids=lambda path: path.stem)
def test_every_line_that_does_something_is_in_it_where_it_was(archive, path):
    """What is left out is comments, docstrings, annotations of functions, and imports for type checkers."""
    name = path.relative_to(ROOT).as_posix().replace("authgate_cli/__main__", "__main__")
    original, packed = ast.parse(path.read_text()), ast.parse(sources(archive)[name])

    assert dump(packed) == dump(original)
    tokens = tokenize.generate_tokens(io.StringIO(sources(archive)[name]).readline)
    assert [token.string for token in tokens if token.type == tokenize.COMMENT] == []


def dump(tree: ast.Module) -> list[str]:
    """Return what a module does, statement by statement, with line numbers."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and body and is_text(body[0]):
            node.body = body[1:]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
    tree.body = [one for one in tree.body if not (is_for_checkers(one) and not one.orelse)]
    return [f"{node.lineno}: {ast.dump(node)}" for node in tree.body]


def is_text(statement) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(getattr(statement.value, "value", None), str)


def is_for_checkers(statement) -> bool:
    return isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING"


def test_archive_is_small(archive):
    """Whichever Python has built it."""
    assert archive.stat().st_size <= 96_000


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
