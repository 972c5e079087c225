"""A flag beats the environment, which beats `.env`, which beats the default; nothing unusable gets in.

What a `.env` that was found may set, and what goes to a server that only it names, is in test_sources.py.
"""

from __future__ import annotations

import os
import re

import pytest

from authgate_cli.errors import UsageError
from authgate_cli.options import SETTINGS, SWITCHES, VARIABLES
from authgate_cli.settings import Settings, export, resolve

HOME = {"USERPROFILE" if os.name == "nt" else "HOME": "/home/jane"}


def settings(flags=None, environ=None, dotenv=None):
    return resolve(flags or {}, HOME | (environ or {}), dotenv or {})


def test_defaults_are_those_of_the_contract():
    assert settings() == Settings(
        issuer="",
        client_id="",
        client_secret=None,
        scope="profile email",
        flow="auto",
        redirect_uris=("http://127.0.0.1:8088/callback",),
        store="auto",
        token_file=os.path.join("/home/jane", ".authgate-tokens.json"),
        timeout=30,
        no_input=False,
        access_token=None,
        sources={},
    )


@pytest.mark.parametrize(
    "name", ["URL", "SCOPE", "FLOW", "REDIRECT_URI", "STORE", "TOKEN_FILE", "TIMEOUT", "NO_INPUT", "TOKEN"]
)
def test_our_variables_are_those_of_the_contract(name):
    assert f"AUTHGATE_{name}" in VARIABLES


def test_the_client_and_its_secret_have_the_names_that_others_use():
    assert {name for name in VARIABLES if not name.startswith("AUTHGATE_")} == {"CLIENT_ID", "CLIENT_SECRET"}


def test_no_switch_makes_a_bad_certificate_good():
    words = " ".join([*(option.name for option in (*SETTINGS, *SWITCHES)), *(str(one.variable) for one in SETTINGS)])
    assert not re.search("insecure|verify|trust|tls|ssl|cert", words, re.IGNORECASE)


def test_no_secret_is_a_flag():
    assert not [option.name for option in (*SETTINGS, *SWITCHES) if "secret" in option.name or option.name == "token"]


# One value for each place, and the setting that comes of it.
PLACES = {
    "AUTHGATE_URL": ("url", "issuer", ["https://flag.example", "https://environ.example", "https://dotenv.example"]),
    "CLIENT_ID": ("client-id", "client_id", ["flag", "environ", "dotenv"]),
    "AUTHGATE_SCOPE": ("scope", "scope", ["flag", "environ", "dotenv"]),
    "AUTHGATE_FLOW": ("flow", "flow", ["browser", "device", "client-credentials"]),
    "AUTHGATE_TIMEOUT": ("timeout", "timeout", [1, 2, 3]),
}


@pytest.mark.parametrize("variable", PLACES)
def test_a_flag_beats_the_environment(variable):
    flag, name, (of_flag, of_environ, of_dotenv) = PLACES[variable]
    settled = settings({flag: str(of_flag)}, {variable: str(of_environ)}, {variable: str(of_dotenv)})
    assert (getattr(settled, name), settled.sources) == (of_flag, {variable: f"--{flag}"})


@pytest.mark.parametrize("variable", PLACES)
def test_the_environment_beats_the_file(variable):
    _, name, (_, of_environ, of_dotenv) = PLACES[variable]
    settled = settings({}, {variable: str(of_environ)}, {variable: str(of_dotenv)})
    assert (getattr(settled, name), settled.sources) == (of_environ, {variable: "environment"})


@pytest.mark.parametrize("variable", PLACES)
def test_the_file_beats_the_default(variable):
    _, name, (_, _, of_dotenv) = PLACES[variable]
    settled = settings({}, {}, {variable: str(of_dotenv)})
    assert (getattr(settled, name), settled.sources) == (of_dotenv, {variable: ".env"})


def test_a_settings_file_is_named_as_the_source_of_what_it_says():
    settled = resolve({"env-file": "other.env"}, {}, {"CLIENT_ID": "c"})
    assert settled.sources == {"CLIENT_ID": "--env-file other.env"}


def test_an_empty_variable_counts_as_not_set():
    assert settings({}, {"CLIENT_ID": ""}, {"CLIENT_ID": "dotenv"}).client_id == "dotenv"


@pytest.mark.parametrize("flag", [option.name for option in SETTINGS if option.metavar and option.name != "scope"])
def test_an_empty_flag_counts_as_not_set(flag):
    assert settings({flag: ""}) == settings()


def test_an_empty_settings_file_counts_as_not_named():
    assert resolve({"env-file": ""}, {}, {"CLIENT_ID": "c"}).sources == {"CLIENT_ID": ".env"}


def test_an_empty_scope_asks_for_none():
    assert settings({"scope": ""}, {"AUTHGATE_SCOPE": "environ"}).scope == ""


PADDED = {
    "AUTHGATE_URL": ("issuer", " https://auth.example.com\n", "https://auth.example.com"),
    "CLIENT_ID": ("client_id", "\tclient-1 ", "client-1"),
    "CLIENT_SECRET": ("client_secret", "hush hush\r\n", "hush hush"),
    "AUTHGATE_TOKEN": ("access_token", "\ufeff token\n".lstrip("\ufeff"), "token"),
    "AUTHGATE_FLOW": ("flow", " device ", "device"),
    "AUTHGATE_TIMEOUT": ("timeout", " 5 ", 5),
    "AUTHGATE_NO_INPUT": ("no_input", " yes ", True),
    "AUTHGATE_TOKEN_FILE": ("token_file", " /tmp/my tokens ", "/tmp/my tokens"),
}


@pytest.mark.parametrize("variable", PADDED)
def test_white_space_around_a_value_of_the_environment_or_a_file_is_cut_off(variable):
    name, padded, value = PADDED[variable]
    assert getattr(settings({}, {variable: padded}), name) == value
    assert getattr(settings({"env-file": "named.env"}, {}, {variable: padded}), name) == value


@pytest.mark.parametrize("variable", PADDED)
def test_white_space_alone_counts_as_not_set(variable):
    assert settings({}, {variable: " \r\n"}) == settings()


@pytest.mark.parametrize(("variable", "name"), [("CLIENT_SECRET", "client_secret"), ("AUTHGATE_TOKEN", "access_token")])
def test_a_secret_comes_from_the_environment_or_the_file(variable, name):
    assert getattr(settings({}, {variable: "a"}, {variable: "b"}), name) == "a"
    assert getattr(settings({"env-file": "named.env"}, {}, {variable: "b"}), name) == "b"


ISSUERS = [
    "https://auth.example.com",
    "https://auth.example.com/",
    "https://auth.example.com:8443/realms/one/",
    "http://localhost:8080",
    "http://127.0.0.1",
    "http://[::1]:8080",
]


@pytest.mark.parametrize("url", ISSUERS)
def test_the_issuer_is_kept_byte_for_byte(url):
    assert settings({"url": url}).issuer == url


BAD_URLS = {
    "no scheme": ("auth.example.com", "must begin with"),
    "another scheme": ("ftp://auth.example.com", "must begin with"),
    "credentials": ("https://jane:hunter2@auth.example.com", "user name or password"),
    "plain http": ("http://auth.example.com", "plain http"),
    "plain http to a deceiving name": ("http://localhost.example.com", "plain http"),
    "line feed": ("https://auth.example.com\n/one", "characters"),
    "space": ("https://auth.example.com /one", "characters"),
    "port beyond all": ("https://auth.example.com:70000", "port"),
    "port of letters": ("https://auth.example.com:https", "port"),
    "no host": ("https://", "no host"),
    "query": ("https://auth.example.com/?a=b", "query or a fragment"),
    "empty query": ("https://auth.example.com/?", "query or a fragment"),
    "fragment": ("https://auth.example.com/#top", "query or a fragment"),
    "empty fragment": ("https://auth.example.com/#", "query or a fragment"),
}


@pytest.mark.parametrize(("url", "reason"), BAD_URLS.values(), ids=BAD_URLS)
def test_a_bad_server_url_is_refused(url, reason):
    with pytest.raises(UsageError, match=f"^AUTHGATE_URL is .*{reason}"):
        settings({}, {"AUTHGATE_URL": url})


def test_a_password_in_a_url_is_not_shown():
    with pytest.raises(UsageError) as caught:
        settings({"url": "https://jane:hunter2@auth.example.com"})
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


def test_the_hint_for_plain_http_is_the_same_url_over_https():
    with pytest.raises(UsageError) as caught:
        settings({"url": "http://auth.example.com/one"})
    assert "https://auth.example.com/one" in caught.value.hint


BAD_VALUES = {
    "flow of no name": ("AUTHGATE_FLOW", "magic"),
    "flow in capitals": ("AUTHGATE_FLOW", "Browser"),
    "store of no name": ("AUTHGATE_STORE", "cloud"),
    "timeout in words": ("AUTHGATE_TIMEOUT", "soon"),
    "timeout with a unit": ("AUTHGATE_TIMEOUT", "30s"),
    "timeout 0": ("AUTHGATE_TIMEOUT", "0"),
    "timeout below 0": ("AUTHGATE_TIMEOUT", "-1"),
    "timeout NaN": ("AUTHGATE_TIMEOUT", "nan"),
    "timeout without end": ("AUTHGATE_TIMEOUT", "inf"),
    "timeout above an hour": ("AUTHGATE_TIMEOUT", "3601"),
    "neither yes nor no": ("AUTHGATE_NO_INPUT", "maybe"),
    "scope with a quote": ("AUTHGATE_SCOPE", 'profile "email"'),
    "scope with a backslash": ("AUTHGATE_SCOPE", "profile\\email"),
    "scope with a line feed": ("AUTHGATE_SCOPE", "profile\nemail"),
    "scope that is not ASCII": ("AUTHGATE_SCOPE", "profïle"),
    "client with a line feed": ("CLIENT_ID", "client\n1"),
    "client with the account of another": ("CLIENT_ID", "client#account"),
    "client with a comment": ("CLIENT_ID", "client# production"),
    "client with an escape": ("CLIENT_ID", "client\x1b[2J"),
    "secret with a carriage return": ("CLIENT_SECRET", "hush\rhush"),
    "token with a space": ("AUTHGATE_TOKEN", "hush hush"),
    "token with a line feed": ("AUTHGATE_TOKEN", "hush\nhush"),
    "token that is not ASCII": ("AUTHGATE_TOKEN", "hüsh"),
    "token file with a line feed": ("AUTHGATE_TOKEN_FILE", "/tmp/a\nb"),
    "callback without a scheme": ("AUTHGATE_REDIRECT_URI", "localhost:8088/callback"),
    "callback over https": ("AUTHGATE_REDIRECT_URI", "https://127.0.0.1:8088/callback"),
    "callback elsewhere": ("AUTHGATE_REDIRECT_URI", "http://auth.example.com/callback"),
    "callback with a fragment": ("AUTHGATE_REDIRECT_URI", "http://127.0.0.1:8088/callback#end"),
    "callback with port 0": ("AUTHGATE_REDIRECT_URI", "http://127.0.0.1:0/callback"),
    "second callback elsewhere": ("AUTHGATE_REDIRECT_URI", "http://127.0.0.1:1/a,http://auth.example.com/b"),
    "comma and no callback": ("AUTHGATE_REDIRECT_URI", "http://127.0.0.1:1/a,"),
}


@pytest.mark.parametrize(("variable", "value"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_a_bad_value_is_refused_and_its_variable_named(variable, value):
    with pytest.raises(UsageError, match=f"^{variable} "):
        settings({}, {variable: value})


def test_a_bad_value_of_a_file_is_told_with_the_file():
    with pytest.raises(UsageError, match=r"^AUTHGATE_TIMEOUT in \.env "):
        settings({}, {}, {"AUTHGATE_TIMEOUT": "soon"})
    with pytest.raises(UsageError, match=r"^AUTHGATE_TIMEOUT in --env-file prod\.env "):
        settings({"env-file": "prod.env"}, {}, {"AUTHGATE_TIMEOUT": "soon"})


@pytest.mark.parametrize(
    "flag", [option.name for option in SETTINGS if option.metavar and option.name not in ("scope", "token-file")]
)
def test_a_bad_value_of_a_flag_is_told_of_the_flag(flag):
    with pytest.raises(UsageError, match=f"^--{flag} "):
        settings({flag: "\n"})


@pytest.mark.parametrize("variable", ["CLIENT_SECRET", "AUTHGATE_TOKEN"])
def test_a_bad_secret_is_not_shown(variable):
    with pytest.raises(UsageError) as caught:
        settings({}, {variable: "hunter2 \n hunter2"})
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


def test_a_callback_without_a_scheme_is_not_told_to_be_https_alone():
    with pytest.raises(UsageError, match="http://"):
        settings({"redirect-uri": "localhost:8088/callback"})


def test_several_callbacks_keep_their_order():
    uris = settings({"redirect-uri": "http://localhost:1/b, http://127.0.0.1:2/a"}).redirect_uris
    assert uris == ("http://localhost:1/b", "http://127.0.0.1:2/a")


def test_scopes_are_parted_by_single_spaces():
    assert settings({"scope": "  openid   email "}).scope == "openid email"


def test_a_timeout_may_have_a_fraction():
    assert settings({"timeout": "0.5"}).timeout == 0.5


@pytest.mark.parametrize("value", ["1", "true", "YES", "on", "y"])
def test_no_input_may_be_a_yes(value):
    assert settings({}, {"AUTHGATE_NO_INPUT": value}).no_input is True


@pytest.mark.parametrize("value", ["", "0", "False", "no", "OFF", "n"])
def test_no_input_may_be_a_no(value):
    assert settings({}, {"AUTHGATE_NO_INPUT": value}).no_input is False


def test_no_input_is_told_every_word_that_it_may_be():
    with pytest.raises(
        UsageError, match="^AUTHGATE_NO_INPUT must be one of 1, true, yes, on, y, 0, false, no, off, n$"
    ):
        settings({}, {"AUTHGATE_NO_INPUT": "maybe"})


def test_the_switch_no_input_is_a_yes():
    assert settings({"no-input": True}, {"AUTHGATE_NO_INPUT": "0"}).no_input


@pytest.mark.skipif(os.name == "nt", reason="paths of POSIX")
@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("~/tokens.json", "/home/jane/tokens.json"),
        ("/tmp/tokens.json", "/tmp/tokens.json"),
        ("tokens.json", "tokens.json"),
        ("tokens~.json", "tokens~.json"),
        ("~no-such-user/tokens.json", ""),
    ],
)
def test_a_tilde_is_the_home_of_this_environment(written, path):
    assert settings({"token-file": written}).token_file == path


@pytest.mark.parametrize(
    ("flags", "command"),
    [
        ({}, "authgate.pyz login"),
        ({"account": "jane@work"}, "authgate.pyz login --account 'jane@work'"),
        ({"account": "o'brien"}, r"authgate.pyz login --account 'o'\''brien'"),
        ({"env-file": "~/prod.env"}, "authgate.pyz --env-file ~/prod.env login"),
        (
            {"env-file": "my servers/a.env", "account": "work"},
            "authgate.pyz --env-file 'my servers/a.env' login --account work",
        ),
    ],
)
def test_the_command_that_signs_in_again_names_the_file_and_the_account(flags, command):
    assert settings(flags, {}, {"AUTHGATE_URL": "https://auth.example.com"}).login_command == command


def test_an_empty_home_is_none_and_not_the_root_directory():
    assert settings({}, {"HOME": "", "USERPROFILE": ""}).token_file == ""


SHELLS = {
    "cmd": ({"PSMODULEPATH": r"C:\windows\Modules", "USERPROFILE": r"C:\Users\jane"}, "set A=1 and set B=2"),
    "PowerShell": (
        {"PSMODULEPATH": r"c:\users\Jane\Documents\PowerShell\Modules;C:\x", "USERPROFILE": r"C:\Users\jane"},
        "$env:A='1' and $env:B='2'",
    ),
}


@pytest.mark.parametrize(("environ", "words"), SHELLS.values(), ids=SHELLS)
def test_variables_are_set_as_the_shell_does(environ, words):
    assert export({"A": "1", "B": "2"}, environ) == ("export A=1 B=2" if os.name == "posix" else words)


PARAMS = {
    "no equals sign": ("audience", "NAME=VALUE"),
    "no name": ("=x", "NAME=VALUE"),
    "nothing": ("", "NAME=VALUE"),
    "state": ("state=x", "--param state is set by authgate itself"),
    "redirect_uri": ("redirect_uri=https://a.example", "--param redirect_uri is set by authgate itself"),
    "client_secret": ("client_secret=hush", "--param client_secret is set by authgate itself"),
    "scope": ("scope=x", "--param scope is set by authgate itself"),
}


@pytest.mark.parametrize(("word", "message"), PARAMS.values(), ids=PARAMS)
def test_a_parameter_that_cannot_be_added_is_refused(word, message):
    with pytest.raises(UsageError, match=message) as caught:
        resolve({}, HOME, {}, [word])
    assert "hush" not in caught.value.message


def test_parameters_are_added():
    assert resolve({}, HOME, {}, ["audience=a=b", "login_hint="]).params == {"audience": "a=b", "login_hint": ""}


def test_a_parameter_given_twice_is_refused():
    with pytest.raises(UsageError, match="given twice"):
        resolve({}, HOME, {}, ["a=1", "a=2"])


def test_prompt_is_ours_only_where_we_ask_for_consent():
    assert resolve({}, HOME, {}, ["prompt=login"]).params == {"prompt": "login"}
    with pytest.raises(UsageError, match="--param prompt"):
        resolve({"scope": "openid offline_access"}, HOME, {}, ["prompt=login"])
