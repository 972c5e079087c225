"""How the tests themselves are run: by several processes, by a shell that ignores Ctrl-C, without pip."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from own_process import run

ROOT = Path(__file__).parents[2]
GOOD = "def test_one(): pass\ndef test_two(tmp_path): pass"
BAD = "import pytest\n@pytest.fixture\ndef broken(): 1 / 0\ndef test_three(): assert False\ndef test_four(broken): pass"


def in_processes(folder, **files):
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "tests.in_processes", "-p", "no:cacheprovider", "-q", str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_several_processes_are_reported_as_one_run(tmp_path):
    done = in_processes(tmp_path, a=GOOD, b=BAD, c=GOOD)

    closing = done.stdout.splitlines()[-1]
    assert (done.returncode, closing.partition(" in ")[0]) == (1, "1 failed, 4 passed, 1 error")
    assert "ZeroDivisionError" in done.stdout


def test_when_all_is_well_so_is_the_exit_status(tmp_path):
    done = in_processes(tmp_path, a=GOOD, b=GOOD)

    assert (done.returncode, done.stdout.splitlines()[-1].partition(" in ")[0]) == (0, "4 passed")


def test_a_process_that_breaks_off_is_no_success(tmp_path):
    done = in_processes(tmp_path, a=GOOD, b="import os\ndef test_three(): os._exit(0)\ndef test_four(): pass")

    assert (done.returncode, done.stdout.splitlines()[-1].partition(" in ")[0]) == (1, "2 failed, 2 passed")
    assert "its process ended before this test was over" in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="a shell's background jobs")
def test_what_the_tests_start_can_be_interrupted_even_in_the_background():
    code = """
        import subprocess, sys
        sys.path.insert(0, sys.argv[1])
        import conftest
        child = "from signal import *; print(getsignal(SIGQUIT) == getsignal(SIGHUP) == SIG_DFL != getsignal(SIGINT))"
        subprocess.run([sys.executable, "-c", child])
    """

    def ignore():
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    assert run(code, ROOT / "tests", preexec_fn=ignore) == ["True"]


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make here")
def test_without_pip_make_says_in_one_line_what_to_install(tmp_path):
    (tmp_path / "ensurepip.py").write_text("raise ImportError")  # as on Debian without python3-venv
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
    target = tmp_path / "venv" / "python"

    done = subprocess.run(
        ["make", f"PYTHON={sys.executable}", f"VENV={target.parent}", str(target)],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    said, *makes_own = done.stderr.splitlines()
    assert "install python3-venv" in said
    assert done.returncode != 0 and len(makes_own) == 1 and "Error 1" in makes_own[0]
    assert not target.parent.exists()


def test_no_two_test_files_have_one_name():
    """pytest imports them by name alone, and `make test-real` runs files of both kinds together."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py") if ".venv" not in str(path)]

    assert len(names) == len(set(names))


def test_the_storms_that_make_test_real_repeats_are_there():
    makefile = (ROOT / "Makefile").read_text()
    _, _, storms = makefile.replace("\\\n", "").partition("STORMS :=")
    files = storms.partition("\n")[0].split()

    assert files and all((ROOT / "tests" / f"{name}.py").is_file() for name in files)
