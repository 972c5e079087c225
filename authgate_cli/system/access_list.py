"""Find out who may open a file on Windows, where the access list decides that and not the mode."""

from __future__ import annotations

import re
import sys

if sys.platform == "win32":
    import ctypes

# What SDDL, Windows' text form of access lists, calls those that the list of a private file may name: the
# system, the administrators, and whoever made or owns the file.
_OWN = {"SY", "BA", "CO", "OW"}
_NAMES = {"WD": "everyone", "AU": "everyone who has signed in", "BU": "all users of this machine"}


def read_access_list(path: str) -> str:
    """Return the owner and the access list of a file as SDDL. Raise OSError if that cannot be read."""
    if sys.platform == "win32":
        library, owner_and_list = ctypes.WinDLL("advapi32"), 1 | 4
        found, text = ctypes.c_void_p(), ctypes.c_wchar_p()
        code = library.GetNamedSecurityInfoW(path, 1, owner_and_list, None, None, None, None, ctypes.byref(found))
        if code:
            raise ctypes.WinError(code)
        to_text = library.ConvertSecurityDescriptorToStringSecurityDescriptorW
        if not to_text(found, 1, owner_and_list, ctypes.byref(text), None):
            raise ctypes.WinError()
        return text.value or ""
    raise OSError("only Windows has access lists")


def who_else_may_open(sddl: str) -> list[str]:
    """Return whom an access list lets in apart from the owner, the system and administrators."""
    owner, _, rules = sddl.removeprefix("O:").partition("D:")
    if "NO_ACCESS_CONTROL" in rules:
        return [_NAMES["WD"]]
    allowed = set(re.findall(r"\(X?A;(?:[^;]*;){4}([^;)]*)", rules)) - _OWN - {owner}
    return sorted(_NAMES.get(account, account) for account in allowed)
