"""Who may set what, and what is never sent to a server that the user has not named."""

from __future__ import annotations

import pytest

from authgate_cli.context import recall
from authgate_cli.errors import UsageError
from authgate_cli.options import SETTINGS, VARIABLES
from authgate_cli.settings import DOTENV, STORED_IDENTITY, Settings, resolve
from authgate_cli.system.env_file import read_env_file

YES, NO = True, False
ISSUER, OTHER = "https://auth.example.com", "https://other.example.com"
# flag, environment, --env-file, a `.env` that was found
WHO_MAY_SET = {
    "AUTHGATE_URL": (YES, YES, YES, YES),
    "CLIENT_ID": (YES, YES, YES, YES),
    "CLIENT_SECRET": (NO, YES, YES, YES),
    "AUTHGATE_SCOPE": (YES, YES, YES, YES),
    "AUTHGATE_FLOW": (YES, YES, YES, YES),
    "AUTHGATE_REDIRECT_URI": (YES, YES, YES, YES),
    "AUTHGATE_STORE": (YES, YES, YES, NO),
    "AUTHGATE_TOKEN_FILE": (YES, YES, YES, NO),
    "AUTHGATE_ACCOUNT": (YES, YES, YES, NO),
    "AUTHGATE_TIMEOUT": (YES, YES, YES, YES),
    "AUTHGATE_NO_INPUT": (YES, YES, YES, YES),
    "AUTHGATE_TOKEN": (NO, YES, YES, NO),
}
# Honoured, but from the environment alone and not as settings.
HONOURED = ("BROWSER", "NO_COLOR", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
WHO_MAY_SET.update((name, (NO, NO, NO, NO)) for name in HONOURED)
VALUES = {
    "AUTHGATE_URL": ISSUER,
    "AUTHGATE_FLOW": "device",
    "AUTHGATE_REDIRECT_URI": "http://127.0.0.1:9/callback",
    "AUTHGATE_STORE": "keyring",
    "AUTHGATE_TIMEOUT": "7",
    "AUTHGATE_NO_INPUT": "1",
}
FLAGS = {option.variable: option.name for option in SETTINGS}


def test_the_table_has_every_setting():
    assert set(WHO_MAY_SET) == VARIABLES | set(HONOURED)


@pytest.mark.parametrize("place", range(4), ids=["flag", "environment", "env-file", "found"])
@pytest.mark.parametrize("variable", WHO_MAY_SET)
def test_who_may_set_what(tmp_path, variable, place):
    may, value, warnings = WHO_MAY_SET[variable][place], VALUES.get(variable, "given"), []
    flags, environ, file = {}, {}, tmp_path / ".env"
    if place == 0:
        flags = {FLAGS[variable]: value} if variable in FLAGS else {}
    elif place == 1:
        environ = {variable: value}
    elif place == 2:
        flags = {"env-file": str(file)}
    if place >= 2:
        file.touch(0o600)
        file.write_text(f"{variable}={value}\n")
    dotenv = read_env_file(str(file), place == 2, warnings.append)

    settled = resolve(flags, environ, dotenv)

    source = [f"--{FLAGS.get(variable)}", "environment", f"--env-file {file}", DOTENV][place]
    assert settled.sources == ({variable: source} if may else {})
    assert (settled == resolve({}, {}, {})) == (not may)
    assert warnings == (
        [f"{variable} in {file} is ignored; export it, or name the file with --env-file {file}"]
        if place == 3 and not may and variable in VARIABLES
        else []
    )


@pytest.mark.parametrize("variable", [name for name, (*_, found) in WHO_MAY_SET.items() if not found])
def test_what_a_found_file_may_not_set_is_not_taken_from_it_whoever_has_read_it(variable):
    assert resolve({}, {}, {variable: VALUES.get(variable, "given")}) == resolve({}, {}, {})


# -- secrets

URL, SECRET = {"AUTHGATE_URL": ISSUER}, {"CLIENT_SECRET": "hush"}
# flags, environment, file; and whether a file was named
SENT = {
    "both exported": ({}, {**URL, **SECRET}, {}),
    "both found": ({}, {}, {**URL, **SECRET}),
    "found, to an exported URL": ({}, URL, SECRET),
    "exported, to a flag": ({"url": ISSUER}, SECRET, {}),
    "exported, to a named file's": ({"env-file": "x"}, SECRET, URL),
    "exported, to an exported URL that is found as well": ({}, {**URL, **SECRET}, {"AUTHGATE_URL": OTHER}),
    "none, to a found URL": ({}, {}, URL),
}
NOT_SENT = {
    "exported, to a found URL": ({}, SECRET, URL),
    "exported, to a found URL with a secret": ({}, SECRET, {**URL, "CLIENT_SECRET": "other"}),
    "exported, to a found URL beside an empty one": ({}, {**SECRET, "AUTHGATE_URL": " "}, URL),
    "exported, to a found URL beside an empty flag": ({"url": ""}, SECRET, URL),
}


@pytest.mark.parametrize(("flags", "environ", "file"), SENT.values(), ids=SENT)
def test_a_secret_goes_to_a_server_that_is_as_trusted(flags, environ, file):
    resolve(flags, environ, file).require_trusted_issuer("CLIENT_SECRET")


@pytest.mark.parametrize(("flags", "environ", "file"), NOT_SENT.values(), ids=NOT_SENT)
def test_an_exported_secret_does_not_go_to_a_server_that_only_a_found_file_names(flags, environ, file):
    with pytest.raises(UsageError, match=f"CLIENT_SECRET is not sent to {ISSUER}, .* only from .env") as caught:
        resolve(flags, environ, file).require_trusted_issuer("CLIENT_SECRET")
    assert caught.value.hint == "export AUTHGATE_URL as well, or put CLIENT_SECRET into .env"
    assert "hush" not in repr(caught.value)


def test_an_exported_token_cannot_be_put_into_a_found_file():
    with pytest.raises(UsageError) as caught:
        resolve({}, {"AUTHGATE_TOKEN": "hush"}, URL).require_trusted_issuer("AUTHGATE_TOKEN")
    assert caught.value.hint == "export AUTHGATE_URL as well"


# -- the stored identity

JANE, PROD = (ISSUER, "client-1"), (OTHER, "client-1")
RECALLED = {
    "the only one": (Settings(), [JANE], JANE),
    "one with two accounts": (Settings(), [JANE, JANE], JANE),
    "one with and without a slash": (Settings(), [(ISSUER + "/", "client-1"), JANE], JANE),
    "the client of this server": (Settings(issuer=OTHER), [JANE, PROD], PROD),
    "the server of this client": (Settings(client_id="b"), [JANE, (OTHER, "b")], (OTHER, "b")),
    "the server as it was typed": (Settings(issuer=ISSUER + "/"), [JANE], (ISSUER + "/", "client-1")),
    "none stored": (Settings(), [], ("", "")),
    "none fits": (Settings(issuer="https://new.example"), [JANE], ("https://new.example", "")),
}


@pytest.mark.parametrize(("settings", "stored", "identity"), RECALLED.values(), ids=RECALLED)
def test_the_one_stored_identity_that_fits_is_used(settings, stored, identity):
    recalled = recall(settings, stored)
    assert (recalled.issuer, recalled.client_id) == identity
    assert set(recalled.sources.values()) <= {STORED_IDENTITY}


def test_several_stored_identities_are_listed_with_the_way_to_choose():
    with pytest.raises(UsageError) as caught:
        recall(Settings(), [JANE, PROD])
    assert caught.value.message == (
        "AUTHGATE_URL and CLIENT_ID are not set, and more than one identity is stored: "
        f"client-1 at {ISSUER}, client-1 at {OTHER}"
    )
    assert "--url and --client-id" in caught.value.hint


def test_each_of_many_stored_identities_is_listed():
    with pytest.raises(UsageError) as caught:
        recall(Settings(), [(ISSUER, "x" * 3000), *((f"https://auth-{n}.example.com", "client") for n in range(40))])
    assert all(f"client at https://auth-{n}.example.com" in caught.value.message for n in range(40))
    assert "x" * 101 not in caught.value.message


def test_only_what_is_missing_is_asked_for():
    with pytest.raises(UsageError, match="^CLIENT_ID is not set, and more than one identity is stored: a at .*, b at "):
        recall(Settings(issuer=ISSUER), [(ISSUER, "a"), (ISSUER, "b"), PROD])


def test_an_exported_secret_does_not_go_to_the_stored_server():
    settings = recall(resolve({}, {**SECRET, "CLIENT_ID": "client-1"}, {}), [JANE])
    with pytest.raises(UsageError, match="only from the stored identity") as caught:
        settings.require_trusted_issuer("CLIENT_SECRET")
    assert caught.value.hint == "export AUTHGATE_URL as well"


def test_a_stored_client_at_an_exported_server_may_have_the_secret():
    recall(resolve({}, {**SECRET, **URL}, {}), [JANE]).require_trusted_issuer("CLIENT_SECRET")
