"""What a file is to be saved as is no way out of a directory, and breaks no header."""

from __future__ import annotations

import pytest

from rescind.api.outputs import _names


@pytest.mark.parametrize(
    ("filename", "safe"),
    [
        ("a.csv", "a.csv"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..\\x.csv", "_x.csv"),
        ('a"; filename="b.csv', "a_; filename=_b.csv"),
        ("a\r\nSet-Cookie: x", "a_Set-Cookie: x"),
        ("...", "download"),
        ("", "download"),
    ],
)
def test_a_name_is_made_safe(filename: str, safe: str) -> None:
    assert _names(filename) == {"filename": safe}


def test_a_name_of_other_letters_has_a_plain_one_beside_it() -> None:
    assert _names("名/前.csv") == {"filename": "_.csv", "filename*": "UTF-8''%E5%90%8D_%E5%89%8D.csv"}
