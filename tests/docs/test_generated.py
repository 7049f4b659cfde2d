"""The docs say what the code says."""

from __future__ import annotations

import pytest
from tests.docs.generated import PARTS, filled


@pytest.mark.parametrize("part", PARTS)
def test_what_is_made_from_the_code_is_up_to_date(part: str) -> None:
    page, _ = PARTS[part]
    assert page.read_text() == filled(part), "run `make docs`"
