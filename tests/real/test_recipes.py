"""The README's recipes: valid by the schemas of those who read them, and each of their shell lines run."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from isolated import ROOTS_PATH, isolated
from reader import Reader
from readme import block
from waiting import eventually

TOOLS = Path(__file__).parents[2] / ".venv-recipes" / "bin"
AS_JSON = "import sys, json, ruamel.yaml; print(json.dumps(ruamel.yaml.YAML(typ='safe').load(sys.stdin)))"
GITHUB, GITLAB = block("yaml: name: deploy"), block("yaml: deploy:")
SERVICE, TIMER = block("ini: [Service]"), block("ini: [Timer]")


@pytest.fixture
def reader(archive, server, tmp_path):
    return Reader(archive, server, tmp_path)


def parsed(yaml: str) -> dict:
    done = subprocess.run(
        [str(TOOLS / "python"), "-c", AS_JSON], input=yaml, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


# -- CI


@pytest.mark.parametrize(("schema", "text"), [("github-workflows", GITHUB), ("gitlab-ci", GITLAB)])
def test_ci_system_would_take_it(tmp_path, schema, text):
    file = tmp_path / "recipe.yml"
    file.write_text(text)
    command = [str(TOOLS / "check-jsonschema"), "--builtin-schema", f"vendor.{schema}"]

    done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
    file.write_text(text.replace("script:", "skript:").replace("steps:", "steeps:"))
    worse = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert worse.returncode == 1


def as_machine(reader, variables: dict[str, str]) -> dict[str, str]:
    """Return a job's environment, for a client of our server that has a secret."""
    server = reader.server
    told = {
        "AUTHGATE_URL": server.issuer,
        "CLIENT_ID": server.confidential_id,
        "CLIENT_SECRET": server.confidential_secret,
    }
    assert {"AUTHGATE_URL", "CLIENT_ID"} <= variables.keys()
    return {**variables, **told, "CI": "true"}


def test_github_steps_run(reader):
    workflow = parsed(GITHUB)
    machine = as_machine(reader, workflow["env"])
    secret = machine.pop("CLIENT_SECRET")
    steps = [step for step in workflow["jobs"]["deploy"]["steps"] if "run" in step]
    given = [step.get("env", {}) for step in steps]
    assert given == [{}] + 2 * [{"CLIENT_SECRET": "${{ secrets.CLIENT_SECRET }}"}]

    # What GitHub runs a step's script by.
    bash = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
    results = [
        reader.run(step["run"], *bash, **machine, **dict.fromkeys(step.get("env", {}), secret)) for step in steps
    ]

    assert [(done.returncode, done.stderr) for done in results] == [(0, "")] * 3
    checked, deployed, asked = (done.stdout for done in results)
    assert checked == "authgate.pyz: OK\n"
    assert deployed.startswith("deployed --all with a token of ")
    assert json.loads(asked)["subject_type"] == "client"


def test_gitlab_script_runs(reader):
    job = parsed(GITLAB)["deploy"]

    done = reader.run("\n".join(job["script"]), "sh", "-e", "-c", **as_machine(reader, job["variables"]))

    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"authgate\.pyz: OK\ndeployed --all with a token of \d+ characters\n", done.stdout)


def test_job_without_a_secret_ends_at_once_and_says_what_is_missing(reader):
    """A variable that does not exist is an empty one to CI systems."""
    job = parsed(GITLAB)["deploy"]
    environment = {**as_machine(reader, job["variables"]), "CLIENT_SECRET": ""}

    done = reader.run(job["script"][-1], **environment)

    assert (done.returncode, done.stdout) == (2, "")
    assert "set CLIENT_SECRET" in done.stderr


# -- kubectl


def test_kubeconfig_runs_what_kubectl_understands(reader):
    [user] = parsed(block("yaml: users:"))["users"]
    plugin = user["user"]["exec"]
    assert reader.run(block("sh: mkdir -p")).returncode == 0

    command = shlex.join([plugin["command"], *plugin["args"]])
    settings = {"AUTHGATE_URL": reader.server.issuer, "CLIENT_ID": reader.server.client_id}
    told = json.loads(reader.run(command, **settings).stdout)

    assert (told["kind"], told["apiVersion"]) == ("ExecCredential", plugin["apiVersion"])
    assert told["status"]["token"] in reader.server.access


# -- an image


def built_and_run(reader, *command: str, **environment: str) -> subprocess.CompletedProcess:
    """Do what the Dockerfile says in a real Debian of that name, and run a command in the image."""
    steps, entrypoint = ["cd /"], []
    for line in block("dockerfile: FROM").splitlines():
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            suite = re.fullmatch(r"debian:(\w+)-slim", rest)[1]
        elif instruction == "COPY":
            *names, folder = rest.split()
            steps.append(f"cp {' '.join('/mnt/' + name for name in names)} {folder}")
        elif instruction == "RUN":
            steps.append(f"sh -c {shlex.quote(rest)}")
        else:
            assert instruction == "ENTRYPOINT"
            entrypoint = json.loads(rest)
    return subprocess.run(
        isolated(*entrypoint, *command, root=suite, shared={reader.folder: "/mnt"}, prepare="\n".join(steps)),
        env={"HOME": "/root", "PATH": ROOTS_PATH, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_image_runs_a_command_with_a_token(reader):
    machine = as_machine(reader, {"AUTHGATE_URL": "", "CLIENT_ID": "", "AUTHGATE_FLOW": "client-credentials"})

    done = built_and_run(reader, "sh", "-c", 'echo "$AUTHGATE_TOKEN" && exit 42', **machine)

    assert done.returncode == 42, done.stderr
    assert done.stdout.strip() in reader.server.access


def test_image_is_not_built_of_an_archive_that_was_changed(reader):
    with (reader.folder / "authgate.pyz").open("ab") as archive:
        archive.write(b"more")

    done = built_and_run(reader, "true")

    assert (done.returncode, done.stdout) == (125, ""), "the image should not be there to run anything"
    assert "authgate.pyz: FAILED" in done.stderr


# -- systemd

# A manager of units for a user, on a machine that systemd has not started: it asks for /run/systemd/system.
MANAGER = """
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system
exec /lib/systemd/systemd --user
"""


@pytest.fixture
def user_manager(reader):
    """The reader's own systemd, in which both units are installed; called with a command, run it there."""
    units, runtime = reader.folder / ".config" / "systemd" / "user", reader.folder / "runtime"
    units.mkdir(parents=True)
    runtime.mkdir(mode=0o700)
    (reader.folder / ".local" / "bin").mkdir(parents=True)
    (reader.folder / "authgate.pyz").rename(reader.folder / ".local" / "bin" / "authgate.pyz")
    service = SERVICE.replace("Environment=", "Environment=AUTHGATE_STORE=file ")
    (units / "authgate.service").write_text(reader.real(service))
    (units / "authgate.timer").write_text(TIMER.replace("5min", "1s").replace("[Timer]", "[Timer]\nAccuracySec=100ms"))
    environment = {**reader.environment, "XDG_RUNTIME_DIR": str(runtime)}
    manager = subprocess.Popen(
        ["unshare", "--mount", "sh", "-ec", MANAGER],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually((runtime / "systemd" / "private").exists)
    yield lambda script: reader.run(script, XDG_RUNTIME_DIR=str(runtime))
    manager.terminate()
    manager.wait()


def test_units_are_what_systemd_understands(user_manager, reader):
    units = reader.folder / ".config" / "systemd" / "user"

    done = user_manager(f"systemd-analyze --user verify --man=no {units}/authgate.service {units}/authgate.timer")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_timer_keeps_the_token_fresh_and_out_of_the_journal(user_manager, reader):
    server = reader.server
    server.access_ttl = 4  # seconds; half of that is soon over, so that it is refreshed again and again
    reader.run("authgate.pyz login --flow device", AUTHGATE_URL=server.issuer, CLIENT_ID=server.client_id)

    done = user_manager(block("sh: systemctl"))

    assert done.returncode == 0, done.stderr
    eventually(lambda: server.count("POST", "/oauth/token", grant_type="refresh_token") >= 3)
    user_manager("systemctl --user stop authgate.timer")
    kept = json.loads(json.loads((reader.folder / ".authgate-tokens.json").read_text())["data"][server.client_id])
    assert kept["access_token"] in server.access
    assert server.family_alive(kept["refresh_token"])
    told = user_manager("systemctl --user show --property StandardOutput --value authgate.service")
    assert told.stdout == "null\n"
