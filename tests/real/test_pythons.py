"""The archive on every Python that people have, and started in every way that they know."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import pytest
from client import ROOT
from isolated import isolated
from pythons import PYTHONS
from started import Started, signs_in

VENV = ROOT / ".venv-pythons"
PURE = VENV / "extra"  # pytest, with nothing compiled in it: for every Python but 3.9
PURE_39 = VENV / "extra-3.9"  # the last one for that
SECONDS = 1500  # for the whole folder on a busy machine; a safety net
NOT_OURS = (".git", ".venv*", ".roots", ".keycloak", ".*_cache", "dist", "__pycache__", "node_modules")

every_python = pytest.mark.parametrize("name", PYTHONS)


# -- tests/cli on each of them

# Each shows in its own namespace that a network of loopback alone and an empty home are enough.
ENVIRONMENT = {"PATH": os.environ["PATH"], "CI": "true"}
FOLDER = ("-m", "pytest", "-p", "no:cacheprovider", "-rs")
# All of the folder on the oldest and the newest, and on those that are made differently.
WHOLE = {"3.9 of Debian bullseye", "Debian testing's", "PyPy of Debian trixie", "without a GIL"}
# The others lie between two that pass all of it, and `make test` runs all of it on the machine's own. So for
# them, what has differed between two releases: imports and byte code, what the interpreter does with signals
# and standard streams, its TLS, and the errors for a Python that lacks something. The rest (disk, memory,
# secrets, proxy, keyring, random moments) depends on the system and on us, and takes three quarters of the time.
# PyPy has no import times, no os.POSIX_SPAWN_DUP2 for the memory tests, calls weak references back only when it
# collects, writes interned strings like CPython before 3.12, and its root has no python3 for `env`.
NOT_ON_PYPY = "not (imports or memory or during_an_import or what_else_the_process or is_a_program_by_itself)"
DIFFERING = ("imports", "build", "exec", "streams", "certificates", "interrupted", "old_pythons")


def run_the_folder(name: str, place: Path) -> subprocess.CompletedProcess:
    """Run tests/cli, or a part of it, with a Python, in a copy of the sources of its own."""
    copy = place / "checkout"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_OURS))
    python, pure = PYTHONS[name], PURE_39 if name.startswith("3.9 ") else PURE
    shared = {copy: str(copy), pure: str(pure)} if python.root else {}
    folder = copy / "tests" / "cli"
    part = [*(str(folder / f"test_{topic}.py") for topic in DIFFERING), "-k", "not at_random_moments"]
    whole = [str(folder), *(["-k", NOT_ON_PYPY] if "PyPy" in name else [])]
    return subprocess.run(
        python.isolated(*FOLDER, *(whole if name in WHOLE else part), shared=shared, network="loopback"),
        env={**ENVIRONMENT, "PYTHONPATH": str(pure), "HOME": str(place / "home")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def folder_runs(request, tmp_path_factory):
    """Start what the selected tests will ask for, one on each core, the longest first."""
    chosen = {item.callspec.params["name"] for item in request.session.items if "folder_runs" in item.fixturenames}
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    in_order = sorted(chosen, key=lambda name: name not in WHOLE)
    yield {name: pool.submit(run_the_folder, name, tmp_path_factory.mktemp("python")) for name in in_order}
    pool.shutdown(cancel_futures=True)


@every_python
def test_the_command_line_tests_pass(folder_runs, capsys, name):
    done = folder_runs[name].result()

    closing = done.stdout.rstrip().rpartition("\n")[2]
    with capsys.disabled():
        print(f"\n{name}: {closing}")
    assert done.returncode == 0, done.stdout
    assert re.match(r"\d{3,} passed", closing)
    # Only beside the machine's own Pythons there are some that are too old.
    skipped = re.findall("^SKIPPED .*", done.stdout, re.MULTILINE)
    assert all("test_old_pythons.py" in line and "empty parameter set" in line for line in skipped), skipped
    assert not skipped or "/mnt/" not in PYTHONS[name].path


# -- built by one, run by another


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The archives that each Python builds."""
    place = tmp_path_factory.mktemp("built")

    def build(numbered) -> Path:
        number, python = numbered
        shared = {place: str(place), ROOT: str(ROOT)} if python.root else {}
        for target in (place / f"by-{number}.pyz", place / f"by-{number}-again.pyz"):
            command = python.isolated("-I", str(ROOT / "build.py"), str(target), shared=shared)
            subprocess.run(command, check=True, capture_output=True)
        return place / f"by-{number}.pyz"

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(PYTHONS, pool.map(build, enumerate(PYTHONS.values()))))


def test_two_builds_by_one_python_are_the_same_bytes(built):
    different = [
        name for name, one in built.items() if one.read_bytes() != one.with_name(f"{one.stem}-again.pyz").read_bytes()
    ]
    assert different == []


@every_python
def test_each_puts_in_byte_code_that_it_reads_itself(built, name):
    asked = "import importlib.util; print(importlib.util.MAGIC_NUMBER.hex())"
    its_own = subprocess.run(PYTHONS[name].isolated("-c", asked), stdout=subprocess.PIPE, text=True, check=True)

    with zipfile.ZipFile(built[name]) as opened:
        numbers = {opened.read(entry)[:4].hex() for entry in opened.namelist() if entry.endswith(".pyc")}

    assert numbers == {its_own.stdout.strip()}


def test_each_puts_the_same_text_in(built):
    """The byte code may be another one in each release: 3.13.0 and 3.13.5 compile a loop differently."""

    def text(archive):
        with zipfile.ZipFile(archive) as opened:
            return {name: opened.read(name) for name in opened.namelist() if name.endswith(".py")}

    texts = [text(archive) for archive in built.values()]

    assert len(texts[0]) == len([*(ROOT / "authgate_cli").rglob("*.py")])
    assert all(one == texts[0] for one in texts)


@every_python
def test_no_archive_is_too_large(built, name):
    assert built[name].stat().st_size <= 256_000


@every_python
def test_archives_of_all_run_on_each(built, server, tmp_path, name):
    """They differ in their byte code alone, and that is what `token` loads from the store."""
    archive, python = built[name], PYTHONS[name]
    shared = {archive.parent: str(archive.parent), tmp_path: str(tmp_path)} if python.root else {}
    signs_in(Started(python.isolated(str(archive), shared=shared), tmp_path), server)

    for other in built.values():
        client = Started(python.isolated(str(other), shared=shared), tmp_path)
        client.environment |= {"AUTHGATE_URL": server.issuer, "CLIENT_ID": server.client_id}

        done = client.run("token")

        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == client.stored()["access_token"] + "\n"


# -- a Python with parts cut out

# What Debian's python3-minimal does not depend on.
TO_MINIMAL = "dpkg --purge --force-depends python3 python3.13 libpython3-stdlib libpython3.13-stdlib"
SAYS = "authgate: error: this Python lacks the standard module {}; on Debian and Ubuntu it is in the package"


def run_cut_out(name: str, prepare: str, archive: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run a Python of a root file system in which something has been removed."""
    shared = {archive.parent: str(archive.parent), ROOT: str(ROOT)}
    command = PYTHONS[name].isolated(*arguments, shared=shared, prepare=prepare)
    environ = {**os.environ, "HOME": "/tmp"}  # the caller's may not be there
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", ["login", "doctor"])
def test_python3_minimal_is_told_what_it_lacks(archive, command):
    arguments = (command, "--flow", "device", "--url", "http://127.0.0.1:9", "--client-id", "x")

    done = run_cut_out("Debian trixie's", TO_MINIMAL, archive, str(archive), *arguments)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert re.match(SAYS.format(r"\w+"), done.stderr)


def test_a_build_with_python3_minimal_says_which_package_it_lacks(archive):
    done = run_cut_out("Debian trixie's", TO_MINIMAL, archive, str(ROOT / "build.py"), "/tmp/authgate.pyz")

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert done.stderr.startswith("build.py: error: No module named 'shutil'; it needs a complete Python 3.9")
    assert "apt-get install python3" in done.stderr


@pytest.mark.parametrize(("missing", "scheme"), [("zlib", "http"), ("select", "http"), ("_ssl", "https")])
def test_a_python_that_was_built_without_a_module_is_told_so(archive, missing, scheme):
    """CPython is built without what it finds no headers for."""
    arguments = ("login", "--flow", "device", "--url", f"{scheme}://127.0.0.1:9", "--client-id", "x")
    removed = f"rm /usr/local/lib/python3.13t/lib-dynload/{missing}.*"

    done = run_cut_out("without a GIL", removed, archive, str(archive), *arguments)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.startswith(SAYS.format(missing))


# -- ways of starting it

ENCODINGS = [{"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONIOENCODING": "cp1252"}]
CHANGING_ENCODINGS = ["", "-I", "-E -s", "-X utf8=0", "-X utf8=1", "-I -S -W error -X dev"]
OTHERS = ["-S", "-B", "-O", "-W error", "-X dev"]
NAME = "Zo\u00eb \u65e5\u672c"  # something that each has, that not all have, and that only UTF-8 has


@pytest.mark.parametrize(
    ("switches", "environment"),
    [*product(CHANGING_ENCODINGS, ENCODINGS), *product(OTHERS, ENCODINGS[-1:])],
    ids=lambda one: one if isinstance(one, str) else " ".join(map("=".join, one.items())),
)
def test_switches_of_python_and_encodings(archive, server, tmp_path, switches, environment):
    """What an encoding does not have is escaped."""
    ignoring = {"-I", "-E"} & set(switches.split())
    encoding = environment.get("PYTHONIOENCODING") if not ignoring else None
    by_locale = "ascii" if "utf8=0" in switches and environment["LC_ALL"] == "C" else "utf-8"  # PEP 538, PEP 540
    encoding = encoding or by_locale
    server.user["name"] = NAME
    client = Started([sys.executable, *switches.split(), str(archive)], tmp_path, **environment)

    signs_in(client, server, NAME.encode(encoding, "backslashreplace").decode(encoding), encoding=encoding)


def with_spaces_and_letters(archive, folder):
    place = folder / "Jane's own \u6587\u4ef6 \u00fc"
    place.mkdir()
    return [sys.executable, shutil.copy2(archive, place / "auth gate \u00e9.pyz")]


def by_itself(archive, folder):
    shutil.copy2(archive, folder)
    return ["./authgate.pyz"]


def by_name(archive, folder):
    (folder / "authgate").symlink_to(archive)
    return ["authgate"]  # the home is in PATH


def through_symlinks(archive, folder):
    (folder / "one").symlink_to(archive)
    (folder / "another").symlink_to("one")
    return [sys.executable, "another"]


def read_only(archive, folder):
    return isolated(sys.executable, f"/mnt/{archive.name}", shared={archive.parent: "/mnt"}, read_only=True)


def uv_run(archive, folder):
    """In a folder of its own: in a project, uv would want to build that first."""
    shutil.copy2(archive, folder)
    return [VENV / "bin" / "uv", "run", "authgate.pyz"]


def uv_run_python(archive, folder):
    return [VENV / "bin" / "uv", "run", "--no-project", "python", archive]


def uv_run_script(archive, folder):
    shutil.copy2(archive, folder)
    return [VENV / "bin" / "uv", "run", "--script", "./authgate.pyz"]


def pipx_run(archive, folder):
    """Two lines of Python in a file, for pipx takes no archive."""
    script = folder / "authgate.py"
    script.write_text(f"import runpy\nrunpy.run_path({str(archive)!r}, run_name='__main__')\n")
    return [VENV / "bin" / "pipx", "run", script]


STARTS = [with_spaces_and_letters, by_itself, by_name, through_symlinks, read_only]
STARTS += [uv_run, uv_run_python, uv_run_script, pipx_run]
OFFLINE = {"UV_OFFLINE": "1", "UV_PYTHON": sys.executable, "PIPX_DEFAULT_PYTHON": sys.executable}


@pytest.mark.parametrize("start", STARTS, ids=lambda start: start.__name__)
def test_ways_of_starting_it(archive, server, tmp_path, start):
    client = Started([str(word) for word in start(archive, tmp_path)], tmp_path, **OFFLINE)
    client.environment["PATH"] = f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"

    signs_in(client, server)


NOT_TAKEN = {
    "pipx run": (["pipx", "run", "{}"], "Invalid inline script metadata"),
    "pipx run --path": (["pipx", "run", "--path", "{}"], "Invalid inline script metadata"),
    "uvx": (["uv", "tool", "run", "--offline", "{}"], "supported file extension"),
}


@pytest.mark.parametrize(("command", "complaint"), NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_ways_that_these_tools_do_not_have(archive, tmp_path, command, complaint):
    """The day one of them takes an archive, the README may say so."""
    program, *words = command
    done = subprocess.run(
        [str(VENV / "bin" / program), *(word.format(archive) for word in words), "--version"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **OFFLINE},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert complaint in done.stderr.replace("\n", " ")
