"""Accounts: several tokens of one client, side by side; `status --all` and `logout --all` see each of them."""

import json

import pytest

from authgate_cli.commands.token import API_VERSIONS

ACCOUNTS = ("", "jane", "jane@work")


@pytest.fixture
def signed_in(authgate, server):
    """Sign in once without an account and once to each account; return the access token of each."""

    def token(account) -> str:
        named = ("--account", account) if account else ()
        authgate("--flow", "device", *named)
        return authgate("token", *named).out

    return {account: token(account) for account in ACCOUNTS}


def entries(token_file) -> dict:
    return {key: json.loads(text) for key, text in json.loads(token_file.read_text())["data"].items()}


def test_each_account_has_its_token_beside_the_one_without_a_name(authgate, server, token_file, signed_in):
    stored = entries(token_file)

    assert set(stored) == {server.client_id, f"{server.client_id}#jane", f"{server.client_id}#jane@work"}
    assert {entry["client_id"] for entry in stored.values()} == {server.client_id}
    assert len(set(signed_in.values())) == 3
    assert authgate("token", env={"AUTHGATE_ACCOUNT": " jane "}).out == signed_in["jane"]
    assert authgate("token").out == signed_in[""]


def test_account_that_nobody_signed_in_to_says_how_to(authgate, server, signed_in):
    for command in ("token", "status"):
        result = authgate(command, "--account", "bob@work")

        assert result.status == 4
        assert result.err == (
            f"authgate: error: not signed in to {server.issuer} (account bob@work)\n"
            "authgate: hint: run authgate.pyz login --account 'bob@work'\n"
        )


def test_account_is_named_where_nobody_may_be_asked(authgate):
    result = authgate("login", "--account", "bob", "--no-input")

    assert (result.status, "run authgate.pyz login --account bob in a terminal" in result.err) == (4, True)


def test_refresh_and_new_sign_in_leave_the_other_accounts_alone(authgate, server, token_file, signed_in):
    before = entries(token_file)
    for more in (("token", "--min-ttl", "999999999"), ("login", "--force", "--flow", "device")):
        assert authgate(*more, "--account", "jane").status == 0
    after = entries(token_file)

    changed = {key for key in after if after[key] != before[key]}
    assert changed == {f"{server.client_id}#jane"}
    assert authgate("status").status == authgate("status", "--account", "jane@work").status == 0  # not revoked


def test_signing_out_of_an_account_leaves_the_others(authgate, server, token_file, signed_in):
    result = authgate("logout", "--account", "jane")

    assert result.out == f"Signed out of {server.issuer} (account jane).\n"
    assert set(entries(token_file)) == {server.client_id, f"{server.client_id}#jane@work"}
    assert authgate("logout", "--account", "jane").out == f"Not signed in to {server.issuer} (account jane).\n"


def test_all_accounts_of_a_client_are_one_identity_that_is_remembered(authgate, signed_in):
    unset = {"AUTHGATE_URL": None, "CLIENT_ID": None}

    assert authgate("token", env=unset).out == signed_in[""]
    assert authgate("token", "--account", "jane", env=unset).out == signed_in["jane"]


def test_client_whose_name_would_be_that_of_an_account_is_refused(authgate, server, token_file, signed_in):
    before = token_file.read_bytes()

    for command in (["token"], ["login", "--no-input"], ["logout"]):
        result = authgate(*command, env={"CLIENT_ID": f"{server.client_id}#jane"})

        assert (result.status, result.out) == (2, "")
        assert "error: CLIENT_ID contains #" in result.err
    assert token_file.read_bytes() == before


def test_identity_that_cannot_be_a_setting_is_not_remembered(authgate, server, token_file):
    entry = {"access_token": "theirs", "client_id": "their#client", "issuer": server.issuer}
    token_file.write_text(json.dumps({"data": {"their#client": json.dumps(entry)}}))
    token_file.chmod(0o600)

    result = authgate("token", env={"AUTHGATE_URL": None, "CLIENT_ID": None})

    assert (result.status, result.out) == (2, "")
    assert "AUTHGATE_URL and CLIENT_ID are not set" in result.err
    assert "Client: their#client" in authgate("status", "--all").out


def test_machine_uses_the_account_that_is_named_and_overwrites_no_person(authgate, server, token_file):
    server.register(secret="hush", grants={"client_credentials", "device_code"})
    person = authgate("--flow", "device", env={"CLIENT_SECRET": "hush"})
    before = entries(token_file)
    machine = {"CLIENT_SECRET": "hush", "AUTHGATE_FLOW": "client-credentials"}

    unnamed = authgate("token", "--verbose", env=machine)
    named = authgate("token", "--account", "ci", env=machine)

    assert (person.status, unnamed.status, named.status) == (0, 0, 0)
    assert "the token is not stored: a person's token is stored for this client" in unnamed.err
    assert set(entries(token_file)) - set(before) == {f"{server.client_id}#ci"}
    assert entries(token_file)[server.client_id] == before[server.client_id]
    assert authgate("token", "--account", "ci", env=machine).out == named.out != unnamed.out


def test_machine_is_not_given_the_token_of_a_person_who_has_no_refresh_token(authgate, server, token_file):
    server.register(secret="hush", grants={"client_credentials", "device_code"})
    server.misbehave("/oauth/token", edit=lambda told: {**told, "refresh_token": None})
    authgate("--flow", "device", env={"CLIENT_SECRET": "hush"})
    before = entries(token_file)

    machine = authgate("token", env={"CLIENT_SECRET": "hush", "AUTHGATE_FLOW": "client-credentials"})

    assert machine.status == 0
    assert machine.out.strip() != before[server.client_id]["access_token"]
    assert entries(token_file) == before


# -- status --all


def test_every_stored_token_is_listed_and_nobody_asked(authgate, server, token_file, signed_in):
    server.requests.clear()

    result = authgate("status", "--all", env={"AUTHGATE_URL": None, "CLIENT_ID": None})

    assert (result.status, result.err, server.requests) == (0, "", [])
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in result.out.split("\n\n")]
    assert [block.get("Account", "") for block in blocks] == list(ACCOUNTS)
    for block in blocks:
        assert (block["Server"], block["Client"]) == (server.issuer, server.client_id)
        assert block["Expires"].startswith("in 59 min (")
        assert block["Kept in"] == str(token_file)


def test_all_as_json_is_one_document(authgate, server, token_file, signed_in):
    document = json.loads(authgate("status", "--all", "--json").out)

    assert list(document) == ["tokens", "error", "hint", "exit_status"]
    assert [one["account"] for one in document["tokens"]] == [None, "jane", "jane@work"]
    assert list(document["tokens"][0]) == ["account", "client_id", "issuer", "store", "expires_in", "expires_at"]
    assert document["tokens"][1]["store"] == str(token_file)


def test_nothing_stored_is_an_empty_list(authgate):
    assert authgate("status", "--all") == (0, "No token is stored.\n", "")
    assert json.loads(authgate("status", "--all", "--json").out)["tokens"] == []


def test_tokens_of_others_and_without_an_issuer_are_listed_too(authgate, token_file):
    token_file.touch(0o600)
    token_file.write_text(json.dumps({"data": {"sdk": '{"access_token": "opaque"}'}, "tokens": {"go": {}}}))

    [one] = json.loads(authgate("status", "--all", "--json").out)["tokens"]

    assert (one["client_id"], one["issuer"], one["expires_at"]) == ("sdk", None, None)
    assert "Server: (not recorded)\nClient: sdk\nExpires: never\n" in authgate("status", "--all").out


def test_store_that_cannot_be_read_is_exit_5_with_a_document(authgate, token_file):
    token_file.touch(0o600)
    token_file.write_text("{")

    result = authgate("status", "--all", "--json")

    assert (result.status, json.loads(result.out)["exit_status"]) == (5, 5)
    assert authgate("status", "--all").out == ""


def test_signing_out_of_all_names_each_account(authgate, server, token_file, signed_in):
    result = authgate("logout", "--all")

    told = f"Signed out of {server.issuer} as client {server.client_id}"
    assert result.out.splitlines() == [f"{told}.", f"{told} (account jane).", f"{told} (account jane@work)."]
    assert entries(token_file) == {}


def test_completions_are_told_the_accounts_of_the_token_file_alone(authgate, signed_in):
    words = ("completion", "words", "--", "--account", "")
    unset = {"AUTHGATE_URL": None, "CLIENT_ID": None}

    for store in ("file", "auto", "keyring"):
        assert authgate(*words, env={**unset, "AUTHGATE_STORE": store}).out == "jane\njane@work\n"


# -- kubectl


@pytest.mark.parametrize(
    ("info", "version"),
    [
        *((None, API_VERSIONS[0]), ("", API_VERSIONS[0]), ("no JSON", API_VERSIONS[0]), ("[]", API_VERSIONS[0])),
        ("[" * 100_000, API_VERSIONS[0]),
        ("{}", API_VERSIONS[0]),
        *((json.dumps({"apiVersion": one, "kind": "ExecCredential", "spec": {}}), one) for one in API_VERSIONS),
    ],
)
def test_kubectl_gets_the_version_that_it_asks_for(authgate, info, version):
    result = authgate(
        *("token", "--format", "exec-credential"), env={"AUTHGATE_TOKEN": "ready", "KUBERNETES_EXEC_INFO": info}
    )

    assert (result.status, json.loads(result.out)["apiVersion"]) == (0, version)


@pytest.mark.parametrize("asked", ["client.authentication.k8s.io/v1alpha1", "v1", 7, None], ids=str)
def test_kubectl_that_asks_for_another_version_is_told_so(authgate, asked):
    info = json.dumps({"apiVersion": asked})
    env = {"AUTHGATE_TOKEN": "ready", "KUBERNETES_EXEC_INFO": info}

    result = authgate("token", "--format", "exec-credential", env=env)

    assert (result.status, result.out) == (2, "")
    assert result.err.startswith(f"authgate: error: KUBERNETES_EXEC_INFO asks for the apiVersion {asked}, ")
    assert authgate("token", env=env).out == "ready\n"  # and no other format looks at it
