#!/usr/bin/env python3
"""Build dist/authgate.pyz, and its checksum beside it.

The same source gives the same bytes on every machine with the same release of Python: entries are
sorted, dates are fixed, nothing of the machine gets in. Another release may compile otherwise.
`zipapp` cannot do that on every Python, and throws the exit status of `main` away.
authgate_cli/bundle.py says what the entries are.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import io
import marshal
import os
import sys
import tokenize
import zipfile
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))
sys.dont_write_bytecode = True  # a build leaves nothing but the archive

from authgate_cli.bundle import CODE, HEADING, SOURCE  # noqa: E402

Place = tuple[int, int]  # line and byte in it, from 0
SHEBANG = b"#!/usr/bin/env python3\n"
DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip file knows
# What Python itself imports before the bundle takes over.
OUTSIDE = ("authgate_cli/__init__.py", "authgate_cli/bundle.py")
# What every run loads, and all that a cached `token` does; tests/cli/test_imports.py keeps it so.
HOT = (
    "app",
    "cli",
    "commands/__init__",
    "commands/token",
    "dotenv",
    "edges/__init__",
    "edges/env_file",
    "edges/files",
    "edges/importable",
    "edges/stored_file",
    "edges/terminal",
    "errors",
    "held",
    "json_text",
    "options",
    "protocol/__init__",
    "protocol/binding",
    "settings",
    "text",
    "token_file",
    "tokens",
    "urls",
    "values",
)


def build(target: Path) -> None:
    """Write the archive and `<target>.sha256`, each at once and complete."""
    temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary.open("wb") as file:
        file.write(SHEBANG)
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in sorted(entries().items()):
                archive.writestr(_entry(name), data, zipfile.ZIP_DEFLATED, compresslevel=9)
    temporary.chmod(0o755)
    temporary.replace(target)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    checksum = target.with_name(target.name + ".sha256")
    checksum.write_text(f"{digest}  {target.name}\n", encoding="utf-8", newline="\n")


def entries() -> dict[str, bytes]:
    """Return what goes into the archive."""
    texts = {path.relative_to(ROOT).as_posix(): bare(path) for path in sorted(ROOT.glob("authgate_cli/**/*.py"))}
    found = {"__main__.py": texts.pop("authgate_cli/__main__.py"), **{name: texts.pop(name) for name in OUTSIDE}}
    plain = {name: text.encode() for name, text in found.items()}
    # Without one of these, that Python would have to compile, and makes all the classes of `ast` for it.
    compiled = {name + "c": _cached(name, text) for name, text in found.items()}
    code = {name: _code(name, texts[name]) for name in (f"authgate_cli/{each}.py" for each in HOT)}
    return {
        **plain,
        **compiled,
        SOURCE: "".join(f"{HEADING}{name}\n{text}" for name, text in texts.items()).encode(),
        CODE: importlib.util.MAGIC_NUMBER + _marshalled(code),
    }


def bare(path: Path) -> str:
    """Return a module's text with what does something when the program runs, every statement where it was."""
    text = path.read_bytes()
    lines = text.split(b"\n")
    for start, end, substitute in sorted(_dispensable(ast.parse(text), lines), reverse=True):
        _cut(lines, start, end, substitute)
    for token in tokenize.tokenize(io.BytesIO(b"\n".join(lines)).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1].decode()[:column].rstrip().encode()
    return b"\n".join(lines).decode()


def _dispensable(tree: ast.Module, lines: list[bytes]) -> Iterator[tuple[Place, Place, bytes]]:
    """Yield from where to where there is a docstring, an annotation or what is for type checkers, and a substitute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not node.orelse:
            yield _start(node), _end(node), b""
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            yield _start(node.body[0]), _end(node.body[0]), b'""'
        if isinstance(node, ast.arg) and node.annotation:
            row, column = _start(node)
            yield (row, column + len(node.arg)), _end(node), b""
        if isinstance(node, ast.FunctionDef) and node.returns:
            row, column = _start(node.returns)
            yield (row, lines[row].rindex(b" ->", 0, column)), _end(node.returns), b""


def _start(node: ast.stmt | ast.expr | ast.arg) -> Place:
    return node.lineno - 1, node.col_offset


def _end(node: ast.stmt | ast.expr | ast.arg) -> Place:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return node.end_lineno - 1, node.end_col_offset


def _cut(lines: list[bytes], start: Place, end: Place, substitute: bytes) -> None:
    """Put a substitute in the place of what is there, and empty lines for those that it took."""
    (first, left), (last, right) = start, end
    lines[first : last + 1] = [lines[first][:left] + substitute + lines[last][right:], *[b""] * (last - first)]


def _code(name: str, text: str) -> CodeType:
    """Compile a module to code that does not know its line numbers."""
    return _without_lines(compile(text, name, "exec", dont_inherit=True, optimize=2))


def _without_lines(code: CodeType) -> CodeType:
    """Put "no location" for every instruction; the true table is a sixth of all that there is to store."""
    if sys.version_info < (3, 11):
        return code  # there it is written in another way, and small
    full, rest = divmod(len(code.co_code) // 2, 8)  # an entry is for 1 to 8 code units (CPython, locations.md)
    nowhere = b"\xff" * full + (bytes([0xF8 + rest - 1]) if rest else b"")
    inner = tuple(_without_lines(one) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(co_linetable=nowhere, co_consts=inner)


def _cached(name: str, text: str) -> bytes:
    """Return a .pyc that is not compared with its source (PEP 552): both are in one archive."""
    source_hash = importlib.util.source_hash(text.encode())
    return importlib.util.MAGIC_NUMBER + (0b01).to_bytes(4, "little") + source_hash + _marshalled(_code(name, text))


def _marshalled(value: CodeType | dict[str, CodeType]) -> bytes:
    """Return the same bytes every time: from version 3 on they tell what else the process holds on to."""
    # 3.14 makes constants of slices, which only its own version can write.
    return marshal.dumps(value, 2 if sys.version_info < (3, 14) else marshal.version)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, DATE)
    entry.create_system = 3  # Unix, on every system
    entry.external_attr = 0o100644 << 16
    return entry


if __name__ == "__main__":
    if sys.version_info < (3, 11) and sys.flags.hash_randomization:
        # marshal writes a set in the order of its hashes, which are random; from 3.11 on it sorts (bpo-37596).
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist" / "authgate.pyz"
    build(target)
    print(f"{target}: {target.stat().st_size} bytes")
