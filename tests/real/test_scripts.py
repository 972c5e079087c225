"""Those who use `token`, `status`, `exec`, `logout` and the completions: curl, kubectl's schema, shells."""

import json
import re
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest
from client import Client

PATIENCE = 60  # seconds; a safety net


@pytest.fixture
def signed_in(archive, server, tmp_path):
    """The archive with a token stored, and itself in PATH as authgate.pyz."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "authgate.pyz").symlink_to(archive)
    client = Client(archive, tmp_path, AUTHGATE_URL=server.issuer, CLIENT_ID=server.client_id)
    client.environment["PATH"] = f"{folder}:{Path(client.python).parent}:{client.environment['PATH']}"
    for account in ((), ("--account", "jane@work")):
        done = client.run("login", "--flow", "device", *account)
        assert done.returncode == 0, done.stderr
    return client


def run(client, *command, env=None, **how) -> subprocess.CompletedProcess:
    return subprocess.run(
        command,
        cwd=client.home,
        env=client.environ(**(env or {})),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        **how,
    )


# -- curl

AS_CURL_TAKES_IT = {
    "an argument": 'curl -fsS -H "$(authgate.pyz token --format header)" "$AUTHGATE_URL/oauth/userinfo"',
    "standard input": 'authgate.pyz token --format header | curl -fsS -H @- "$AUTHGATE_URL/oauth/userinfo"',
    "exec": 'authgate.pyz exec -- sh -c \'curl -fsS --oauth2-bearer "$AUTHGATE_TOKEN" "$AUTHGATE_URL/oauth/userinfo"\'',
}


@pytest.mark.parametrize("script", AS_CURL_TAKES_IT.values(), ids=AS_CURL_TAKES_IT)
def test_curl_is_let_in(signed_in, script):
    done = run(signed_in, "bash", "-euo", "pipefail", "-c", script)

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["name"] == "Jane Doe"


def test_curl_without_the_token_is_not_let_in(signed_in):
    done = run(signed_in, "sh", "-c", 'curl -fsS "$AUTHGATE_URL/oauth/userinfo"')

    assert done.returncode == 22


# -- kubectl

# k8s.io/client-go/pkg/apis/clientauthentication/v1: ExecCredential and its ExecCredentialStatus.
EXEC_CREDENTIAL = {
    "apiVersion": {"type": str, "required": True, "value": r"client\.authentication\.k8s\.io/v1"},
    "kind": {"type": str, "required": True, "value": "ExecCredential"},
    "metadata": {"type": dict, "required": False},
    "spec": {"type": dict, "required": False},
    "status": {"type": dict, "required": True},
}
STATUS = {  # a token, or a client certificate with its key, or both
    "token": {"type": str, "required": True, "value": r"[\x21-\x7e]+"},
    "expirationTimestamp": {"type": str, "required": False, "value": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"},  # RFC 3339
    "clientCertificateData": {"type": str, "required": False},
    "clientKeyData": {"type": str, "required": False},
}


def breaches(document: dict, schema: dict) -> list:
    """Return what a document has against a schema."""
    found = [f"{name} is unknown" for name in document if name not in schema]
    for name, rule in schema.items():
        value = document.get(name)
        if name not in document:
            found += [f"{name} is missing"] if rule["required"] else []
        elif not isinstance(value, rule["type"]) or not re.fullmatch(rule.get("value", ".*"), str(value)):
            found.append(f"{name} is {value!r}")
    return found


def test_exec_credential_keeps_to_the_published_schema(signed_in, server):
    # What kubectl sets for the plugin that it runs.
    asked = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "spec": {"interactive": False}}

    done = run(
        *(signed_in, "authgate.pyz", "token", "--format", "exec-credential"),
        env={"KUBERNETES_EXEC_INFO": json.dumps(asked)},
    )

    document = json.loads(done.stdout)
    assert breaches(document, EXEC_CREDENTIAL) == []
    assert breaches(document["status"], STATUS) == []
    assert document["status"]["token"] in server.access
    expires = datetime.strptime(document["status"]["expirationTimestamp"], "%Y-%m-%dT%H:%M:%SZ")
    assert expires.replace(tzinfo=timezone.utc) > datetime.now(timezone.utc)


@pytest.mark.parametrize(
    "document",
    [{}, {"apiVersion": "v1", "kind": "ExecCredential", "status": {}}, {"extra": 1}, {"kind": 1}],
    ids=str,
)
def test_the_schema_can_be_broken(document):
    assert breaches(document, EXEC_CREDENTIAL) != []


# -- scripts

A_DAY = r"""
token=$(authgate.pyz token)
test -n "$token"

authgate.pyz status --offline >/dev/null
authgate.pyz status | grep -q '^User: Jane Doe'
authgate.pyz status --json | grep -q '"signed_in": true'

printf '%s\n' "$token" | authgate.pyz inspect - | head -n 1 | grep -qx Header
authgate.pyz exec -- sh -c 'test "$AUTHGATE_TOKEN" = "$1"' sh "$token"

code=0
authgate.pyz exec -- sh -c 'exit 42' || code=$?
test "$code" = 42

authgate.pyz logout
if authgate.pyz token 2>/dev/null; then exit 1; else test $? = 4; fi
code=0
authgate.pyz exec -- touch must-not-be 2>/dev/null || code=$?
test "$code" = 4
test ! -e must-not-be
authgate.pyz logout
echo finished
"""


@pytest.mark.parametrize(
    "shell", [("dash", "-eu"), ("bash", "-euo", "pipefail"), ("zsh", "-feu"), ("bash", "--posix", "-eu")], ids=" ".join
)
def test_day_of_a_shell_script(signed_in, server, shell):
    done = run(signed_in, *shell, "-c", A_DAY)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"Signed out of {server.issuer}.",
        f"Not signed in to {server.issuer}.",
        "finished",
    ]


def test_failing_token_stops_a_careful_script(signed_in, server):
    server.stop()
    signed_in.token_file.unlink()

    done = run(signed_in, "bash", "-euo", "pipefail", "-c", "token=$(authgate.pyz token)\necho reached")

    assert (done.returncode, done.stdout) == (4, "")


# -- completions

COMPLETED = {
    "command": ("authgate.pyz tok", {"token"}),
    "commands": ("authgate.pyz lo", {"login", "logout"}),
    "option of the command": ("authgate.pyz token --min", {"--min-ttl"}),
    "option before the command": ("authgate.pyz --tok", {"--token-file"}),
    "general option after the command": ("authgate.pyz status --js", {"--json"}),
    "value": ("authgate.pyz --flow d", {"device"}),
    "value of the command's option": ("authgate.pyz token --format e", {"exec-credential"}),
    "command after an option": ("authgate.pyz --json sta", {"status"}),
    "command after a value": ("authgate.pyz --flow device sta", {"status"}),
    "shell": ("authgate.pyz completion f", {"fish"}),
    "topic of the help": ("authgate.pyz help tok", {"token"}),
    "account": ("authgate.pyz --account ja", {"jane@work"}),
    "file": ("authgate.pyz --env-file my-se", {"my-settings.env"}),
}
each_completion = pytest.mark.parametrize(("line", "words"), COMPLETED.values(), ids=COMPLETED)


@pytest.fixture
def script(signed_in, tmp_path):
    """The completion script of a shell, in a file."""
    (tmp_path / "my-settings.env").touch()

    def write(shell: str) -> str:
        path = tmp_path / f"completion.{shell}"
        path.write_text(run(signed_in, "authgate.pyz", "completion", shell).stdout)
        return str(path)

    return write


BASH = r"""
source "$1"
read -ra COMP_WORDS <<<"$2"
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
function=$(complete -p authgate.pyz | sed 's/.*-F \([^ ]*\).*/\1/')
"$function" authgate.pyz
printf '%s\n' "${COMPREPLY[@]}"
"""


# File names bash completes itself: tests/cli/test_completion.py.
@pytest.mark.parametrize(("line", "words"), [each for name, each in COMPLETED.items() if name != "file"], ids=str)
def test_bash_completes(signed_in, script, line, words):
    done = run(signed_in, "bash", "--norc", "-euc", BASH, "bash", script("bash"), line)

    assert (done.returncode, done.stderr) == (0, "")
    assert set(done.stdout.split()) == words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("authgate.pyz --flow = d", {"device"}),
        ("authgate.pyz --flow =", {"auto", "browser", "device", "client-credentials"}),
    ],
)
def test_bash_completes_a_value_behind_an_equals_sign(signed_in, script, line, words):
    """To bash, --flow=d is three words."""
    assert set(run(signed_in, "bash", "--norc", "-euc", BASH, "bash", script("bash"), line).stdout.split()) == words


def test_bash_completes_the_command_to_run(signed_in, script):
    done = run(signed_in, "bash", "--norc", "-euc", BASH, "bash", script("bash"), "authgate.pyz exec -- pri")

    assert "printf" in done.stdout.split()


@each_completion
def test_fish_completes(signed_in, script, line, words):
    ask = 'source $argv[1]; complete -C "$argv[2]"'

    done = run(signed_in, "fish", "--no-config", "-c", ask, script("fish"), line)

    assert (done.returncode, done.stderr) == (0, "")
    assert {row.partition("\t")[0] for row in done.stdout.splitlines()} == words


# A real, interactive zsh on a pseudo-terminal. A function in the place of the program says what it was
# given once the line that Tab has completed is sent off; its words are not in what the terminal echoes.
ZSH = r"""
line=$1 load=$2
zmodload zsh/zpty
zpty shell zsh -f -i
ask() { zpty -w shell "$1"; zpty -r -m shell seen "*$2*" }
ask "PS1=''; $load; setopt no_beep; print rea''dy" ready
ask 'words() { [[ $2 == words ]] && command authgate.pyz "$@" }' ''
ask 'authgate.pyz() { words "$@" || print -r -- "GO""T<${(j:|:)@}>TO""G" }; print de''fined' defined
zpty -n -w shell "$line"$'\t'$'\n'
zpty -r -m shell seen '*GOT<*>TOG*'
print -r -- "$seen"
zpty -d shell
"""
ALONE = {name: (line, words) for name, (line, words) in COMPLETED.items() if len(words) == 1}


COMPINIT = "autoload -Uz compinit; compinit -D -u"


def zsh_completed(signed_in, line: str, load: str) -> list:
    done = run(signed_in, "zsh", "-fc", ZSH, "zsh", line, load)
    assert (done.returncode, done.stderr) == (0, "")
    return re.findall(r"GOT<(.*?)>TOG", done.stdout)[-1].split("|")


@pytest.mark.parametrize(("line", "words"), ALONE.values(), ids=ALONE)
def test_zsh_completes(signed_in, script, line, words):
    completed = zsh_completed(signed_in, line, f"{COMPINIT}; source {script('zsh')}")

    assert completed == [*line.split()[1:-1], *(word.rstrip("=") for word in words)]


def test_zsh_completes_the_command_to_run(signed_in, script):
    completed = zsh_completed(signed_in, "authgate.pyz exec -- printen", f"{COMPINIT}; source {script('zsh')}")

    assert completed == ["exec", "--", "printenv"]


@pytest.mark.parametrize("later", ["", f"; {COMPINIT}"], ids=["none", "in the same file"])
def test_zsh_may_source_the_script_before_compinit(signed_in, script, later):
    alone = run(signed_in, "zsh", "-fc", 'source "$1"', "zsh", script("zsh"))

    assert (alone.returncode, alone.stdout, alone.stderr) == (0, "", "")
    assert zsh_completed(signed_in, "authgate.pyz tok", f"source {script('zsh')}{later}") == ["token"]


def test_powershell_script_asks_the_program_and_is_balanced(script):
    """There is no PowerShell here to run it."""
    text = Path(script("powershell")).read_text()

    assert "-CommandName 'authgate.pyz', 'authgate'" in text
    assert "& $program completion words -- @before " in text
    assert all(text.count(left) == text.count(right) for left, right in ("{}", "()", "[]"))
    assert text.count("'") % 2 == text.count('"') % 2 == 0


def test_zsh_completes_from_the_first_time_when_the_script_is_loaded_by_name(signed_in, script, tmp_path):
    folder = tmp_path / "functions"
    folder.mkdir()
    Path(script("zsh")).rename(folder / "_authgate")

    assert zsh_completed(
        signed_in, "authgate.pyz tok", f"autoload -Uz compinit; fpath=({folder} $fpath); compinit -D -u"
    ) == ["token"]
