"""The README, `--help` and `.env.example` say the same, and what they say is so."""

import re
import subprocess
from pathlib import Path

import pytest
from client import ROOT

from authgate_cli import dotenv
from authgate_cli.commands import COMMANDS
from authgate_cli.settings import SETTINGS, SWITCHES, VARIABLES

README = (ROOT / "README.md").read_text()
OURS = {f"--{option.name}" for option in (*SETTINGS, *SWITCHES)} | {
    f"--{option.name}" for command in COMMANDS.values() for option in command.options
}
OF_OTHER_TOOLS = {"--chmod", "--all"}  # Docker's ADD, and the example's own script


def test_every_option_is_in_the_readme_and_every_option_in_it_exists():
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)) - OF_OTHER_TOOLS == OURS


def test_every_variable_is_in_the_readme():
    assert {name for name in VARIABLES if f"`{name}`" not in README} == set()


def test_every_command_is_in_the_readme():
    assert {name for name in COMMANDS if not re.search(rf"^\| `{name}[` ]", README, re.MULTILINE)} == set()


def test_env_example_has_every_variable_and_is_well_formed():
    text = (ROOT / ".env.example").read_text()
    everything = dotenv.parse(re.sub(r"^# (?=[A-Z_]+=)", "", text, flags=re.MULTILINE).encode())

    assert set(everything.values) == VARIABLES
    assert everything.malformed == ()


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


def test_script_examples_run_as_they_stand(signed_in, server, tmp_path):
    block = re.search(r"## In scripts\n\n```sh\n(.*?)```", README, re.DOTALL)[1]
    script = block.replace("https://api.example.com/me", f"{server.issuer}/oauth/userinfo")
    (tmp_path / "authgate.pyz").symlink_to(signed_in.archive)
    deploy = tmp_path / "deploy.sh"
    deploy.write_text('#!/bin/sh\necho "deployed $* with ${#AUTHGATE_TOKEN}"\n')
    deploy.chmod(0o755)
    python = tmp_path / "python3"
    python.symlink_to(Path(signed_in.python))

    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=tmp_path,
        env=signed_in.environ(PATH=f"{tmp_path}:{signed_in.environment['PATH']}"),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert '"name": "Jane Doe"' in done.stdout.replace('":"', '": "')
    assert re.search(r"deployed --all with [1-9]\d+", done.stdout)
    assert "sign in first" not in done.stdout
