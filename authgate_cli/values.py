"""Give every value of this program one convention: `class Point(Value): x: int`.

`Value` is `typing.NamedTuple` to a type checker. At run time it builds the same named tuple
without importing `typing`, which alone costs half as much as a bare interpreter. A module that
defines values starts with `from __future__ import annotations`, so the annotations are text.
"""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple as Value
else:

    class _ValueMeta(type):
        def __new__(mcls, name, bases, namespace):
            fields = namespace.pop("__annotations__", {})
            defaults = [namespace.pop(field) for field in fields if field in namespace]
            value = namedtuple(name, fields, defaults=defaults, module=namespace["__module__"])
            for key in namespace.keys() - {"__module__"}:
                setattr(value, key, namespace[key])  # as typing.NamedTuple does; a subclass costs half as much again
            return value

    Value = type.__new__(_ValueMeta, "Value", (), {})
