"""Find out whether there is a package, without the time that importing it takes."""

from __future__ import annotations

import importlib.util
import sys


def is_importable(name: str) -> bool:
    """Tell whether a package could be imported; a mere folder of that name does not count."""
    if name in sys.modules:
        return True
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.loader is not None
