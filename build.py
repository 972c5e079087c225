#!/usr/bin/env python3
"""Build dist/authgate.pyz, and its checksum beside it.

The same source gives the same bytes: entries are sorted, dates are fixed, nothing of the machine
gets in. `zipapp` cannot do that on every Python, and throws the exit status of `main` away.
"""

import hashlib
import os
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
PACKAGE = ROOT / "authgate_cli"
SHEBANG = b"#!/usr/bin/env python3\n"
DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip file knows


def build(target: Path) -> None:
    """Write the archive and `<target>.sha256`, each at once and complete."""
    temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary.open("wb") as file:
        file.write(SHEBANG)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, source in sorted(entries().items()):
                archive.writestr(_entry(name), source.read_bytes())
    temporary.chmod(0o755)
    temporary.replace(target)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    checksum = target.with_name(target.name + ".sha256")
    checksum.write_text(f"{digest}  {target.name}\n", encoding="utf-8", newline="\n")


def entries() -> dict[str, Path]:
    """Return what goes into the archive: the package, and its `__main__` where Python looks for it."""
    sources = {path.relative_to(ROOT).as_posix(): path for path in PACKAGE.rglob("*.py")}
    sources["__main__.py"] = sources.pop("authgate_cli/__main__.py")
    return sources


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # Unix, on every system
    entry.external_attr = 0o100644 << 16
    return entry


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist" / "authgate.pyz"
    build(target)
    print(f"{target}: {target.stat().st_size} bytes")
