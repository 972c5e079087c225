"""A fixed number of fuzzed inputs in every run of the tests, and all that ever did harm."""

import time

import pytest
from found import FOUND
from fuzz import run
from mutate import Mutator
from storms import few_or_many
from targets import TARGETS

RUNS = {
    "device": 75,
    "jwt": 150,
    "http": 200,
    "neighbour": 250,
    "token-file": 300,
    "command-line": 200,
    "program": 250,
}


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_comes_of_it_but_success_and_our_own_errors(target):
    for seed in range(RUNS.get(target, 500) * few_or_many(1, 20)):
        try:
            run(target, seed)
        except Exception as error:
            pytest.fail(f"python tests/fuzz/fuzz.py --target {target} --seed {seed} --runs 1: {error!r}")


@pytest.mark.parametrize(("target", "made"), FOUND.values(), ids=FOUND)
def test_what_was_found_is_mended(target, made):
    TARGETS[target].check(made)


@pytest.mark.parametrize("target", TARGETS)
def test_a_seed_brings_an_input_back(target):
    seeds = range(20)
    made = [[TARGETS[target].make(Mutator(f"{target} {seed}")) for seed in seeds] for _ in range(2)]
    assert made[0] == made[1]
    distinct = [one for number, one in enumerate(made[0]) if one not in made[0][:number]]
    assert len(distinct) > len(seeds) // 2


def test_thousands_of_answers_are_judged_in_a_second():
    begun = time.process_time()
    for seed in range(1000):
        run("userinfo", seed)
    assert time.process_time() - begun < 5  # a tenth of that here; only a blunder takes longer
