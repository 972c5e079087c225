#!/usr/bin/env python3
"""Build dist/authgate.pyz and its checksum: all modules as source, those that `token` loads also as byte code.

The same source and Python release produce an identical file; `python -m zipapp` would store the files' dates.
"""

from __future__ import annotations

import sys

try:
    import hashlib
    import importlib.util
    import marshal
    import os
    import re
    import subprocess
    import zipfile
    import zlib  # noqa: F401  without it, zipfile can be imported but cannot compress
    from pathlib import Path

    ROOT = Path(__file__).resolve().parent
    sys.path.insert(0, str(ROOT))
    sys.dont_write_bytecode = True
    for name in ("cli", "commands.token"):  # what `token` loads to print a stored token
        importlib.import_module(f"authgate_cli.{name}")
except ImportError as error:
    sys.exit(f"build.py: error: {error}; it needs a complete Python 3.9 or newer (Debian: apt-get install python3)")

LOADED = {Path(str(module.__file__)) for name, module in sys.modules.items() if name.startswith("authgate_cli")}


def build(target: Path) -> None:
    """Write the archive and `<target>.sha256`; each appears complete or not at all. Print its size."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in sorted(entries().items()):
                entry = zipfile.ZipInfo(name)  # with the same date in every build
                entry.create_system, entry.external_attr = 3, 0o100644 << 16  # Unix, wherever it is built
                # A Python without zlib reads __main__.py, which says so.
                method = zipfile.ZIP_STORED if name.startswith("__main__.") else zipfile.ZIP_DEFLATED
                archive.writestr(entry, data, method, compresslevel=9)
    temporary.chmod(0o755)
    temporary.replace(target)
    checksum = hashlib.sha256(target.read_bytes()).hexdigest()
    target.with_name(target.name + ".sha256").write_bytes(f"{checksum}  {target.name}\n".encode())
    print(f"{target}: {target.stat().st_size} bytes")


def entries() -> dict[str, bytes]:
    """Return the content of every file in the archive, by its name there."""
    found = {}
    for path in sorted(ROOT.glob("authgate_cli/**/*.py")):
        name = path.relative_to(ROOT).as_posix().replace("authgate_cli/__main__.py", "__main__.py")
        found[name] = path.read_bytes()
        if path in LOADED or name == "__main__.py":  # byte code for the rest would double the archive
            found[name + "c"] = byte_code(path, name)
    return found


def byte_code(path: Path, name: str) -> bytes:
    """Return a module's .pyc; the same release of Python uses it without checking the source (PEP 552)."""
    source = path.read_bytes()
    # Before 3.12, Python writes a string differently if it is interned or something else in the process uses it
    # as well. So let that be true of all words, and of all characters, of which there is one object each.
    shared = list(map(sys.intern, ["", *map(chr, range(256)), *re.findall(r"\w+", source.decode())]))  # noqa: F841
    code = compile(source, name, "exec", dont_inherit=True, optimize=2)
    header = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + importlib.util.source_hash(source)
    return header + marshal.dumps(code)


if __name__ == "__main__":
    # Sets keep their order, and column numbers, a tenth of the byte code, are left out.
    wanted = {"PYTHONHASHSEED": "0", "PYTHONNODEBUGRANGES": "1"}
    if not wanted.items() <= os.environ.items():
        sys.exit(subprocess.call([sys.executable, *sys.argv], env={**os.environ, **wanted}))
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist" / "authgate.pyz")
