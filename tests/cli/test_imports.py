"""A cached token is printed without what takes time to import."""

import re

SLOW = {"ssl", "http", "urllib.request", "argparse", "dataclasses", "inspect", "tempfile", "subprocess", "threading"}


def loaded(client, *arguments) -> set[str]:
    done = client.run(*arguments, env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))


def test_cached_token_loads_nothing_slow(signed_in):
    names = loaded(signed_in, "token")

    assert "authgate_cli.edges.file_store" in names
    assert names & SLOW == set()
    assert not any(name.startswith(("authgate_cli.flows", "authgate_cli.session", "http.")) for name in names)


def test_the_list_would_show_them(signed_in):
    assert loaded(signed_in, "login") >= {"http.client", "threading", "authgate_cli.session"}
