"""Define immutable values with named fields: `class Point(Value): x: int`.

For a type checker `Value` is `typing.NamedTuple`. At run time it is a named tuple made here: importing
`typing` takes half as long as starting the interpreter, and `collections.namedtuple` takes a twentieth
of all instructions of printing a stored token. A module that defines values begins with `from __future__
import annotations`, so that the annotations are not evaluated.
"""

from __future__ import annotations

from operator import itemgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple as Value
else:

    class _NamedTuple(tuple):
        __slots__ = ()

        def __new__(cls, *values, **named):
            rest, given = cls._fields[len(values) :], {**cls._defaults, **named}
            if len(values) > len(cls._fields) or not named.keys() <= set(rest) <= given.keys():
                raise TypeError(f"{cls.__name__} takes {', '.join(cls._fields)}")
            return tuple.__new__(cls, (*values, *[given[field] for field in rest]))

        def __repr__(self):
            return f"<{type(self).__name__}>"  # without the fields: many hold secrets

        def _asdict(self):
            return dict(zip(self._fields, self))

        def _replace(self, **changes):
            return type(self)(**{**self._asdict(), **changes})

    class _ValueMeta(type):
        def __new__(mcls, name, bases, namespace):
            fields = tuple(namespace.pop("__annotations__", ()))
            defaults = {field: namespace.pop(field) for field in fields if field in namespace}
            getters = {field: property(itemgetter(place)) for place, field in enumerate(fields)}
            own = {"__slots__": (), "_fields": fields, "_defaults": defaults}
            return type(name, (_NamedTuple,), {**namespace, **getters, **own})

    Value = type.__new__(_ValueMeta, "Value", (), {})
