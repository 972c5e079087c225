"""Run the README's commands, with the stand-in's address and client in place of the example's."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from authgate_server import AuthGateServer

PATIENCE = 120  # seconds; a safety net
DEPLOY = '#!/bin/sh\necho "deployed $* with a token of ${#AUTHGATE_TOKEN} characters"\n'


class Reader:
    """A folder with the archive, its checksum and a deploy.sh, and an environment that is not the caller's."""

    def __init__(self, archive: Path, server: AuthGateServer, folder: Path):
        self.server, self.folder = server, folder
        for name in (archive.name, archive.name + ".sha256"):
            for place in (folder, folder / "dist"):
                place.mkdir(exist_ok=True)
                shutil.copy(archive.with_name(name), place)
        script = folder / "deploy.sh"
        script.write_text(DEPLOY)
        script.chmod(0o755)
        programs = folder / "programs"
        programs.mkdir()
        (programs / "python3").symlink_to(sys.executable)
        self.environment = {
            "PATH": f"{folder / '.local' / 'bin'}:{programs}:{os.environ['PATH']}",
            "HOME": str(folder),
            "AUTHGATE_STORE": "file",
        }

    def real(self, text: str) -> str:
        """Replace the README's example names by real ones."""
        server = self.server
        for example, name in (
            ("https://auth.example.com", server.issuer),
            ("https://api.example.com/me", server.issuer + "/oauth/tokeninfo"),
            ("your-client-id", server.client_id),
        ):
            text = text.replace(example, name)
        assert "example.com" not in text
        return text

    def run(self, script: str, *shell: str, **environment: str) -> subprocess.CompletedProcess:
        """Run a script with the names replaced, by default with `sh -eu`."""
        return subprocess.run(
            [*(shell or ("sh", "-eu", "-c")), self.real(script)],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
