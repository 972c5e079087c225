"""What an acceptance test from outside found, kept as cases."""

import json
import time

import pytest

from authgate_cli.system.browser import Environment


def without_userinfo(server):
    server.misbehave(
        "/.well-known/openid-configuration",
        times=None,
        edit=lambda told: {name: value for name, value in told.items() if name != "userinfo_endpoint"},
    )


@pytest.mark.parametrize("command", ["login", "status"])
@pytest.mark.parametrize(
    "fault",
    [{"status": 401, "body": {"error": "invalid_token"}}, {"edit": lambda told: {**told, "active": False}}],
    ids=str,
)
def test_token_that_only_tokeninfo_refuses_is_refused(authgate, server, command, fault):
    authgate("--flow", "device")
    without_userinfo(server)
    server.misbehave("/oauth/tokeninfo", times=None, **fault)

    result = authgate(command, "--no-input")

    assert result.status == 4


def test_status_does_not_claim_that_somebody_checked(authgate, server):
    authgate("--flow", "device")
    without_userinfo(server)
    server.tokeninfo = False

    result = authgate("status", "--json")

    told = json.loads(result.out)
    assert (result.status, told["checked_by"]) == (1, None)
    assert told["hint"]


def test_ready_token_is_not_sent_to_a_server_that_did_not_issue_it(authgate, server):
    token = server.sign({"iss": "https://real.example", "sub": "jane"})

    for command in ("login", "status"):
        result = authgate(command, env={"AUTHGATE_TOKEN": token})
        assert (result.status, result.out.count("User:")) == (2, 0)
        assert "https://real.example" in result.err
    assert not any(seen.headers["Authorization"] for seen in server.requests)


def test_login_and_status_agree_on_when_a_ready_token_ends(authgate, server):
    token = {"AUTHGATE_TOKEN": server.issue()["access_token"]}

    login = json.loads(authgate("--json", env=token).out)
    status = json.loads(authgate("status", "--json", env=token).out)

    assert login["token"]["expires_at"] == status["token"]["expires_at"] is not None


def test_machine_does_not_act_in_the_name_of_a_person_who_signed_in(authgate, server):
    client = {"CLIENT_ID": server.confidential_id, "CLIENT_SECRET": server.confidential_secret}
    person = json.loads(authgate("--flow", "device", "--json", "--show-tokens", env=client).out)

    machine = authgate("token", "--flow", "client-credentials", env=client)

    assert machine.status == 0
    assert machine.out.strip() != person["token"]["access_token"]


@pytest.mark.parametrize("command", ["status", "doctor"])
@pytest.mark.parametrize("wrong", ["--nope", "--timeout=x", "--url=x"])
def test_status_and_doctor_print_their_document_in_every_case(authgate, command, wrong):
    result = authgate(command, "--json", wrong)

    assert result.status == 2
    assert isinstance(json.loads(result.out), dict)


def test_ssh_line_names_the_port_of_the_ssh_server():
    from authgate_cli.system.browser import detect

    environ = {"SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 2222", "USER": "joe"}

    assert detect(environ, terminal=True).ssh_login == "-p 2222 joe@6.7.8.9"


def test_nothing_is_said_of_opening_a_browser_that_is_not_there(authgate, server, robot, callback):
    person = robot()

    def read(text):
        if "/oauth/authorize?" in text:
            person(text.strip())

    here = Environment("linux", terminal=True)
    result = authgate("--flow", "browser", "--redirect-uri", callback, here=here, watch=read)

    assert result.status == 0
    assert "To sign in, open this address in a browser:" in result.err


@pytest.mark.parametrize(
    ("argv", "operands"),
    [
        (["exec", "echo", "--json", "hi"], ("echo", "--json", "hi")),
        (["exec", "sh", "-c", "echo hi"], ("sh", "-c", "echo hi")),
        (["exec", "--verbose", "echo", "--verbose"], ("echo", "--verbose")),
    ],
    ids=str,
)
def test_options_after_a_programs_name_are_the_programs_own(argv, operands):
    from authgate_cli.commands import COMMANDS
    from authgate_cli.options import SETTINGS, SWITCHES, parse

    assert parse(argv, (*SETTINGS, *SWITCHES), COMMANDS).operands == operands


def test_refusal_to_refresh_says_what_to_do(authgate, server):
    authgate("--flow", "device")
    server.misbehave("/oauth/token", status=400, body={"error": "access_denied"})

    result = authgate("token", "--min-ttl", "99999", now=lambda: time.time() + 3600)

    assert result.status == 1
    assert "login --force" in result.err
