"""The README's fenced blocks, for the tests that run them."""

import re
from typing import NamedTuple

from client import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
# Who runs which block, by its language and the first line that is no comment.
RUN_BY = {
    "sh: make demo": ".ci/run",
    "text: $ authgate.pyz": "tests/cli/test_readme.py",
    "sh: mkdir -p": "tests/real/test_first_steps.py",
    "text: User: Jane Doe": "tests/real/test_first_steps.py",
    "sh: scp ": "tests/real/test_ssh.py",
    "sh: authgate.pyz token": "tests/real/test_first_steps.py",
    "yaml: users:": "tests/real/test_recipes.py",
    "yaml: name: deploy": "tests/real/test_recipes.py",
    "yaml: deploy:": "tests/real/test_recipes.py",
    "dockerfile: FROM": "tests/real/test_recipes.py",
    "ini: [Service]": "tests/real/test_recipes.py",
    "ini: [Timer]": "tests/real/test_recipes.py",
    "sh: systemctl": "tests/real/test_recipes.py",
    "text: authgate_cli/": "tests/cli/test_readme.py",
}


class Block(NamedTuple):
    """What stands between two fences."""

    language: str
    text: str

    @property
    def title(self) -> str:
        """Return the key that RUN_BY has for it, or its first line."""
        first = next(line for line in self.text.splitlines() if not line.startswith("#"))
        return next((key for key in RUN_BY if f"{self.language}: {first}".startswith(key)), first)


BLOCKS = [Block(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)]


def block(title: str) -> str:
    """Return the text of the block that has this key in RUN_BY."""
    (found,) = (each.text for each in BLOCKS if each.title == title)
    return found
