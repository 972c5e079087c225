"""The table of rules is complete, and every test that it names exists."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from rules import HEADINGS, RULES

ROOT = Path(__file__).parents[2]


@cache
def defined_in(path):
    """Return the names of the tests of a file; those in a class as `Class::test`."""
    names = set()
    for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            names.update(f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef))
    return {name for name in names if name.rpartition("::")[2].startswith("test_")}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.words)
def test_every_rule_has_tests_and_they_exist(rule):
    assert rule.tests
    assert len(set(rule.tests)) == len(rule.tests)
    for test in rule.tests:
        path, _, name = test.partition("::")
        assert path.startswith(("tests/unit/", "tests/flows/", "tests/cli/"))  # what every run of the suite runs
        assert (ROOT / path).is_file(), test
        assert name in defined_in(path), test


def test_every_heading_has_as_many_rules_as_the_table_says():
    assert Counter(rule.heading for rule in RULES) == HEADINGS
    assert list(dict.fromkeys(rule.heading for rule in RULES)) == list(HEADINGS)


def test_every_rule_stands_once_and_says_how_strong_it_is():
    assert len({(rule.heading, rule.words) for rule in RULES}) == len(RULES)
    assert {rule.strength for rule in RULES} == {"M", "S", "H"}
    assert all(rule.words.strip() for rule in RULES)
