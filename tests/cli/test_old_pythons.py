"""A Python that is too old, or that lacks a part, is told so in one line, exit 2, without a traceback."""

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from client import ROOT

PYENV = Path(sys.base_prefix).parent  # where the machine keeps one Python, it may keep the others
SECONDS = 60
OLDEST = (3, 9)


def too_old(version: str) -> bool:
    numbers = re.fullmatch(r"(\d+)\.(\d+)\.\d+", version)
    return bool(numbers) and (int(numbers[1]), int(numbers[2])) < OLDEST


OLD = sorted(path.name for path in PYENV.glob("*") if too_old(path.name) and (path / "bin" / "python").exists())


@pytest.mark.parametrize("version", OLD)
@pytest.mark.parametrize("arguments", [(), ("token",), ("--help",), ("status", "--json")], ids=str)
def test_old_python_is_told_in_one_line(archive, tmp_path, version, arguments):
    done = subprocess.run(
        [str(PYENV / version / "bin" / "python"), str(archive), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    short = ".".join(version.split(".")[:2])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"authgate: error: Python 3.9 or newer is needed, but this is {short}\n"


def main_source(archive) -> str:
    with zipfile.ZipFile(archive) as opened:
        return opened.read("__main__.py").decode("ascii")  # Python 2 reads nothing else without a coding line


NOT_IN_PYTHON_2 = (
    *(ast.AnnAssign, ast.JoinedStr, ast.NamedExpr, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await),
    *(ast.YieldFrom, ast.Nonlocal, ast.Starred, ast.MatMult, getattr(ast, "Match", ast.MatMult)),
)


def is_python_2(node: ast.AST) -> bool:
    """Tell whether Python 2.7 has a word for a piece of syntax, as far as the parser of today shows."""
    if isinstance(node, ast.FunctionDef):
        arguments = node.args
        every = [*arguments.posonlyargs, *arguments.args]
        annotated = node.returns or any(argument.annotation for argument in every)
        return not (annotated or arguments.kwonlyargs or arguments.posonlyargs)
    if isinstance(node, ast.ClassDef):
        return not node.keywords
    if isinstance(node, ast.Raise):
        return node.cause is None
    if isinstance(node, ast.Call):
        return isinstance(node.func, (ast.Name, ast.Attribute))
    if isinstance(node, ast.ImportFrom):
        return node.module != "__future__"
    return not isinstance(node, NOT_IN_PYTHON_2)


def test_first_file_has_no_syntax_that_an_old_python_lacks(archive):
    tree = ast.parse(main_source(archive))

    assert [ast.unparse(node) for node in ast.walk(tree) if not is_python_2(node)] == []


def test_the_judge_of_old_syntax_can_tell():
    new = [
        "x: int = 1",
        "f'{x}'",
        "(y := 1)",
        "def f(*, a): 0",
        "def f() -> int: 0",
        "raise E from e",
        "async def f(): 0",
    ]

    assert all(any(not is_python_2(node) for node in ast.walk(ast.parse(code))) for code in new)
    assert all(is_python_2(node) for node in ast.walk(ast.parse("def f(a, b=1):\n try: g(a)\n except E as e: raise")))


def test_version_is_checked_before_anything_is_imported(archive):
    """Only `sys`, which every Python has built in, comes first."""
    tree = ast.parse(main_source(archive))
    top = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]

    assert [ast.unparse(node) for node in top] == ["import sys"]


@pytest.mark.parametrize("reported", [(3, 8, 18), (2, 7, 18), (3, 0, 0)], ids=str)
def test_version_that_python_reports_decides(archive, reported):
    code = """
import runpy, sys
sys.version_info = {reported}
sys.argv = ["authgate.pyz"]
runpy.run_path({archive!r}, run_name="__main__")
"""
    done = run_python(code.format(reported=reported, archive=str(archive)))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"authgate: error: Python 3.9 or newer is needed, but this is {reported[0]}.{reported[1]}\n"


# -- a Python with parts cut out, such as Debian's python3-minimal

BLOCK = """
import runpy, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == {missing!r} or name.startswith({missing!r} + "."):
            raise ModuleNotFoundError("No module named " + repr(name), name=name)

sys.meta_path.insert(0, Missing())
for name in [name for name in sys.modules if name == {missing!r} or name.startswith({missing!r} + ".")]:
    del sys.modules[name]
sys.argv = ["authgate.pyz"] + {arguments!r}
runpy.run_path({archive!r}, run_name="__main__")
"""


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],  # without what a machine's .pth files have loaded
        env={"AUTHGATE_STORE": "file", "HOME": "/nonexistent", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


NEEDED = [*("json", "signal", "zlib", "binascii"), *("hashlib", "socket", "select", "threading", "urllib.parse")]


@pytest.mark.parametrize(
    ("missing", "url"), [*((name, "http://127.0.0.1:9") for name in NEEDED), ("ssl", "https://127.0.0.1:9")]
)
def test_module_that_is_missing_is_named_with_the_package_that_brings_it(archive, missing, url):
    arguments = ["doctor", "--url", url, "--client-id", "x"]

    done = run_python(BLOCK.format(missing=missing, arguments=arguments, archive=str(archive)))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"authgate: error: this Python lacks the standard module {missing}; ")
    assert "libpython3-stdlib" in done.stderr
    assert done.stderr.count("\n") == 1


def test_module_that_is_missing_without_a_name_is_no_traceback_either(archive):
    code = BLOCK.replace(", name=name)", ")").replace("ModuleNotFoundError", "ImportError")

    done = run_python(code.format(missing="json", arguments=["doctor"], archive=str(archive)))

    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"authgate: error: this Python lacks .*json.*libpython3-stdlib.*\n", done.stderr)


def test_a_python_without_zlib_can_read_the_first_file(archive):
    """Everything else is compressed; without zlib, Python could not even find out what is wrong."""
    with zipfile.ZipFile(archive) as opened:
        stored = {entry.filename for entry in opened.infolist() if entry.compress_type == zipfile.ZIP_STORED}
    assert stored == {"__main__.py", "__main__.pyc"}


UNUSED = ["ssl", "http.client", "email", "subprocess", "dataclasses"]


@pytest.mark.parametrize("missing", UNUSED)
def test_module_that_is_not_used_may_be_missing(archive, signed_in, missing):
    code = BLOCK.format(missing=missing, arguments=["token"], archive=str(archive))

    done = run_python(code, **signed_in.environment)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == signed_in.stored()["access_token"] + "\n"


def test_import_that_fails_for_a_reason_of_our_own_is_not_blamed_on_python(archive, tmp_path):
    damaged = tmp_path / "damaged.pyz"
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(damaged, "w") as new:
        for name in old.namelist():
            if "/text.py" not in name:
                new.writestr(name, old.read(name))

    done = run_python(BLOCK.format(missing="nothing", arguments=["--version"], archive=str(damaged)))

    assert done.returncode != 0
    assert "No module named 'authgate_cli.text'" in done.stderr
    assert "lacks the standard module" not in done.stderr


# -- the same, when it is built

BUILD = (
    BLOCK.partition("sys.argv")[0]
    + """
sys.argv = ["build.py", {target!r}]
runpy.run_path({build!r}, run_name="__main__")
"""
)


@pytest.mark.parametrize("missing", ["zipfile", "zlib", "shutil", "subprocess", "pathlib", "json", "hashlib"])
def test_a_build_says_which_module_and_package_are_missing(tmp_path, missing):
    target = tmp_path / "authgate.pyz"

    done = run_python(BUILD.format(missing=missing, target=str(target), build=str(ROOT / "build.py")))

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"build.py: error: No module named '{missing}'; ")
    assert "apt-get install python3" in done.stderr
    assert (done.stderr.count("\n"), target.exists()) == (1, False)
