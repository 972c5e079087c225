"""A directory that an attacker wrote, and what a command there must not do.

Each test starts from what a person has (exported secrets, stored tokens) and from a `.env` that
names the attacker's server, which knows a client of the same name.
"""

import json
import os

import pytest
from authgate_server import AuthGateServer

NOBODY = 65534
UNSET = {"AUTHGATE_URL": None, "CLIENT_ID": None}


@pytest.fixture
def attacker(server):
    with AuthGateServer(client_id=server.client_id, device_interval=0) as attacker:
        yield attacker


@pytest.fixture
def dotenv(home):
    """Write the `.env` of the current directory."""

    def write(**values):
        path = home / ".env"
        path.touch(0o600)
        path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        return path

    return write


def heard_by(server):
    """Return everything that anybody has sent to a server."""
    return repr([(seen.path, seen.query, seen.form, seen.headers.items()) for seen in server.requests])


def store(token_file, key, **fields):
    document = json.loads(token_file.read_text()) if token_file.exists() else {"data": {}}
    document["data"][key] = json.dumps(fields)
    token_file.touch(0o600)
    token_file.write_text(json.dumps(document))


# -- the token file

STARTUP_FILES = {"absent": None, "there": b"alias ll='ls -l'\n", "empty": b""}


@pytest.mark.parametrize("content", STARTUP_FILES.values(), ids=STARTUP_FILES)
@pytest.mark.parametrize("argv", [("token",), ("exec", "--", "no-such-program"), ("login",), ("status",), ("logout",)])
def test_a_found_env_does_not_choose_the_file_that_is_written(authgate, attacker, dotenv, home, argv, content):
    """A client ID of `$(command)` in ~/.bash_aliases would be run by the next shell."""
    aliases = home / ".bash_aliases"
    if content is not None:
        aliases.write_bytes(content)
        aliases.chmod(0o644)
    attacker.register(client_id="$(touch pwned)", secret="x", grants={"client_credentials"})
    dotenv(
        AUTHGATE_URL=attacker.issuer,
        CLIENT_ID="'$(touch pwned)'",
        CLIENT_SECRET="x",
        AUTHGATE_FLOW="client-credentials",
        AUTHGATE_TOKEN_FILE="~/.bash_aliases",
    )

    result = authgate(*argv, env=UNSET)

    assert "AUTHGATE_TOKEN_FILE in .env is ignored; export it, or name the file with --env-file .env" in result.err
    assert (aliases.read_bytes() if aliases.exists() else None) == content
    assert content is None or aliases.stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in home.iterdir() if "bash" in path.name) == [".bash_aliases"] * (
        content is not None
    )


def test_the_same_file_named_by_the_person_counts(authgate, server, dotenv, home):
    dotenv(AUTHGATE_TOKEN_FILE="~/elsewhere.json")

    assert authgate("login", "--flow", "device", "--env-file", ".env").status == 0

    assert (home / "elsewhere.json").exists()


def test_a_settings_file_in_the_home_directory_may_be_named_with_a_tilde(authgate, home):
    """No shell expands the tilde of --env-file=~/prod.env."""
    (home / "prod.env").write_text("AUTHGATE_SCOPE=openid\n")
    (home / ".env").write_text("AUTHGATE_SCOPE=email\n")

    assert "AUTHGATE_SCOPE from --env-file ~/prod.env\n" in authgate("doctor", "--env-file=~/prod.env").out
    without_a_home = authgate("status", "--env-file=~/prod.env", env={"HOME": ""})
    assert without_a_home.err.startswith("authgate: error: the settings file ~/prod.env does not exist\n")


# -- secrets that the person exported

SENDING = {
    "token": ("token", "--flow", "client-credentials"),
    "login": ("login", "--flow", "client-credentials"),
    "device": ("login", "--flow", "device"),
    "browser": ("login", "--flow", "browser"),
    "exec": ("exec", "--flow", "client-credentials", "--", "no-such-program"),
    "doctor": ("doctor",),
    "doctor of a machine": ("doctor", "--flow", "client-credentials"),
}


@pytest.mark.parametrize("quiet", [(), ("-q",)], ids=["", "quiet"])
@pytest.mark.parametrize("argv", SENDING.values(), ids=SENDING)
def test_an_exported_secret_is_not_sent_to_the_server_of_a_found_env(authgate, attacker, dotenv, argv, quiet):
    dotenv(AUTHGATE_URL=attacker.issuer)

    result = authgate(*argv[:1], *quiet, *argv[1:], env={"AUTHGATE_URL": None, "CLIENT_SECRET": "exported-secret"})

    told = result.out if argv[0] == "doctor" else result.err
    assert result.status == 2
    assert f"CLIENT_SECRET is not sent to {attacker.issuer}, which is known only from .env" in told
    assert "export AUTHGATE_URL as well, or put CLIENT_SECRET into .env" in told
    assert "exported-secret" not in heard_by(attacker)
    assert argv[0] == "doctor" or attacker.requests == []


def test_logout_neither_sends_the_secret_nor_forgets_the_token(authgate, attacker, dotenv, token_file):
    store(token_file, attacker.client_id, access_token="theirs", issuer=attacker.issuer)
    dotenv(AUTHGATE_URL=attacker.issuer)
    before = token_file.read_bytes()

    result = authgate("logout", env={"AUTHGATE_URL": None, "CLIENT_SECRET": "exported-secret"})

    assert (result.status, attacker.requests, token_file.read_bytes()) == (2, [], before)


def test_a_secret_of_the_same_env_is_used(authgate, attacker, dotenv):
    attacker.register(client_id="machine", secret="their-own", grants={"client_credentials"})
    dotenv(
        AUTHGATE_URL=attacker.issuer,
        CLIENT_ID="machine",
        CLIENT_SECRET="their-own",
        AUTHGATE_FLOW="client-credentials",
    )

    result = authgate("token", env=UNSET)

    assert (result.status, result.err) == (0, "")


@pytest.mark.parametrize("argv", [("login",), ("status",), ("doctor",)])
def test_an_exported_token_that_names_no_issuer_is_not_sent_either(authgate, attacker, dotenv, argv):
    dotenv(AUTHGATE_URL=attacker.issuer)

    result = authgate(*argv, env={"AUTHGATE_URL": None, "AUTHGATE_TOKEN": "an-opaque-token"})

    assert result.status == 2
    assert f"AUTHGATE_TOKEN is not sent to {attacker.issuer}, which is known only from .env" in result.out + result.err
    assert "an-opaque-token" not in heard_by(attacker)
    assert argv == ("doctor",) or attacker.requests == []


def test_an_exported_token_is_printed_and_handed_on_all_the_same(authgate, attacker, dotenv):
    """Nothing is sent for that."""
    dotenv(AUTHGATE_URL=attacker.issuer)

    assert authgate("token", env={"AUTHGATE_URL": None, "AUTHGATE_TOKEN": "opaque"}).out == "opaque\n"


def test_an_exported_token_that_names_the_issuer_itself_is_sent(authgate, server, dotenv):
    token = server.issue("openid profile")["access_token"]
    dotenv(AUTHGATE_URL=server.issuer)

    result = authgate("login", env={**UNSET, "AUTHGATE_TOKEN": token})

    assert (result.status, result.err) == (0, "")


# -- stored tokens that name no issuer

OPAQUE = {"access_token": "opaque-access", "refresh_token": "opaque-refresh", "token_type": "Bearer"}
USING = {
    "token": (("token",), 4),
    "status": (("status",), 4),
    "login": (("login", "--no-input"), 4),
    "exec": (("exec", "--", "no-such-program"), 4),
    "inspect": (("inspect",), 4),
    "logout": (("logout",), 0),
    "sign-in": (("login", "--flow", "device"), 0),
}


@pytest.mark.parametrize("expires_at", ["0", "4102444800"], ids=["expired", "good"])
@pytest.mark.parametrize("quiet", [(), ("-q",)], ids=["", "quiet"])
@pytest.mark.parametrize(("argv", "status"), USING.values(), ids=USING)
def test_a_stored_token_that_names_no_issuer_is_left_alone(
    authgate, attacker, server, dotenv, token_file, argv, status, quiet, expires_at
):
    expires_at = "2020-01-01T00:00:00Z" if expires_at == "0" else expires_at
    store(token_file, server.client_id, **OPAQUE, expires_at=expires_at)
    before = json.loads(token_file.read_text())["data"][server.client_id]
    dotenv(AUTHGATE_URL=attacker.issuer)

    result = authgate(argv[0], *quiet, *argv[1:], env={"AUTHGATE_URL": None})

    assert result.status == status
    assert ("ignoring a stored token that does not name its server" in result.err) == (not quiet)
    assert "opaque-" not in result.out + result.err + heard_by(attacker)
    assert json.loads(token_file.read_text())["data"][server.client_id] == before
    assert authgate("token", now=lambda: 1_000_000_000.0).out in ("opaque-access\n", "")


def test_it_is_used_when_the_person_names_the_server(authgate, server, dotenv, token_file):
    store(token_file, server.client_id, **OPAQUE, expires_at="4102444800")
    path = dotenv(AUTHGATE_URL=server.issuer)

    for how in ({}, {"argv": ("--url", server.issuer)}, {"argv": ("--env-file", str(path))}):
        env = {} if not how else {"AUTHGATE_URL": None}
        result = authgate("token", *how.get("argv", ()), env=env)
        assert (result.status, result.out) == (0, "opaque-access\n")
        assert "using it anyway" in result.err


# -- a `.env` of somebody else


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can make another user's file")
def test_another_users_env_in_a_sticky_directory_is_ignored(authgate, attacker, dotenv, home):
    """Root working in /tmp, where anybody can leave a file."""
    path = dotenv(AUTHGATE_URL=attacker.issuer, CLIENT_ID="x", CLIENT_SECRET="x", AUTHGATE_FLOW="client-credentials")
    path.chmod(0o644)
    os.chown(path, NOBODY, NOBODY)
    home.chmod(0o1777)

    result = authgate("token", env=UNSET)

    assert (result.status, attacker.requests) == (2, [])
    assert ".env is ignored: it belongs to another user; if you trust it, use --env-file .env" in result.err
    assert "AUTHGATE_URL and CLIENT_ID are not set" in result.err


def test_an_env_that_everybody_may_write_is_ignored_unless_it_is_named(authgate, attacker, dotenv):
    dotenv(AUTHGATE_URL=attacker.issuer, CLIENT_ID="x").chmod(0o666)

    result = authgate("token", env=UNSET)
    named = authgate("token", "--env-file", ".env", env=UNSET)

    assert (result.status, attacker.requests) == (2, [])
    assert ".env is ignored: it can be written by others; if you trust it, use --env-file .env" in result.err
    assert f"not signed in to {attacker.issuer}" in named.err


def test_a_bad_value_of_a_found_env_is_told_with_its_place(authgate, dotenv):
    dotenv(AUTHGATE_TIMEOUT="soon")

    assert "AUTHGATE_TIMEOUT in .env must be a number of seconds" in authgate("token").err


# -- the doctor


def test_the_doctor_says_what_is_ignored_and_why(authgate, server, dotenv):
    dotenv(AUTHGATE_URL=server.issuer, AUTHGATE_STORE="keyring", AUTHGATE_TOKEN="hush-hush\n?")

    result = authgate("doctor", "--json", env={"AUTHGATE_URL": None})

    checks = {(one["name"], one["state"], one["text"], one["remedy"]) for one in json.loads(result.out)["checks"]}
    ignored = "AUTHGATE_STORE and AUTHGATE_TOKEN in .env are ignored"
    way_out = "export them, or name the file with --env-file .env"
    assert ("setting", "ok", "AUTHGATE_URL from .env", "") in checks
    assert ("setting", "ok", "CLIENT_ID from the environment", "") in checks
    assert ("settings file", "warning", ignored, way_out) in checks
    assert ("settings file", "warning", "line 4 of .env is malformed and is skipped", "") in checks
    assert "hush-hush" not in result.out
    assert result.err == ""


def test_the_doctor_names_a_file_that_was_named(authgate, dotenv, server):
    dotenv(AUTHGATE_SCOPE="openid")

    assert "AUTHGATE_SCOPE from --env-file .env\n" in authgate("doctor", "--env-file", ".env").out


def test_the_doctor_says_what_was_ignored_even_if_the_settings_are_wrong(authgate, dotenv):
    dotenv(AUTHGATE_STORE="file", AUTHGATE_TIMEOUT="soon")

    result = authgate("doctor")

    assert "warning   settings file: AUTHGATE_STORE in .env is ignored" in result.out
    assert "failed    settings: AUTHGATE_TIMEOUT in .env must be" in result.out


# -- the stored identity

REMEMBERING = {
    "login": ("login", "--no-input"),
    "token": ("token",),
    "status": ("status",),
    "exec": ("exec", "--", "no-such-program"),
    "inspect": ("inspect", "--verify"),
    "doctor": ("doctor",),
    "logout": ("logout",),
}


@pytest.fixture
def signed_in(authgate):
    assert authgate("login", "--flow", "device").status == 0


@pytest.mark.parametrize("argv", REMEMBERING.values(), ids=REMEMBERING)
def test_the_server_is_remembered_after_a_sign_in(authgate, server, signed_in, argv):
    before = len(server.requests)
    with_settings = authgate(*argv)
    if argv == ("logout",):
        assert authgate("login", "--flow", "device").status == 0

    result = authgate(*argv, env=UNSET)
    verbose = authgate(*argv, "-v", env=UNSET) if argv[0] not in ("logout", "exec") else result

    assert result.status == with_settings.status
    if argv[0] in ("token", "inspect", "status", "logout"):
        assert result.out.split("Expires")[0] == with_settings.out.split("Expires")[0]
    told = f"AUTHGATE_URL and CLIENT_ID from the stored identity: client {server.client_id} at {server.issuer}"
    assert (told in verbose.err) == (argv[0] not in ("logout", "exec"))
    assert told not in result.err
    assert before <= len(server.requests)


def test_the_report_names_what_was_remembered(authgate, server, signed_in):
    told = json.loads(authgate("login", "--json", env=UNSET).out)

    assert (told["issuer"], told["client_id"], told["source"]) == (server.issuer, server.client_id, "stored")


def test_the_doctor_says_that_it_is_remembered(authgate, signed_in):
    assert "AUTHGATE_URL from the stored identity" in authgate("doctor", env=UNSET).out


def test_nothing_is_remembered_of_entries_that_do_not_record_issuer_and_client(authgate, server, token_file):
    store(token_file, server.client_id, **OPAQUE, client_id=server.client_id)
    store(token_file, "another", **OPAQUE, issuer=server.issuer)
    store(token_file, "third", **OPAQUE, issuer="http://plain.example", client_id="third")

    result = authgate("token", env=UNSET)

    assert (result.status, result.out) == (2, "")
    assert "AUTHGATE_URL and CLIENT_ID are not set\n" in result.err


@pytest.mark.parametrize("argv", REMEMBERING.values(), ids=REMEMBERING)
def test_a_second_identity_makes_them_required_again(authgate, server, attacker, signed_in, argv):
    assert authgate("login", "--flow", "device", env={"AUTHGATE_URL": attacker.issuer}).status == 0

    result = authgate(*argv, env=UNSET)

    told = result.out if argv == ("doctor",) else result.err
    assert result.status == 2
    assert "AUTHGATE_URL and CLIENT_ID are not set, and more than one identity is stored: " in told
    assert f"{server.client_id} at {server.issuer}, {server.client_id} at {attacker.issuer}" in told
    assert "choose one with --url and --client-id" in told


def test_half_an_identity_is_completed_by_the_one_that_fits(authgate, server, attacker, signed_in):
    assert authgate("login", "--flow", "device", env={"AUTHGATE_URL": attacker.issuer}).status == 0

    ours = authgate("token", env={"CLIENT_ID": None})
    theirs = authgate("token", "--url", attacker.issuer, env=UNSET)

    assert ours.out.strip() in server.secrets()
    assert theirs.out.strip() in attacker.secrets()


def test_a_found_env_with_a_server_of_its_own_gets_nothing_remembered(authgate, attacker, dotenv, signed_in):
    dotenv(AUTHGATE_URL=attacker.issuer)

    result = authgate("token", env=UNSET)

    assert (result.status, attacker.requests) == (2, [])
    assert "CLIENT_ID is not set\n" in result.err


@pytest.mark.parametrize("variable", ["CLIENT_SECRET", "AUTHGATE_TOKEN"])
def test_exported_secrets_do_not_go_to_a_remembered_server(authgate, server, signed_in, variable):
    before = len(server.requests)

    result = authgate(
        "login", "--force"[: 7 * (variable == "CLIENT_SECRET")] or "-v", env={**UNSET, variable: "opaque"}
    )

    assert (result.status, len(server.requests)) == (2, before)
    assert f"{variable} is not sent to {server.issuer}, which is known only from the stored identity" in result.err
    assert "export AUTHGATE_URL as well" in result.err


def test_without_a_token_file_there_is_nothing_to_warn_of(authgate):
    result = authgate("token", env={**UNSET, "HOME": "/nonexistent"})

    assert (result.status, "warning" in result.err) == (2, False)


@pytest.mark.parametrize("command", [["token"], ["logout"], ["status", "--json"], ["doctor"], ["exec", "--", "true"]])
def test_a_corrupt_token_file_that_may_name_server_and_client_is_exit_5(authgate, token_file, command):
    token_file.write_text("{")
    token_file.chmod(0o600)

    result = authgate(*command, env=UNSET)

    assert result.status == 5
    assert "is corrupt" in result.err + result.out


def test_a_sign_in_beside_a_corrupt_token_file_asks_for_server_and_client(authgate, token_file):
    token_file.write_text("{")
    token_file.chmod(0o600)

    result = authgate("login", env=UNSET)

    assert result.status == 2
    assert "is corrupt" in result.err and "AUTHGATE_URL and CLIENT_ID are not set" in result.err


# -- --param


def test_parameters_go_into_the_authorization_request_and_some_into_the_token_request(
    authgate, server, robot, callback
):
    words = ("--param", "audience=api one", "--param", "resource=https://api.example", "--param", "login_hint=jane")

    result = authgate("login", "--redirect-uri", callback, *words, browser=robot())

    assert result.status == 0
    [asked] = [seen for seen in server.requests if seen.path == "/oauth/authorize"][:1]
    [redeemed] = [seen for seen in server.requests if seen.path == "/oauth/token"]
    for name, value in (("audience", "api one"), ("resource", "https://api.example"), ("login_hint", "jane")):
        assert asked.query[name] == value
        assert redeemed.form.get(name) == (None if name == "login_hint" else value)


def test_parameters_go_into_the_device_request(authgate, server):
    assert authgate("login", "--flow", "device", "--param", "audience=a", "--param=acr_values=2").status == 0

    [asked] = [seen for seen in server.requests if seen.path == "/oauth/device/code"]
    redeemed = [seen for seen in server.requests if seen.path == "/oauth/token"][-1]
    assert (asked.form["audience"], asked.form["acr_values"]) == ("a", "2")
    assert (redeemed.form["audience"], redeemed.form.get("acr_values")) == ("a", None)


def test_no_parameter_that_we_set_ourselves_is_missing_from_the_list(authgate, server, robot, callback):
    from authgate_cli.settings import OWN_PARAMETERS

    authgate("login", "--scope", "openid", "--redirect-uri", callback, browser=robot())
    authgate("login", "--flow", "device", "--force")
    authgate("token", "--min-ttl", "1000000", "--scope", "email")
    authgate("token", now=lambda: 4_000_000_000.0)

    paths = ("/oauth/authorize", "/oauth/device/code", "/oauth/token")
    requests = [seen for seen in server.requests if seen.path in paths and "decision" not in seen.form]
    sent = {name for seen in requests for name in (*seen.query, *seen.form)}
    assert {"nonce", "code", "code_verifier", "device_code", "refresh_token"} <= sent
    assert sent <= OWN_PARAMETERS


def test_a_parameter_that_we_set_ourselves_is_refused(authgate, server):
    result = authgate("login", "--param", "state=x")

    assert (result.status, server.requests) == (2, [])
    assert "--param state is set by authgate itself" in result.err
