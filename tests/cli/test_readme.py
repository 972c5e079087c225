"""The README, `--help` and `.env.example` say the same, and what they say is so."""

import re

import pytest
from client import ROOT
from readme import BLOCKS, README, RUN_BY, block

from authgate_cli.commands import COMMANDS
from authgate_cli.options import SETTINGS, SWITCHES, VARIABLES
from authgate_cli.settings import DOTENV_MAY_SET
from authgate_cli.sign_in import qr
from authgate_cli.system import env_file

OURS = {f"--{option.name}" for option in (*SETTINGS, *SWITCHES)} | {
    f"--{option.name}" for command in COMMANDS.values() for option in command.options
}
OF_OTHER_TOOLS = {"--no-install-recommends", "--user", "--now"}  # the example's script, apt-get, systemctl
# Docker's; what would matter only for a plain http that is not allowed; a name in settings.py.
OF_OTHERS = {"ENV", "HTTP_PROXY", "SETTINGS"}


def test_every_option_is_in_the_readme_and_every_option_in_it_exists():
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)) - OF_OTHER_TOOLS == OURS


def test_every_variable_is_in_the_readme():
    assert {name for name in VARIABLES if f"`{name}`" not in README} == set()


def test_the_readme_says_what_a_found_env_may_set():
    said = README.split("### `.env`")[1].split("and nothing else")[0]
    assert set(re.findall(r"`([A-Z_]+)`", said)) == DOTENV_MAY_SET


def test_every_command_is_in_the_readme():
    assert {name for name in COMMANDS if not re.search(rf"^\| `{name}[` ]", README, re.MULTILINE)} == set()


def test_env_example_offers_what_a_found_env_may_set_and_names_the_rest_as_exports():
    text = (ROOT / ".env.example").read_text()
    offered, malformed = env_file.parse(re.sub(r"^# (?=[A-Z_]+=)", "", text, flags=re.MULTILINE).encode())
    exported, malformed_too = env_file.parse("\n".join(re.findall(r"^# (export .*)", text, re.MULTILINE)).encode())

    assert set(offered) == DOTENV_MAY_SET
    assert set(exported) == VARIABLES - DOTENV_MAY_SET
    assert malformed == malformed_too == []


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_fits_a_screen_has_an_example_and_names_every_setting(client, command):
    arguments = [command, "--help"] if command else ["--help"]

    text = client.run(*arguments).stdout

    assert "authgate.pyz" in text.split("examples:", 1)[1]
    assert max(map(len, text.splitlines())) <= 80
    assert len(text.splitlines()) <= 48
    if command is None:
        assert all(name in text for name in VARIABLES)
        assert all(name in text for name in COMMANDS)
    else:
        assert all(f"--{option.name}" in text for option in COMMANDS[command].options)


def test_every_block_of_the_readme_is_run_by_somebody():
    assert sorted(each.title for each in BLOCKS) == sorted(RUN_BY)
    for title, runner in RUN_BY.items():
        assert f'"{title}"' in (ROOT / runner).read_text() or runner == ".ci/run", f"{runner} does not run {title}"


def test_the_commands_of_the_first_screen_are_those_of_ci():
    targets = re.findall(r"^make (\w+)", "\n".join(README.splitlines()[:60]), re.MULTILINE)

    assert targets == ["demo", "test"]
    assert re.findall(r"^fresh (\w+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE) == targets


def test_the_picture_shows_what_the_program_prints():
    picture = block("text: $ authgate.pyz")
    address = re.search(r"or open directly +(\S+)", picture)[1]
    shown = [line.rstrip() for line in qr.render(qr.encode(address), colour=False)]

    assert "\n".join(shown).strip() in picture


def test_the_modules_that_contributors_are_shown_exist():
    shown = re.findall(r"^  ([\w/. ]+?)  ", block("text: authgate_cli/"), re.MULTILINE)
    names = " ".join(shown).replace("…", "").split()

    assert len(names) > 10
    assert {name for name in names if not (ROOT / "authgate_cli" / name).exists()} == set()


def test_every_variable_in_the_readme_exists():
    """What looks like one is a setting, or is looked at in the source."""
    source = "".join(path.read_text() for path in (ROOT / "authgate_cli").rglob("*.py"))
    named = set(re.findall(r"`([A-Z][A-Z0-9]*_?[A-Z0-9_]+)[`=]", README)) - OF_OTHERS

    assert {name for name in named if f'"{name}"' not in source} == set()
