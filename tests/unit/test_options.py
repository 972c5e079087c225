"""The command line is read by tables: options stand before or after the command."""

from __future__ import annotations

import pytest

from authgate_cli.errors import UsageError
from authgate_cli.options import Command, Option, parse

OPTIONS = (
    Option("url", "server", "URL"),
    Option("json", "print JSON", short="j"),
    Option("quiet", "say less", short="q"),
    Option("param", "more", "NAME=VALUE"),
)
COMMANDS = {
    "login": Command("login", "sign in", options=(Option("force", "always"),)),
    "token": Command("token", "print it", options=(Option("format", "how", "FORM"),)),
    "exec": Command("exec", "run", operands="-- CMD"),
}
READ = {
    "nothing": ([], ("login", {}, ())),
    "command": (["token"], ("token", {}, ())),
    "option first": (["--url", "u", "token"], ("token", {"url": "u"}, ())),
    "option last": (["token", "--url", "u"], ("token", {"url": "u"}, ())),
    "option alone": (["--url=u"], ("login", {"url": "u"}, ())),
    "equals in the value": (["--url=a=b"], ("login", {"url": "a=b"}, ())),
    "empty value": (["--url="], ("login", {"url": ""}, ())),
    "value with a dash": (["--url", "-1"], ("login", {"url": "-1"}, ())),
    "switch": (["--json", "token"], ("token", {"json": True}, ())),
    "short switch": (["-q"], ("login", {"quiet": True}, ())),
    "short switches together": (["-qj"], ("login", {"quiet": True, "json": True}, ())),
    "command's own option": (["--format", "raw", "token"], ("token", {"format": "raw"}, ())),
    "twice, the last counts": (["--url", "a", "--url", "b"], ("login", {"url": "b"}, ())),
    "operands": (["exec", "ls", "-"], ("exec", {}, ("ls", "-"))),
    "operands that look like options": (
        ["exec", "--json", "--", "ls", "--url"],
        ("exec", {"json": True}, ("ls", "--url")),
    ),
    "a second -- is an operand": (["exec", "--", "a", "--"], ("exec", {}, ("a", "--"))),
    "-- and nothing": (["--"], ("login", {}, ())),
}


@pytest.mark.parametrize(("argv", "arguments"), READ.values(), ids=READ)
def test_a_command_line_is_read(argv, arguments):
    assert parse(argv, OPTIONS, COMMANDS) == (*arguments, ())


def test_a_repeatable_option_keeps_all_of_its_values():
    read = parse(["--param", "a=1", "token", "--param=b=2"], OPTIONS, COMMANDS)
    assert (read.command, read.params) == ("token", ("a=1", "b=2"))


REFUSED = {
    "unknown command": (["tokne"], "unknown command 'tokne'", "did you mean token?"),
    "command like no other": (["xyzzy"], "unknown command 'xyzzy'", "see authgate.pyz --help"),
    "token that was to be inspected": (
        ["eyJhbGciOiJIUzI1NiJ9.e30.c2ln"],
        "unknown command (not shown, as it may be a token)",
        "see authgate.pyz --help",
    ),
    "token that begins with a dash": (
        ["token", "-8sdf7hsdfkjh34k"],
        "unknown option (not shown, as it may be a token)",
        "see authgate.pyz --help",
    ),
    "short token": (["eyJh.123"], "unknown command (not shown, as it may be a token)", "see authgate.pyz --help"),
    "unknown option": (["--jsn"], "unknown option --jsn", "did you mean --json?"),
    "option like no other": (["--xyzzy"], "unknown option --xyzzy", "see authgate.pyz --help"),
    "short options together, one unknown": (["-qx"], "unknown option -qx", "see authgate.pyz --help"),
    "no value": (["--url"], "--url needs a value", "for example --url URL"),
    "option as a value": (["--url", "--json"], "--url needs a value", "for example --url URL"),
    "switch with a value": (["--json=yes"], "--json takes no value", None),
    "option of another command": (
        ["token", "--force"],
        "--force is not an option of 'token'",
        "it is an option of login",
    ),
    "too many words": (
        ["token", "a", "b"],
        "'token' takes no arguments",
        "see authgate.pyz token --help",
    ),
}


@pytest.mark.parametrize(("argv", "message", "hint"), REFUSED.values(), ids=REFUSED)
def test_what_is_in_no_table_is_refused_with_the_next_step(argv, message, hint):
    with pytest.raises(UsageError) as caught:
        parse(argv, OPTIONS, COMMANDS)
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize("argv", [["--client-secret", "hush"], ["--client-secret=hush"]], ids=["apart", "attached"])
def test_a_client_secret_is_never_an_option(argv):
    with pytest.raises(UsageError, match="cannot be given as an option") as caught:
        parse(argv, OPTIONS, COMMANDS)
    assert "CLIENT_SECRET" in caught.value.hint


def test_the_value_of_an_unknown_option_is_not_shown():
    with pytest.raises(UsageError) as caught:
        parse(["--secret=hush"], OPTIONS, COMMANDS)
    assert "hush" not in caught.value.message


def test_the_command_line_is_left_as_it_was():
    argv = ["--url", "u", "token"]
    parse(argv, OPTIONS, COMMANDS)
    assert argv == ["--url", "u", "token"]
