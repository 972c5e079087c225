"""A stored token is printed without what takes time to import, and from byte code."""

import re
import subprocess
import zipfile

SLOW = {
    *("ssl", "socket", "http", "email", "subprocess", "threading", "hashlib", "secrets", "tempfile"),
    *("typing", "dataclasses", "inspect", "argparse", "keyring"),
}
NETWORK_AND_FLOWS = {
    *("server", "sign_in", "refresh", "report", "system.http", "oauth.messages", "oauth.endpoints"),
    *("system.keyring_process", "system.env_file", "store.keyring_store", "store.locks"),
}


def loaded(client, *arguments, archive=None) -> "set[str]":
    python, *command = client.command(*arguments)
    command[0] = str(archive or command[0])
    done = subprocess.run(
        [python, "-S", *command],  # what the .pth files of a machine's own Python load is no doing of ours
        env=client.environ(PYTHONPROFILEIMPORTTIME="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))


def test_a_stored_token_is_printed_without_anything_slow(signed_in, tmp_path):
    with zipfile.ZipFile(tmp_path / "empty.pyz", "w") as empty:
        empty.writestr("__main__.py", "")
    # Python 3.9 loads typing to run any archive.
    names = loaded(signed_in, "token") - loaded(signed_in, archive=tmp_path / "empty.pyz")

    assert "authgate_cli.store.file_store" in names
    assert {name.split(".")[0] for name in names} & SLOW == set()
    assert names & {f"authgate_cli.{name}" for name in NETWORK_AND_FLOWS} == set()


def test_a_report_from_a_stored_token_loads_no_flow_and_over_http_no_tls(signed_in):
    names = loaded(signed_in, "login")

    assert "authgate_cli.system.http" in names
    assert not any(name.startswith("authgate_cli.sign_in") for name in names)
    assert names & {"keyring", "http.server", "webbrowser", "dataclasses"} == set()


def test_byte_code_in_the_archive_is_what_a_stored_token_loads(signed_in):
    with zipfile.ZipFile(signed_in.archive) as opened:
        compiled = {name for name in opened.namelist() if name.endswith(".pyc")}
    modules = {name[: -len(".pyc")].replace("/__init__", "").replace("/", ".") for name in compiled}

    printed = {name for name in loaded(signed_in, "token") if name.startswith("authgate_cli")}

    # importlib says nothing of a command that cli.py imports by its name before Python 3.12.
    assert modules - {"__main__"} == printed | {"authgate_cli.commands.token"}
