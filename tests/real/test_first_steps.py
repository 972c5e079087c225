"""The README's commands, run as they stand, with real names in the place of the example's."""

import json
import re

import pytest
from reader import Reader
from readme import block


@pytest.fixture
def reader(archive, server, tmp_path):
    return Reader(archive, server, tmp_path)


def labels(report: str) -> list[str]:
    return re.findall(r"^([^:\n]+): ", report, re.MULTILINE)


def test_first_sign_in_ends_in_the_report_that_is_shown(reader):
    done = reader.run(block("sh: mkdir -p"))

    assert done.returncode == 0, done.stderr
    assert labels(done.stdout) == labels(block("text: User: Jane Doe"))
    assert done.stdout.startswith("User: Jane Doe (jane@example.com)\n")


def test_script_examples_work(reader):
    assert reader.run(block("sh: mkdir -p")).returncode == 0
    settings = {"AUTHGATE_URL": reader.server.issuer, "CLIENT_ID": reader.server.client_id}

    done = reader.run(block("sh: authgate.pyz token"), **settings)

    assert done.returncode == 0, done.stderr
    about, deployed = done.stdout.split("}", 1)
    assert json.loads(about + "}")["active"] is True
    assert re.fullmatch(r"\s*deployed --all with a token of [1-9]\d+ characters\n", deployed)


def test_script_examples_say_when_a_sign_in_is_needed(reader):
    last = block("sh: authgate.pyz token").splitlines()[-1]

    assert reader.run(last, AUTHGATE_URL=reader.server.issuer, CLIENT_ID="nobody").stdout == "sign in first\n"
