"""Whom an access list of Windows lets in."""

import sys

import pytest

from authgate_cli.system.access_list import read_access_list, who_else_may_open

OWNER, OTHER = "S-1-5-21-1-2-3-1001", "S-1-5-21-1-2-3-1002"


@pytest.mark.parametrize(
    ("rules", "others"),
    [
        (f"AI(A;ID;FA;;;SY)(A;ID;FA;;;BA)(A;ID;FA;;;{OWNER})", []),
        ("PAI(A;;FA;;;OW)", []),
        ("", []),
        (f"(A;;FA;;;{OWNER})(A;;0x1200a9;;;WD)", ["everyone"]),
        (f"(A;OICI;FA;;;{OWNER})(A;;FR;;;BU)(A;;FR;;;AU)", ["all users of this machine", "everyone who has signed in"]),
        (f"(A;;FR;;;{OTHER})(A;;FW;;;{OTHER})(A;;FA;;;{OWNER})", [OTHER]),
        (f'(XA;;FX;;;{OTHER};(@User.Title=="PM"))', [OTHER]),
        (f"(D;;FA;;;{OTHER})", []),
        ("NO_ACCESS_CONTROL", ["everyone"]),
    ],
)
def test_who_else_may_open(rules, others):
    assert who_else_may_open(f"O:{OWNER}D:{rules}") == others


def test_the_list_of_a_file(tmp_path):
    path = tmp_path / "file"
    path.touch()
    if sys.platform != "win32":
        with pytest.raises(OSError, match="only Windows has access lists"):
            read_access_list(str(path))
        return
    assert read_access_list(str(path)).startswith("O:S-1-5-")
    with pytest.raises(FileNotFoundError):
        read_access_list(str(tmp_path / "none"))
