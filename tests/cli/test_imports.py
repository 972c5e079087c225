"""A cached token is printed without what takes time to import, and from code that is compiled already."""

import ast
import re
import subprocess

from client import ROOT

SLOW = {"ssl", "http", "urllib.request", "argparse", "dataclasses", "inspect", "tempfile", "subprocess", "threading"}


def loaded(client, *arguments) -> set[str]:
    python, *command = client.command(*arguments)
    done = subprocess.run(
        [python, "-S", *command],  # what the .pth files of a machine's own Python load is no doing of ours
        env=client.environ(PYTHONPROFILEIMPORTTIME="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))


def test_cached_token_loads_nothing_slow(signed_in):
    names = loaded(signed_in, "token")

    assert "authgate_cli.store.stored_file" in names
    assert names & SLOW == set()
    assert not any(name.startswith(("authgate_cli.flows", "authgate_cli.session", "http.")) for name in names)


def test_a_report_from_a_stored_token_loads_no_flow(signed_in):
    names = loaded(signed_in, "login")

    assert names >= {"socket", "json", "authgate_cli.session", "authgate_cli.system.http"}
    assert names & {"http.server", "webbrowser", "subprocess", "secrets"} == set()
    assert not any(name.startswith(("authgate_cli.sign_in.browser_flow", "authgate_cli.sign_in")) for name in names)


def test_what_is_compiled_in_the_archive_is_what_a_cached_token_loads(signed_in):
    assignments = {
        ast.unparse(node.targets[0]): ast.literal_eval(node.value)
        for node in ast.parse((ROOT / "build.py").read_text()).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("HOT", "OUTSIDE")
    }
    compiled = {f"authgate_cli/{name}.py" for name in assignments["HOT"]} | set(assignments["OUTSIDE"])
    paths = {name.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".") for name in compiled}

    printed = {name for name in loaded(signed_in, "token") if name.startswith("authgate_cli")}
    # What the loader of the archive has in hand is not imported by name, and is not in the list.
    assert paths - printed <= {"authgate_cli.commands.token"}
    assert printed <= paths
