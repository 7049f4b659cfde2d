from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rescind.api import cursors
from rescind.errors import InvalidArguments

VALUES = st.text(st.characters(codec="utf-8")) | st.integers(-(2**63), 2**64 - 1)


@given(st.lists(VALUES, min_size=1, max_size=3))
def test_a_place_comes_back(place: list[str | int]) -> None:
    assert cursors.decode(cursors.encode(place), len(place)) == place


@given(st.text(max_size=40))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidArguments):
        cursors.decode(text, 2)


@pytest.mark.parametrize(
    "place", [["a"], ["a", "b", "c"], ["a", None], ["a", ["b"]], ["a", 2**64], ["a", -(2**63) - 1], ["a", {}]]
)
def test_another_lists_cursor_is_refused(place: list[object]) -> None:
    with pytest.raises(InvalidArguments):
        cursors.decode(cursors.encode(place), 2)
