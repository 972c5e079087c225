"""Finding and opening a browser: scripts stand in for it, run as real programs by the real webbrowser module."""

import os
import shlex
import shutil
import signal
import subprocess
import sys

import pytest
from own_process import run

from authgate_cli.oauth.authorization import with_query
from authgate_cli.system import browser as module
from authgate_cli.system.browser import find_browser, open_browser

URL = "https://auth.example.com/authorize?a=1&b=%20;`x`$(y)'\""
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-ins are shell scripts")
linux = pytest.mark.skipif(sys.platform != "linux", reason="the stand-ins are Linux programs")


@pytest.fixture
def bin(tmp_path):
    return tmp_path / "bin"


@pytest.fixture
def find(program, bin):
    """Look for a browser among scripts of these names."""

    def find(*names, browser="", platform="linux", display=":0"):
        for name in names:
            program(f"bin/{name}", "")
        return find_browser({"PATH": str(bin), "BROWSER": browser, "DISPLAY": display, "TERM": "xterm"}, platform)

    return find


@pytest.fixture
def open_with(program, bin, tmp_path, eventually):
    """Open an address with scripts that leave their arguments behind; return the program and what it was given."""

    def open_with(*names, browser="", platform="linux", display=":0", url=URL, status=0, **environ):
        for name in names:
            script = f'printf "%s\\n" "$0" "$@" > {tmp_path}/new-$$; /bin/mv {tmp_path}/new-$$ {tmp_path}/seen'
            program(f"bin/{name}", f"{script}; exit {status}")
        environ = {"PATH": str(bin), "BROWSER": browser, "DISPLAY": display, **environ}
        opener = open_browser(url, environ, platform)
        eventually((tmp_path / "seen").exists)
        path, *arguments = (tmp_path / "seen").read_text().splitlines()
        return opener, os.path.basename(path), arguments

    return open_with


# Finding


@linux
@pytest.mark.parametrize(
    ("platform", "names", "name"),
    [
        ("linux", ["firefox", "xdg-open"], "xdg-open"),
        ("linux", ["firefox"], "firefox"),
        ("linux", ["open", "wslview"], None),
        ("linux", [], None),
        ("wsl", ["wslview", "xdg-open"], "wslview"),
        ("wsl", ["xdg-open", "rundll32.exe"], "rundll32.exe"),
        ("wsl", [], None),
        ("freebsd13", ["xdg-open"], "xdg-open"),
    ],
)
def test_each_platform_has_its_own_way(find, platform, names, name):
    assert find(*names, platform=platform) == name


def test_without_a_display_nothing_is_tried_that_might_be_a_text_browser(find):
    assert find("xdg-open", "x-www-browser", "w3m", display="") is None


@linux
def test_under_wsl_no_display_is_needed_and_none_is_no_browser_of_linux(find):
    assert find("xdg-open", "w3m", platform="wsl", display="") is None
    assert find("wslview", platform="wsl", display="") == "wslview"


@pytest.mark.parametrize(
    ("browser", "name"),
    [
        ("mine", "mine"),
        ("mine --new-window %s", "mine"),
        ("missing:mine", "mine"),
        ("missing --flag:lynx:mine -x", "mine"),
        ("missing", None),
        ("%s", None),
        ("'unclosed", None),
        pytest.param("", "xdg-open", marks=linux),
        pytest.param(":", "xdg-open", marks=linux),
    ],
)
def test_browser_names_commands_and_nothing_else_is_looked_for(find, browser, name):
    assert find("mine", "lynx", "xdg-open", browser=browser) == name


def test_what_is_not_executable_is_no_browser(find, bin):
    bin.mkdir()
    (bin / "mine").write_text("#!/bin/sh\n")
    (bin / "mine").chmod(0o644)
    assert find(browser="mine") is None


@pytest.mark.parametrize("name", ["browsh", "elinks", "links", "links2", "lynx", "w3m", "www-browser"])
def test_a_text_browser_is_none(find, bin, name):
    assert find(name, browser=name) is None
    assert find(name, browser=f"{bin}/{name} %s") is None
    assert find(name) is None


@pytest.mark.parametrize("browser", ["", "x-www-browser", "mine"])
def test_a_link_to_a_text_browser_is_none(program, bin, browser):
    program("bin/w3m", "")
    (bin / "alternatives").symlink_to("w3m")
    for name in ("x-www-browser", "mine"):
        (bin / name).symlink_to("alternatives")
    assert find_browser({"PATH": str(bin), "BROWSER": browser, "DISPLAY": ":0"}, "linux") is None


def test_where_python_does_not_know_its_own_place_there_is_no_browser():
    code = """
        import sys
        from authgate_cli.system.browser import find_browser, open_browser

        sys.executable = None
        print(find_browser({"DISPLAY": ":0"}, "linux"), open_browser("https://a.example", {}, "linux"))
    """
    assert run(code) == ["None None"]


# Opening


@pytest.mark.parametrize(
    ("browser", "arguments"),
    [
        ("mine", [URL]),
        ("mine -n", ["-n", URL]),
        ("mine --url=%s -n", [f"--url={URL}", "-n"]),
        ("mine %s %s", [URL, URL]),
        ("missing:lynx:mine -x", ["-x", URL]),
        ("'mine' &", ["&", URL]),
        ("mine %s &", [URL]),
    ],
)
def test_the_address_arrives_unharmed_and_in_its_place(open_with, browser, arguments):
    assert open_with("mine", "lynx", browser=browser)[1:] == ("mine", arguments)


def test_browser_may_be_a_path_with_spaces(program, tmp_path, eventually):
    path = str(
        program("My Browser/open it", f"printf '%s\\n' \"$@\" > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/seen")
    )
    assert find_browser({"BROWSER": path}, "linux") == path
    assert open_browser(URL, {**os.environ, "BROWSER": path}, "linux")
    eventually((tmp_path / "seen").exists)
    assert (tmp_path / "seen").read_text().splitlines() == [URL]


@linux
@pytest.mark.parametrize(
    ("platform", "names", "expected"),
    [
        ("linux", ["xdg-open", "firefox"], ("xdg-open", [URL])),
        ("wsl", ["wslview", "xdg-open"], ("wslview", [URL])),
        ("wsl", ["rundll32.exe", "xdg-open"], ("rundll32.exe", ["url.dll,FileProtocolHandler", URL])),
    ],
)
def test_without_browser_the_platforms_own_way_is_taken(open_with, platform, names, expected):
    assert open_with(*names, platform=platform)[1:] == expected


@linux
def test_when_the_commands_of_browser_fail_nothing_else_is_tried(open_with, program, bin, tmp_path, eventually):
    program("bin/xdg-open", f"echo > {tmp_path}/tried")
    opener, name, _ = open_with("mine", browser="mine", status=1)
    assert eventually(opener.failed)
    assert name == "mine"
    assert not (tmp_path / "tried").exists()


def test_of_several_commands_the_next_one_is_tried(program, bin, open_with):
    program("bin/broken", "exit 3")
    assert open_with("mine", browser="broken:mine")[1:] == ("mine", [URL])


def test_a_browser_inherits_the_environment_but_no_secret(program, tmp_path, eventually):
    path = program("mine", f"env > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/seen")
    secrets = {"CLIENT_SECRET": "hunter2", "AUTHGATE_TOKEN": "eyJ"}
    environ = {**os.environ, "DISPLAY": ":7", "CLIENT_ID": "client", "BROWSER": str(path), **secrets}
    open_browser(URL, environ, "linux")
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

        opener = open_browser("https://auth.example.com", {**os.environ, "BROWSER": sys.argv[1]}, "linux")
        while not os.path.exists(sys.argv[2]):
            pass
        print("running" if not opener.failed() else "failed", sys.stdin.readline().strip())
    """
    with (tmp_path / "stdin").open("w+") as stdin:
        stdin.write("typed\n")
        stdin.seek(0)
        assert run(code, path, tmp_path / "pid", stdin=stdin) == ["running typed"]
    assert (tmp_path / "typed").read_text() == ""
    number = int(eventually((tmp_path / "pid").read_text))
    assert os.getsid(number) not in (0, os.getsid(0))  # Ctrl-C on our terminal does not reach it
    os.kill(number, signal.SIGKILL)  # ProcessLookupError would mean that it did not outlive us


@pytest.mark.parametrize(("status", "failed"), [(0, False), (1, True), (3, True), (127, True)])
def test_a_program_that_could_open_nothing_is_noticed(open_with, eventually, status, failed):
    opener, _, _ = open_with("mine", browser="mine", status=status)
    if failed:
        assert eventually(opener.failed)
    else:
        eventually(lambda: opener.poll() is not None)
        assert not opener.failed()


@linux
@pytest.mark.parametrize(("status", "failed"), [(0, False), (3, True)])
def test_one_that_webbrowser_does_not_wait_for_is_noticed_too(open_with, eventually, status, failed):
    opener, _, _ = open_with("xdg-open", status=status)
    eventually(lambda: opener.poll() is not None)
    assert opener.failed() is failed


def test_a_program_that_cannot_be_started_has_failed(tmp_path, eventually):
    (tmp_path / "not-a-program").write_bytes(b"\x7fELF nonsense")
    (tmp_path / "not-a-program").chmod(0o755)
    opener = open_browser(URL, {**os.environ, "BROWSER": str(tmp_path / "not-a-program")}, "linux")
    assert eventually(opener.failed)


# Windows, whose name and whose call are lent to a process of its own

WINDOWS = """
    import os, shutil, subprocess, sys

    os.startfile = lambda url: print("startfile", url)
    shutil.which = lambda program, **more: "C:/here/" + program  # also what lies in the current directory
    shutil._winapi = None
    sys.platform = "win32"
    sys.argv = ["-c", "win32", *sys.argv[1:]]
    try:
        exec(CHILD)
    except SystemExit as end:
        assert not end.code
"""


@pytest.mark.parametrize(("arguments", "shown"), [([URL], ["startfile " + URL]), ([], [""])], ids=["open", "name"])
def test_on_windows_the_system_itself_opens_the_browser(arguments, shown):
    assert run(WINDOWS.replace("CHILD", repr(module._CHILD)), *arguments, environ={"BROWSER": ""}) == shown


def test_on_windows_the_child_works_where_python_is_and_not_in_the_current_directory():
    """CreateProcess looks for a program in the current directory first."""
    assert module._child({}, "win32")["cwd"] == os.path.dirname(sys.executable)
    assert module._child({}, "linux")["cwd"] is None


# A shell in BROWSER, and an authorization endpoint that would like to run something

HOSTILE = {
    "substitution": "$(touch PWNED)",
    "substitution without a space": "$(touch${IFS}PWNED)",
    "backticks": "`touch${IFS}PWNED`",
    "double quotes": '";touch${IFS}PWNED;"',
    "single quotes": "';touch${IFS}PWNED;'",
    "semicolon": ";touch${IFS}PWNED;",
    "background": "&touch${IFS}PWNED&",
    "background, a word of a query": "a=b&touch%20PWNED&c",
    "background, a program of ours": "x&evil&evil=1&./evil&./evil=1&evil%20=",
    "pipe": "|touch${IFS}PWNED|",
    "and": "&&touch${IFS}PWNED&&",
    "redirection": ">PWNED",
    "redirection of a descriptor": "&>PWNED",
    "parentheses": "(touch${IFS}PWNED)",
    "newline": "\ntouch PWNED\n",
    "escaped newline": "%0atouch%20PWNED%0a",
    "space": " ;touch PWNED",
    "escaped substitution": "%24%28touch%20PWNED%29",
    "fragment": "#;touch${IFS}PWNED",
    "backslash": "\\;touch${IFS}PWNED",
    "another %s": "%s;touch${IFS}PWNED",
    "half an escape": "%;touch${IFS}PWNED;%2",
    "braces": "{touch,PWNED}",
    "variables of the shell": "PATH=.&IFS=u&ENV=./evil&BASH_ENV=./evil",
}
PLACES = ("https://auth.example.com/{}", "https://auth.example.com/authorize?{}", "https://a{}.example.com/authorize")
SHELLS = {
    "in quotes": r'''sh -c "echo \"%s\" > seen"''',
    "bare": 'sh -c "echo %s > seen"',
    "bare, and more after it": 'sh -c "echo %s > seen; ls > ls"',
    "bash, bare": 'bash -c "echo %s > seen"',
}


def addresses(words):
    """Return what would be opened for such endpoints, those aside that are no URLs and refused long before."""
    for place in PLACES:
        try:
            yield with_query(place.format(words), {"response_type": "code", "state": "s"})
        except ValueError:
            pass


@pytest.fixture
def shell(request, program, tmp_path, monkeypatch):
    """Return a command for BROWSER that has a shell read the address, in an empty directory with an evil program."""
    monkeypatch.chdir(tmp_path)
    program("evil", f"echo > {tmp_path}/PWNED")
    if not shutil.which(request.param.split()[0]):
        pytest.skip("there is no such shell")
    return request.param


shells = pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS, indirect=True)


@shells
@pytest.mark.parametrize("words", HOSTILE.values(), ids=HOSTILE)
def test_no_shell_runs_what_a_server_sends(tmp_path, words, shell):
    """The shell is started as webbrowser starts it; the next test has webbrowser do so."""
    for address in addresses(words):
        subprocess.run([word.replace("%s", address) for word in shlex.split(shell)], capture_output=True, check=False)
        assert (tmp_path / "seen").exists()  # the shell has come to its end
        assert not (tmp_path / "PWNED").exists(), address


@shells
def test_no_shell_in_browser_runs_what_a_server_sends(tmp_path, eventually, shell):
    for address in addresses("".join(HOSTILE[name] for name in ("substitution without a space", "background", "pipe"))):
        opener = open_browser(address, {**os.environ, "BROWSER": shell}, "linux")
        eventually(lambda opener=opener: opener.poll() is not None)
        assert (tmp_path / "seen").exists()
        assert not (tmp_path / "PWNED").exists(), address
