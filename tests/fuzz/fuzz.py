"""Fuzz for as long as you like.

    python tests/fuzz/fuzz.py [--seconds N] [--seed S] [--target NAME] [--runs N]

Every run has a seed of its own, which a finding is printed with: the same seed, target and
`--runs 1` bring it back.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parents[2])]

from mutate import Mutator
from targets import TARGETS


def run(target: str, seed: int) -> object:
    """Make the input of a seed, try it and return it; a finding is whatever is raised."""
    made = TARGETS[target].make(Mutator(f"{target} {seed}"))
    TARGETS[target].check(made)
    return made


def main() -> int:
    """Run the targets in turn, a slice of the time each; exit 1 when there are findings."""
    parser = argparse.ArgumentParser(description="Fuzz the client.")
    parser.add_argument("--seconds", type=float, default=60, help="in all (60)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the first run")
    parser.add_argument("--target", choices=TARGETS, action="append", help="just this one, or these")
    parser.add_argument("--runs", type=int, default=10**12, help="at most, of each target")
    options = parser.parse_args()
    chosen = options.target or list(TARGETS)
    print(f"seed {options.seed}, {options.seconds:g} s, {len(chosen)} targets", flush=True)
    findings = 0
    for target in chosen:
        begun, count, known = time.monotonic(), 0, set()
        while count < options.runs and time.monotonic() - begun < options.seconds / len(chosen):
            try:
                run(target, options.seed + count)
            except Exception as error:
                place = traceback.extract_tb(error.__traceback__)[-1][:2] + (type(error),)
                if place not in known:  # one example of each will do
                    known.add(place)
                    print(f"\nFOUND by --target {target} --seed {options.seed + count} --runs 1")
                    traceback.print_exc()
            count += 1
        took = time.monotonic() - begun
        findings += len(known)
        print(f"{target:14} {count:9} runs, {count / took:7.0f}/s, {len(known)} findings", flush=True)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
