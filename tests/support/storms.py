"""How much the storms do: a few repetitions in `make test`, many in `make test-real`, which sets STORMS=full."""

from __future__ import annotations

import os

FULL = os.environ.get("STORMS") == "full"


def few_or_many(few, many):
    """Return what a storm uses in this run."""
    return many if FULL else few
