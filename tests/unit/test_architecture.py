"""The house, told from the syntax trees: who may import whom, and what nobody may do.

A `TYPE_CHECKING` import does nothing at run time, and still may not look upwards.
"""

from __future__ import annotations

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "authgate_cli"
FLOORS = {
    7: ["__main__", "cli"],
    6: ["commands"],
    5: ["report"],
    4: ["context", "session", "refresh", "sign_in"],
    3: ["server", "store"],
    2: ["system"],
    1: ["oauth"],
    0: ["", "errors", "tokens", "settings", "options", "text", "urls", "values"],
}
FLOOR_OF = {name: floor for floor, names in FLOORS.items() for name in names}
# Each would cost more start-up time than all of a cached `token`.
TOO_SLOW = {"typing", "dataclasses", "inspect", "tempfile"}
THIRD_PARTY = {"keyring": "system.keyring_process"}
# What ends the program at once, and who may do so.
ENDINGS = {
    "sys.exit": ["__main__"],
    "signal.raise_signal": ["system.signals"],
    "os._exit": ["__main__", "commands.exec"],  # exec ends with its command, on Windows too
    **dict.fromkeys(["os.abort", "os.kill", "SystemExit", "exit", "quit"], []),
}


class Import(NamedTuple):
    """One imported module, by its full name; `typing` when it is there for the type checker alone."""

    name: str
    typing: bool


def read_modules():
    """Return the syntax tree of every module, by its name below the package ("" is the package)."""
    trees = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        trees[name] = ast.parse(path.read_text(encoding="utf-8"))
    return trees


TREES = read_modules()
PACKAGES = {name.rpartition(".")[0] for name in TREES} | {""}
modules = pytest.mark.parametrize("module", TREES, ids=lambda name: name or PACKAGE)


def imports_of(module):
    """Return all that a module imports, wherever in it that stands."""
    return list(_imports(TREES[module], module, typing=False))


def _imports(node, module, typing):
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, typing) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (Import(name, typing) for name in _from(node, module))
    elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        for child in node.body:
            yield from _imports(child, module, typing=True)
        for child in node.orelse:
            yield from _imports(child, module, typing)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _imports(child, module, typing)


def _from(node, module):
    """Return the modules that a `from` names: `from . import a` and `from .a import b` are both `a`."""
    base = node.module or ""
    if node.level:
        package = [PACKAGE, *module.split(".")] if module else [PACKAGE]
        if module not in PACKAGES:
            package = package[:-1]
        package = package[: len(package) - node.level + 1]
        base = ".".join([*package, *([node.module] if node.module else [])])
    if not base.startswith(PACKAGE):
        return [base]
    inner = base[len(PACKAGE) + 1 :]
    below = [f"{inner}.{alias.name}".lstrip(".") for alias in node.names]
    return [f"{PACKAGE}.{name}" if name in TREES else base for name in below]


def own_imports(module, at_run_time=False):
    """Return which modules of this package a module imports."""
    found = [each for each in imports_of(module) if each.name.split(".")[0] == PACKAGE]
    return {each.name[len(PACKAGE) + 1 :] for each in found if not (at_run_time and each.typing)}


def floor(module):
    return FLOOR_OF[module.split(".")[0]]


# -- floors


@modules
def test_every_module_has_its_floor(module):
    assert module.split(".")[0] in FLOOR_OF


def test_every_place_on_a_floor_is_taken():
    assert {name.split(".")[0] for name in TREES} == set(FLOOR_OF)


@modules
def test_no_module_looks_upwards(module):
    assert [name for name in own_imports(module) if floor(name) > floor(module)] == []


def test_no_import_goes_round_in_a_circle():
    graph = {module: own_imports(module, at_run_time=True) - {module} for module in TREES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


# -- what comes from elsewhere


@pytest.mark.skipif(not hasattr(sys, "stdlib_module_names"), reason="Python 3.9 does not know what its library has")
@modules
def test_nothing_outside_the_standard_library_is_imported(module):
    foreign = {each.name.split(".")[0] for each in imports_of(module)} - sys.stdlib_module_names - {PACKAGE}
    assert foreign == {name for name, place in THIRD_PARTY.items() if place == module}


@modules
def test_no_slow_module_is_imported_at_run_time(module):
    assert {each.name.split(".")[0] for each in imports_of(module) if not each.typing} & TOO_SLOW == set()


# -- manners


def mentions(module):
    """Return every name in a module, as it is written."""
    return {ast.unparse(node) for node in ast.walk(TREES[module]) if isinstance(node, (ast.Name, ast.Attribute))}


@modules
def test_the_program_ends_nowhere_else(module):
    assert [name for name in mentions(module) if module not in ENDINGS.get(name, [module])] == []


@modules
def test_json_is_parsed_in_one_place(module):
    """There the depth is counted first: with a small stack Python 3.13.0 does not survive what is deep."""
    assert module == "oauth.parsing" or not {"json.loads", "json.load", "json.JSONDecoder"} & mentions(module)


@modules
def test_nothing_is_printed_past_the_terminal(module):
    assert "print" not in mentions(module)


@modules
def test_nothing_turns_the_verification_of_certificates_off(module):
    """Not by a switch, not for a while, not for one host."""
    turning = {"CERT_NONE", "CERT_OPTIONAL", "_create_unverified_context", "_create_stdlib_context", "PROTOCOL_TLS"}
    assert not turning & {name.rpartition(".")[2] for name in mentions(module)}
    assigned = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.Attribute)]
    stored = {node.attr for node in assigned if isinstance(node.ctx, ast.Store)}
    assert not {"check_hostname", "verify_mode", "verify_flags"} & stored


def is_annotated(tree):
    """Tell whether an argument, a result or a variable is annotated."""
    parts = ("annotation", "returns")
    return any(getattr(node, part, None) is not None for node in ast.walk(tree) for part in parts)


@pytest.mark.parametrize("module", [name for name, tree in TREES.items() if is_annotated(tree)])
def test_annotations_are_not_evaluated(module):
    first = next(node for node in TREES[module].body if not isinstance(node, ast.Expr))
    assert ast.unparse(first) == "from __future__ import annotations"


@modules
def test_every_module_says_what_it_is_for(module):
    assert ast.get_docstring(TREES[module])
