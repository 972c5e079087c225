"""Opening a browser: scripts stand in for it, run as real programs."""

import os
import signal

import pytest
from own_process import run

from authgate_cli.system.browser import find_browser, open_browser

URL = "https://auth.example.com/authorize?a=1&b=%20;`x`$(y)'\""
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-ins are shell scripts")


@pytest.fixture
def bin(tmp_path):
    return tmp_path / "bin"


@pytest.fixture
def find(program, bin):
    """Look for a browser among scripts of these names."""

    def find(*names, browser="", platform="linux", display=":0"):
        for name in names:
            program(f"bin/{name}", "")
        command = find_browser({"PATH": str(bin), "BROWSER": browser, "DISPLAY": display}, platform)
        return command and (os.path.relpath(command[0], bin), *command[1:])

    return find


@pytest.mark.parametrize(
    ("platform", "names", "command"),
    [
        ("linux", ["firefox", "xdg-open"], ("xdg-open",)),
        ("linux", ["firefox", "gio"], ("gio", "open")),
        ("linux", ["open", "wslview"], None),
        ("linux", [], None),
        ("darwin", ["open", "xdg-open"], ("open",)),
        ("wsl", ["wslview", "xdg-open"], ("wslview",)),
        ("wsl", ["xdg-open", "rundll32.exe"], ("rundll32.exe", "url.dll,FileProtocolHandler")),
        ("wsl", ["xdg-open"], None),
        ("freebsd13", ["xdg-open"], ("xdg-open",)),
    ],
)
def test_each_platform_has_its_own_way(find, platform, names, command):
    assert find(*names, platform=platform) == command


def test_without_a_display_nothing_is_tried_that_might_be_a_text_browser(find):
    assert find("xdg-open", "x-www-browser", display="") is None


@pytest.mark.parametrize(
    ("browser", "command"),
    [
        ("mine", ("mine",)),
        ("mine --new-window %s", ("mine", "--new-window", "%s")),
        ("missing:mine", ("mine",)),
        ("missing --flag:lynx:mine -x", ("mine", "-x")),
        ("missing", None),
        ("%s", None),
        ("'unclosed", None),
        ("", ("xdg-open",)),
        (":", ("xdg-open",)),
    ],
)
def test_browser_names_commands_and_nothing_else_is_tried(find, browser, command):
    assert find("mine", "lynx", "xdg-open", browser=browser) == command


def test_browser_may_be_a_path_with_spaces(program):
    path = str(program("My Browser/open it", ""))
    assert find_browser({"BROWSER": path}, "linux") == (path,)


def test_what_is_not_executable_is_no_browser(find, bin):
    bin.mkdir()
    (bin / "mine").write_text("#!/bin/sh\n")
    (bin / "mine").chmod(0o644)
    assert find(browser="mine") is None


@pytest.mark.parametrize("name", ["browsh", "elinks", "links", "links2", "lynx", "w3m", "www-browser"])
def test_a_text_browser_is_none(find, bin, name):
    assert find(name, browser=name) is None
    assert find_browser({"BROWSER": f"{bin}/{name} %s"}, "linux") is None


@pytest.mark.parametrize("browser", ["", "x-www-browser", "mine"])
def test_a_link_to_a_text_browser_is_none(program, bin, browser):
    program("bin/w3m", "")
    (bin / "alternatives").symlink_to("w3m")
    for name in ("x-www-browser", "mine"):
        (bin / name).symlink_to("alternatives")
    assert find_browser({"PATH": str(bin), "BROWSER": browser}, "linux") is None


@pytest.mark.parametrize(
    ("options", "expected"),
    [([], [URL]), (["-n"], ["-n", URL]), (["--url=%s", "-n"], [f"--url={URL}", "-n"]), (["%s", "%s"], [URL, URL])],
)
def test_the_address_arrives_unharmed_and_in_its_place(program, tmp_path, eventually, options, expected):
    path = program("mine", f"printf '%s\\n' \"$@\" > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/seen")
    assert open_browser((str(path), *options), URL, os.environ)
    eventually((tmp_path / "seen").exists)
    assert (tmp_path / "seen").read_text().splitlines() == expected


def test_a_browser_inherits_the_environment_but_no_secret(program, tmp_path, eventually):
    path = program("mine", f"env > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/seen")
    secrets = {"CLIENT_SECRET": "hunter2", "AUTHGATE_TOKEN": "eyJ"}
    open_browser((str(path),), URL, {**os.environ, "DISPLAY": ":7", "CLIENT_ID": "client", **secrets})
    eventually((tmp_path / "seen").exists)
    seen = dict(line.split("=", 1) for line in (tmp_path / "seen").read_text().splitlines() if "=" in line)
    assert (seen["DISPLAY"], seen["CLIENT_ID"]) == (":7", "client")
    assert not secrets.keys() & seen.keys()


def test_a_browser_gets_nothing_of_our_terminal_and_is_not_waited_for(program, tmp_path, eventually):
    """It reads, writes and stays, while we end with what was typed still there and nothing printed."""
    path = program(
        "mine", f"cat > {tmp_path}/typed; echo noise; echo noise >&2; echo $$ > {tmp_path}/pid; exec sleep 60"
    )
    code = """
        import os, sys
        from authgate_cli.system.browser import open_browser

        opened = open_browser((sys.argv[1],), "https://auth.example.com", os.environ)
        while not os.path.exists(sys.argv[2]):
            pass
        print("running" if not opened.failed() else "failed", sys.stdin.readline().strip())
    """
    with (tmp_path / "stdin").open("w+") as stdin:
        stdin.write("typed\n")
        stdin.seek(0)
        assert run(code, path, tmp_path / "pid", stdin=stdin) == ["running typed"]
    assert (tmp_path / "typed").read_text() == ""
    number = int(eventually((tmp_path / "pid").read_text))
    assert os.getsid(number) == number  # Ctrl-C on our terminal does not reach it
    os.kill(number, signal.SIGKILL)  # ProcessLookupError would mean that it did not outlive us


@pytest.mark.parametrize(("status", "failed"), [(0, False), (1, True), (3, True), (127, True)])
def test_a_program_that_could_open_nothing_is_noticed(program, tmp_path, eventually, status, failed):
    path = program("mine", f"echo > {tmp_path}/ended; exit {status}")
    opened = open_browser((str(path),), URL, os.environ)
    if failed:
        assert eventually(opened.failed)
    else:
        eventually((tmp_path / "ended").exists)
        assert not opened.failed()


def test_a_program_that_cannot_be_started_opens_nothing(tmp_path):
    (tmp_path / "not-a-program").write_bytes(b"\x7fELF nonsense")
    (tmp_path / "not-a-program").chmod(0o755)
    assert open_browser((str(tmp_path / "not-a-program"),), URL, os.environ) is None
    assert open_browser((str(tmp_path / "missing"),), URL, os.environ) is None
