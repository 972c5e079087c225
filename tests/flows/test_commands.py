"""What holds for every command: one JSON document or nothing, no surprise sign-in, settings anywhere, usage errors."""

import json
import time

import pytest

from authgate_cli import __version__, cli
from authgate_cli.commands import COMMANDS
from authgate_cli.system.browser import Environment
from authgate_cli.system.terminal import Terminal

CI = Environment("linux", ci=True)  # no terminal: nobody can answer
JSON_COMMANDS = {
    "login": ("login",),
    "token": ("token",),
    "status": ("status",),
    "logout": ("logout",),
    "inspect": ("inspect",),
    "doctor": ("doctor",),
    **{f"completion {shell}": ("completion", shell) for shell in ("bash", "zsh", "fish", "powershell")},
    "help": ("help", "token"),
}
REPORTING = ("status", "doctor")  # their document is there in every case


def test_every_command_is_tried_here():
    assert {name.split()[0] for name in JSON_COMMANDS} | {"exec"} == set(COMMANDS)


@pytest.mark.parametrize("command", JSON_COMMANDS.values(), ids=JSON_COMMANDS)
@pytest.mark.parametrize("place", ["before", "after"])
def test_json_is_one_document_on_success(authgate, command, place):
    authgate("--flow", "device")

    result = authgate("--json", *command) if place == "before" else authgate(*command, "--json")

    assert result.status == 0
    assert isinstance(json.loads(result.out), dict)
    assert result.out.endswith("}\n")


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        (("login",), {"AUTHGATE_URL": None}),
        (("login", "--no-input"), {}),
        (("token",), {}),
        (("token", "--min-ttl", "x"), {}),
        (("logout",), {"AUTHGATE_URL": None}),
        (("inspect",), {}),
        (("inspect", "no-jwt"), {}),
        (("inspect", "--verify", "no-jwt"), {}),
        (("completion",), {}),
        (("completion", "tcsh"), {}),
        (("exec", "--", "true"), {}),
        (("exec",), {"AUTHGATE_TOKEN": "ready"}),
    ],
    ids=str,
)
def test_json_is_nothing_on_failure(authgate, command, environment):
    result = authgate(*command, "--json", env=environment)

    assert result.status != 0
    assert result.out == ""
    assert result.err.startswith("authgate: error: ")


@pytest.mark.parametrize(
    "command",
    [
        ["exec", "--bogus", "--", "systemctl", "status", "--json"],
        ["token", "--json", "status", "--bogus"],
        ["login", "--json", "doctor"],
    ],
)
def test_wrong_usage_of_another_command_prints_no_status(authgate, command):
    result = authgate(*command)

    assert (result.status, result.out) == (2, "")


def test_report_that_cannot_be_saved_is_printed_with_exit_5(authgate, server, token_file):
    def swap_the_file_for_a_directory(seen):
        token_file.mkdir()
        return False

    server.misbehave("/oauth/token", when=swap_the_file_for_a_directory)

    result = authgate("--flow", "device", "--json")

    assert result.status == 5
    assert json.loads(result.out)["store"] is None
    assert "authgate: error: the new token could not be saved: the token file" in result.err


# -- nobody to ask


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (("--no-input",), {}),
        (("login", "--no-input", "--force"), {}),
        (("--no-input", "--flow", "device"), {}),
        ((), {"AUTHGATE_NO_INPUT": "1"}),
        ((), {"AUTHGATE_NO_INPUT": "yes", "AUTHGATE_FLOW": "browser"}),
    ],
    ids=str,
)
def test_no_input_refuses_at_once_to_sign_in(authgate, server, arguments, environment):
    result = authgate(*arguments, env=environment)

    assert (result.status, result.out) == (4, "")
    assert result.err == (
        "authgate: error: signing in is needed, but --no-input is set\n"
        "authgate: hint: run authgate.pyz login in a terminal\n"
    )
    assert server.count("POST", "/oauth/device/code") == 0


def test_no_input_uses_what_is_stored_and_refreshes_it(authgate, server):
    server.access_ttl = 20
    authgate("--flow", "device")

    result = authgate("--no-input", "--json", now=lambda: time.time() + 15)

    assert (result.status, json.loads(result.out)["source"]) == (0, "refreshed")


@pytest.mark.parametrize(("value", "status"), [("0", 0), ("false", 0), ("no", 0), ("", 0), ("maybe", 2)])
def test_no_input_can_be_off(authgate, value, status):
    assert authgate("--flow", "device", env={"AUTHGATE_NO_INPUT": value}).status == status


@pytest.mark.parametrize("arguments", [(), ("login", "--force"), ("--flow", "auto")], ids=str)
def test_ci_without_a_terminal_refuses_at_once_to_sign_in(authgate, server, arguments):
    result = authgate(*arguments, here=CI)

    assert (result.status, result.out) == (4, "")
    assert "nobody can sign in here (CI without a terminal)" in result.err
    assert "AUTHGATE_TOKEN" in result.err
    assert server.count("POST", "/oauth/device/code") == 0


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [(("--flow", "device"), {}), ((), {"AUTHGATE_FLOW": "device"})],
    ids=str,
)
def test_ci_signs_in_when_a_flow_is_named(authgate, arguments, environment):
    assert authgate(*arguments, here=CI, env=environment).status == 0


def test_ci_with_a_terminal_signs_in(authgate):
    assert authgate("--no-qr", here=CI._replace(terminal=True)).status == 0


def test_machine_signs_in_where_nobody_can_be_asked(authgate, server):
    machine = {"CLIENT_ID": server.confidential_id, "CLIENT_SECRET": server.confidential_secret}

    result = authgate("--no-input", "--flow", "client-credentials", "--json", here=CI, env=machine)

    assert (result.status, json.loads(result.out)["source"]) == (0, "client-credentials")


# -- settings before and after the command


@pytest.mark.parametrize("command", ["login", "status", "token", "doctor"])
def test_settings_stand_before_and_after_the_command(authgate, server, home, command):
    settings = (
        *("--url", server.issuer, f"--client-id={server.client_id}", "--scope", "profile"),
        *("--store=file", "--token-file", "elsewhere.json", "--timeout", "9", "--flow", "device"),
    )
    unset = {"AUTHGATE_URL": None, "CLIENT_ID": None, "AUTHGATE_STORE": None}
    assert authgate(*settings, env=unset).status == 0
    assert (home / "elsewhere.json").exists()

    before = authgate(*settings, command, env=unset)
    after = authgate(command, *settings, env=unset)

    assert before.status == after.status == 0


def test_flag_beats_variable_beats_dotenv_beats_default(authgate, server, home):
    def asked_scope(*arguments, **variables) -> str:
        authgate("login", "--force", "--flow", "device", *arguments, env=variables)
        return [seen.form["scope"] for seen in server.requests if seen.path == "/oauth/device/code"][-1]

    assert asked_scope() == "profile email"
    (home / ".env").write_text("\ufeffexport AUTHGATE_SCOPE='from dotenv'\r\n# comment\r\n")
    assert asked_scope() == "from dotenv"
    assert asked_scope(AUTHGATE_SCOPE="from environment") == "from environment"
    assert asked_scope("--scope", "from flag", AUTHGATE_SCOPE="from environment") == "from flag"


def test_malformed_line_is_named_by_its_number_and_not_shown(authgate, home):
    (home / ".env").write_text("AUTHGATE_FLOW=device\nsecret stuff\n")

    result = authgate()

    assert result.status == 0
    assert "authgate: warning: line 2 of .env is malformed" in result.err
    assert "stuff" not in result.err


# -- usage errors


@pytest.mark.parametrize(
    ("argv", "message", "hint"),
    [
        (["tokne"], "unknown command 'tokne'", "did you mean token?"),
        (["--jsno"], "unknown option --jsno", "did you mean --json?"),
        (["token", "--offline"], "--offline is not an option of 'token'", "it is an option of status"),
        (["status", "now"], "'status' takes no arguments", "see authgate.pyz status --help"),
        (["--url"], "--url needs a value", "for example --url URL"),
        (["--json=1"], "--json takes no value", None),
        (["--client-secret", "x"], "a client secret cannot be given as an option", "set CLIENT_SECRET"),
        (["--flow", "magic"], "--flow must be one of auto, browser, device, client-credentials", None),
        (["--store", "cloud"], "--store must be one of auto, keyring, file", None),
        (["--timeout", "0"], "--timeout must be a number of seconds above 0", "for example 30"),
        (["--timeout", "nan"], "--timeout must be a number of seconds above 0", "for example 30"),
        (["--url", "auth.example.com"], "--url is not a server URL", "for example https://auth.example.com"),
        (["--url", "http://auth.example.com"], "--url is plain http", "use https://auth.example.com"),
        (["--redirect-uri", "https://a.example/"], "--redirect-uri must be an http:// URL on this machine", None),
        (["--redirect-uri", "http://[::1]/#a"], "--redirect-uri must be an http:// URL on this machine, without", None),
        (["--scope", "ü"], "--scope has characters that are not allowed in a scope", None),
        (["--env-file", "nowhere"], "the settings file nowhere does not exist", "check --env-file"),
        (["exec"], "no command given", "for example authgate.pyz exec -- ./deploy.sh --all"),
        (["completion"], "completion needs a shell: bash, zsh, fish", "for example authgate.pyz completion bash"),
        (["inspect", "a", "b"], "inspect takes one token", None),
        (["help", "tokne"], "help takes one of these commands: login, token, ", None),
        (["help", "token", "login"], "help takes one of these commands: login, token, ", None),
        (["--account", "a#b"], "--account must be a name of at most 100 characters, without # and ://", None),
    ],
    ids=str,
)
def test_wrong_usage_is_exit_2_with_one_line_and_a_hint(authgate, argv, message, hint):
    result = authgate(*argv)

    lines = result.err.splitlines()
    assert (result.status, result.out) == (2, "")
    assert lines[0].startswith(f"authgate: error: {message}")
    assert len(lines) <= 2
    assert hint is None or lines[1].startswith(f"authgate: hint: {hint}")
    assert all(line.startswith("authgate: hint: ") for line in lines[1:])


@pytest.mark.parametrize("argv", [["--version"], ["-V"], ["token", "--version"]], ids=str)
def test_version_needs_no_settings(authgate, argv):
    result = authgate(*argv, env={"AUTHGATE_URL": None, "AUTHGATE_TIMEOUT": "wrong"})

    assert (result.status, result.err) == (0, "")
    assert result.out == f"authgate {__version__}\n"


@pytest.mark.parametrize("argv", [["--version", "--json"], ["token", "--json", "-V"]], ids=str)
def test_version_as_json(authgate, argv):
    result = authgate(*argv, env={"AUTHGATE_URL": None})

    assert (result.status, result.err) == (0, "")
    assert json.loads(result.out) == {"version": __version__}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("place", ["before", "after", "as a command"])
def test_help_of_a_command_is_asked_for_before_or_after_it(authgate, name, place):
    argv = {"before": ("--help", name), "after": (name, "-h"), "as a command": ("help", name)}[place]

    result = authgate(*argv, env={"AUTHGATE_URL": None, "AUTHGATE_TIMEOUT": "wrong"})

    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"usage: authgate.pyz {name}")


@pytest.mark.parametrize("topic", [(), ("exec",)], ids=str)
def test_help_is_the_same_as_the_option(authgate, topic):
    for more in ((), ("--json",)):
        assert authgate("help", *topic, *more) == authgate(*topic, "--help", *more)
    assert json.loads(authgate("help", "--json").out)["help"] == authgate("help").out


# -- bugs and tracebacks


def broken(_):
    raise ZeroDivisionError("a secret")


def test_a_bug_is_exit_70_without_a_traceback_and_asks_for_debug(authgate):
    result = authgate("--flow", "device", send=broken)

    assert (result.status, result.out) == (70, "")
    assert result.err == (
        "authgate: error: this is a bug in authgate (ZeroDivisionError)\n"
        "authgate: hint: run it again with --debug and report the output\n"
    )


@pytest.mark.parametrize(("argv", "shown"), [(("--debug",), True), ((), False)], ids=str)
def test_debug_shows_the_traceback(authgate, argv, shown):
    assert ("Traceback" in authgate("--flow", "device", *argv, send=broken).err) is shown
    assert ("Traceback" in authgate("token", *argv).err) is shown


def test_debug_of_the_command_that_exec_runs_is_not_ours(authgate):
    result = authgate("exec", "--", "true", "--debug")

    assert result.status == 4
    assert "Traceback" not in result.err


def test_reader_that_goes_away_changes_no_exit_status(home, server):
    """`status | head -c 0` must not say that the token is good."""
    import io

    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    err = io.StringIO()
    environ = {"AUTHGATE_URL": server.issuer, "CLIENT_ID": "x", "AUTHGATE_STORE": "file", "HOME": str(home)}

    status = cli.run(["status", "--json"], environ, Terminal(None, Gone(), err, {}))

    assert (status, err.getvalue()) == (4, "")


# -- completion

COMPLETED = {
    "a command": (["sta"], {"status"}),
    "a command after an option and its value": (["--flow", "device", "sta"], {"status"}),
    "an option of login without a command": (["--for"], {"--force"}),
    "an option of the command": (["token", "--min"], {"--min-ttl"}),
    "an option of another command": (["token", "--forc"], set()),
    "a general option before the command": (["--tok"], {"--token-file"}),
    "a value": (["--flow", "d"], {"device"}),
    "a value, attached": (["--flow=d"], {"--flow=device"}),
    "a value, attached, as bash parts it": (["--flow", "=", "d"], {"device"}),
    "every value, as bash parts it": (["--store", "="], {"auto", "keyring", "file"}),
    "a value of the command's option": (["token", "--format", "e"], {"exec-credential"}),
    "a value with an equals sign": (["--param", "login_hint=j"], set()),
    "a shell": (["completion", "f"], {"fish"}),
    "a file, which the shell knows best": (["--env-file", ""], set()),
    "an operand": (["inspect", ""], set()),
}


@pytest.mark.parametrize(("line", "words"), COMPLETED.values(), ids=COMPLETED)
def test_completions_are_told_what_the_last_word_may_become(authgate, line, words):
    result = authgate("completion", "words", "--", *line)

    assert (result.status, {row.partition("\t")[0] for row in result.out.splitlines()}) == (0, words)


def test_completions_explain_commands_and_options(authgate):
    rows = authgate("completion", "words", "--", "").out.splitlines()

    assert rows == [f"{name}\t{command.summary}" for name, command in COMMANDS.items()]
    assert authgate("completion", "words", "--", "--verb").out.startswith("--verbose\ta line per HTTP exchange")


def test_completion_needs_no_settings(authgate):
    assert authgate("completion", "words", "--", "tok", env={"AUTHGATE_TIMEOUT": "soon"}).out.startswith("token\t")
