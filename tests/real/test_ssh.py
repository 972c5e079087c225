"""Over a real SSH connection: the archive is copied to a server, and a person signs in from there."""

import getpass
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from ports import free_port
from reader import Reader
from readme import block
from waiting import eventually

SFTP = "/usr/lib/openssh/sftp-server"
# The account's own home is left alone: whoever logs in is taken to another one.
AT_HOME = """#!/bin/sh
cd "{home}" && HOME="{home}" PATH="{path}" && export HOME PATH
case "$SSH_ORIGINAL_COMMAND" in *sftp-server*) exec {sftp} ;; esac
exec sh -c "$SSH_ORIGINAL_COMMAND"
"""
DAEMON = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
Subsystem sftp {sftp}
ForceCommand {folder}/at_home
"""
CLIENT = """
Host server
    HostName 127.0.0.1
    Port {port}
    User {user}
    IdentityFile {folder}/key
    UserKnownHostsFile /dev/null
    StrictHostKeyChecking no
    LogLevel ERROR
"""


class Remote:
    """A machine that `ssh server` leads to, with a home of its own."""

    def __init__(self, folder: Path, path: str):
        self.home, self.folder, self.port = folder / "home", folder, free_port()
        self.home.mkdir(parents=True)
        places = {"folder": folder, "home": self.home, "path": path, "sftp": SFTP, "port": self.port}
        for name in ("host_key", "key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        for name, text in (("at_home", AT_HOME), ("sshd_config", DAEMON), ("ssh_config", CLIENT)):
            (folder / name).write_text(text.format(user=getpass.getuser(), **places))
        (folder / "at_home").chmod(0o755)

    def __enter__(self) -> "Remote":
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd separates its privileges
        command = ["/usr/sbin/sshd", "-D", "-e", "-f", str(self.folder / "sshd_config")]
        self._daemon = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        eventually(lambda: self._answers())
        return self

    def __exit__(self, *_) -> None:
        self._daemon.terminate()
        self._daemon.wait()

    def _answers(self) -> bool:
        assert self._daemon.poll() is None, "sshd did not start"
        return subprocess.run(["ssh", "-F", str(self.folder / "ssh_config"), "server", "true"]).returncode == 0

    def programs(self) -> dict[str, str]:
        """Return `ssh` and `scp` that know this machine; the account's own ~/.ssh is not looked at."""
        return {
            name: f'#!/bin/sh\nexec /usr/bin/{name} -F "{self.folder}/ssh_config" "$@"\n' for name in ("ssh", "scp")
        }


@pytest.fixture
def reader(archive, server, tmp_path):
    """A reader with a .env, and a server to go to."""
    reader = Reader(archive, server, tmp_path)
    lines = ["AUTHGATE_URL=https://auth.example.com", "CLIENT_ID=your-client-id"]
    (tmp_path / ".env").write_text(reader.real("\n".join(lines)))
    with Remote(tmp_path / "remote", reader.environment["PATH"]) as reader.remote:
        for name, text in reader.remote.programs().items():
            (tmp_path / "programs" / name).write_text(text)
            (tmp_path / "programs" / name).chmod(0o755)
        yield reader


def at_a_terminal(script: str) -> str:
    """Return a command that runs a script on a pseudo-terminal."""
    return f"script -qec {shlex.quote(script)} /dev/null"


def test_it_is_copied_and_signs_in_by_device_code(reader):
    done = reader.run(at_a_terminal(block("sh: scp ")))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "authgate.pyz: OK" in done.stdout
    assert re.search(r"or open directly +http\S+user_code=", done.stdout)
    assert "User: Jane Doe (jane@example.com)" in done.stdout
    assert {path.name for path in reader.remote.home.iterdir()} >= {"authgate.pyz", ".env", ".authgate-tokens.json"}


def test_it_says_why_and_how_a_browser_at_home_can_come_back(reader):
    assert reader.run(at_a_terminal(block("sh: scp "))).returncode == 0
    port = free_port()
    where = f"--redirect-uri http://127.0.0.1:{port}/callback"

    chosen = reader.run("ssh server python3 authgate.pyz doctor")
    browser = reader.run(f"timeout 5 ssh -tt server python3 authgate.pyz login --force --flow browser {where} || true")

    assert "would use device: this is an SSH session without a display" in chosen.stdout
    assert f"ssh -L {port}:127.0.0.1:{port} " in browser.stdout
    assert f"-p {reader.remote.port} " in browser.stdout
