"""Read the settings file."""

from __future__ import annotations

import os
import stat

from .. import dotenv
from ..errors import UsageError
from ..settings import VARIABLES
from ..values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LARGEST = 1024 * 1024


def read_env_file(path: str, named: bool, warn: Callable[[str], None]) -> dict[str, str]:
    """Return our variables from a `.env`; nothing else of it is looked at.

    A file that was `named` has to be there; raise UsageError when it is not. One that just lies in
    the current directory is passed over when it is no regular file, or with a warning when it
    cannot be read.
    """
    try:
        status = os.stat(path)
        if not named and not stat.S_ISREG(status.st_mode):
            return {}
        with open(path, "rb") as file:
            content = dotenv.parse(file.read(_LARGEST))
    except FileNotFoundError as error:
        if named:
            raise UsageError(f"the settings file {path} does not exist", "check --env-file") from error
        return {}
    except OSError as error:
        if named:
            raise UsageError(
                f"the settings file {path} cannot be read: {error.strerror}", "check --env-file"
            ) from error
        warn(f"{path} cannot be read and is passed over ({error.strerror})")
        return {}
    for number in content.malformed:
        warn(f"line {number} of {path} is malformed and is passed over")
    values = {name: value for name, value in content.values.items() if name in VARIABLES}
    if values.get("CLIENT_SECRET") and status.st_mode & 0o077 and os.name == "posix":
        warn(f"{path} holds CLIENT_SECRET and can be read by others; chmod 600 {path} mends that")
    return values
