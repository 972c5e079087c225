"""Import the package from two big entries of the archive instead of a small one for each module.

Zipped together, the modules take a quarter less room. `source.txt` has the text of all of them,
for reading as well: `unzip -p authgate.pyz source.txt`. `code.cpython-311`, or whichever Python
built the archive, has the compiled code of the modules that every run loads, which saves that
Python half of its start. To be small it knows no line numbers, so --debug goes by the text.
"""

from __future__ import annotations

import marshal
import sys
from importlib.machinery import ModuleSpec
from importlib.util import MAGIC_NUMBER
from zipimport import zipimporter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType

SOURCE, CODE = "source.txt", f"code.{sys.implementation.cache_tag}"
HEADING = "#@ "  # begins the line before a module's text; the rest of it is the module's path


class Bundle:
    """Find and load our own modules, and no others (PEP 302 and 451)."""

    def __init__(self, archive: zipimporter, code: dict[str, CodeType]):
        self._archive, self._code = archive, code
        self._texts: dict[str, str] = {}

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return what to load a module of ours by; None for any other."""
        place = self._place(name) if name.startswith("authgate_cli.") else None
        if place is None:
            return None
        is_package = place.endswith("/__init__.py")
        return ModuleSpec(name, self, origin=self._origin(place), is_package=is_package)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave that to Python."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code in it."""
        place = self._place(module.__name__) or ""
        code = self._code.get(place) or compile(self._text(place), self._origin(place), "exec", dont_inherit=True)
        exec(code, module.__dict__)

    def get_source(self, name: str) -> str | None:
        """Return a module's text, for tracebacks."""
        place = self._place(name)
        return self._text(place) if place else None

    def _origin(self, place: str) -> str:
        """Return a path that no file has, so that a traceback shows the line that is in the archive."""
        return f"{self._archive.archive}/{place}"

    def _place(self, name: str) -> str | None:
        base = name.replace(".", "/")
        places = (base + ".py", base + "/__init__.py")
        compiled = [place for place in places if place in self._code]
        # The text is unpacked only for what is not compiled.
        return next(iter(compiled or [place for place in places if self._text(place)]), None)

    def _text(self, place: str) -> str:
        if not self._texts:
            text = self._archive.get_data(SOURCE).decode()
            parts = (part.partition("\n") for part in ("\n" + text).split("\n" + HEADING)[1:])
            self._texts = {path: body for path, _, body in parts}
        return self._texts.get(place, "")


def install() -> None:
    """Import from the archive that this module came from; elsewhere, do nothing."""
    archive = globals()["__loader__"]
    if not isinstance(archive, zipimporter):
        return
    code = {}
    try:
        data = archive.get_data(CODE)
        if data.startswith(MAGIC_NUMBER) and "--debug" not in sys.argv:
            code = marshal.loads(data[len(MAGIC_NUMBER) :])
    except OSError:
        pass  # another Python built it
    sys.meta_path.insert(0, Bundle(archive, code))
