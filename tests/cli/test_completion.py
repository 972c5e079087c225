"""What Tab makes of a line in an interactive bash (macOS: 3.2)."""

import shlex
import shutil

import pytest
from screen import Screen

# In the place of the program, a function that answers the completion script and shows what else it was given.
STAND_IN = """
PS1='ready> '
authgate.pyz() {
    if [[ $2 == words ]]; then %s "$@"; else printf '<%%s>' "$@"; echo; fi
}
"""
COMPLETED = {
    "a command": ("sta", "<status>"),
    "a value": ("--flow dev", "<--flow><device>"),
    "a file": ("--env-file my", "<--env-file><my file.json>"),
    "a file, attached": ("--env-file=my", "<--env-file=my file.json>"),
    "a file in quotes": ('--env-file "my', "<--env-file><my file.json>"),
    "a file, its space typed": (r"--env-file my\ f", "<--env-file><my file.json>"),
    "the program to run": ("exec -- printen", "<exec><--><printenv>"),
    "the path of a program": ("exec -- ./my", "<exec><--><./my file.json>"),
    "a file for the program to run": ("exec -- cat my", "<exec><--><cat><my file.json>"),
}


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash on this system")
@pytest.mark.parametrize(("line", "given"), COMPLETED.values(), ids=COMPLETED)
def test_bash_completes(client, tmp_path, line, given):
    (tmp_path / "my file.json").touch(mode=0o755)
    (tmp_path / "script").write_text(client.run("completion", "bash").stdout + STAND_IN % shlex.join(client.command()))
    screen = Screen(client, program=("bash", "--noprofile", "--rcfile", "script", "-i"))
    try:
        screen.wait_for("ready> ")
        screen.type(f"authgate.pyz {line}\t\n")
        shown = screen.wait_for(r"(<.*>)\r\n")[1]
    finally:
        screen.close()
    assert shown == given
