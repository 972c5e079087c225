"""What is assumed of macOS, which nothing here can run; read from its manual pages and the library's sources."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from authgate_cli.settings import expand_home
from authgate_cli.sign_in import choose
from authgate_cli.system import browser, keyring_process
from authgate_cli.system.connections import no_certificates_hint

PACKAGE = Path(browser.__file__).parents[1]
PYENV = Path(sys.base_prefix).parent  # where the machine keeps one Python, it may keep the others
OTHERS = [str(path) for path in PYENV.glob("3.*/bin/python3") if re.match(r"3\.(9|\d\d)\.", path.parents[1].name)]
PYTHONS = sorted({sys.executable, *OTHERS})
URL = "https://auth.example.com/authorize?a=1&b=%20;`x`$(y)"
# The library defines its way of opening a browser only on macOS: in a process of its own, this is one.
ON_MACOS = "import sys; sys.platform = 'darwin'; exec(sys.argv.pop(1))"


def child(python, *address, **environment):
    """Run what opens a browser with the webbrowser module that a Python has on macOS."""
    return subprocess.run(
        [python, "-I", "-c", ON_MACOS, browser._CHILD, "darwin", *address],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("python", PYTHONS)
def test_a_browser_is_found(python):
    """Before Python 3.11, what opens the default browser has no name."""
    done = child(python)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() in ("", "default")  # for find_browser, both are the system's own way


@pytest.mark.parametrize("status", [0, 1])
@pytest.mark.parametrize("python", PYTHONS)
def test_it_is_opened_by_a_script_whose_failure_is_reported(python, program, tmp_path, status):
    where = subprocess.run([python, "-c", "import webbrowser as w; print(w.__file__)"], stdout=subprocess.PIPE)
    if 'popen("osascript"' not in Path(where.stdout.decode().strip()).read_text(encoding="utf-8"):
        pytest.skip("newer releases name /usr/bin/osascript or /usr/bin/open, which nothing can stand in for")
    program("bin/osascript", f"cat >{tmp_path}/script; exit {status}")

    done = child(python, URL, PATH=f"{tmp_path}/bin:/usr/bin:/bin")

    assert (done.returncode, done.stderr) == (status, "")
    assert (tmp_path / "script").read_text() == f'open location "{URL}"'


def test_a_browser_needs_no_display():
    assert choose("auto", browser.Environment("darwin"), lambda: "the system").flow == "browser"
    assert choose("auto", browser.Environment("darwin", ssh=True), lambda: "the system").flow == "device"


def test_poll_is_not_used_because_it_knows_no_terminals():
    """poll(2): "The poll() system call currently does not support devices." It says that they can be read."""
    polls = re.compile(r"\bpoll\(\)\.|select\.poll|import selectors")

    assert [path.name for path in PACKAGE.rglob("*.py") if polls.search(path.read_text(encoding="utf-8"))] == []


def test_python_may_have_no_certificates_where_the_system_has_a_file_of_them():
    """A Python of python.org's brings its own OpenSSL, and no certificates until a command is run."""
    assert "SSL_CERT_FILE=/etc/ssl/cert.pem" in no_certificates_hint("darwin")
    assert "ca-certificates" in no_certificates_hint("linux")


def test_the_keychain_is_the_systems_own_store():
    assert keyring_process.TRUSTED["keyring.backends.macOS"] == "macOS Keychain"


def test_the_token_file_is_where_authgates_other_clients_look_and_not_in_the_library():
    assert expand_home("~/.authgate-tokens.json", {"HOME": "/Users/jane"}) == "/Users/jane/.authgate-tokens.json"


def test_nothing_else_asks_whether_this_is_macos():
    asking = {path.name for path in PACKAGE.rglob("*.py") if re.search("darwin|Darwin", path.read_text("utf-8"))}

    assert asking == {"browser.py", "connections.py"}
