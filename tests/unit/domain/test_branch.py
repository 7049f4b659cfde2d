"""The identity of a branch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rescind.domain.branch import BranchId


@given(
    st.builds(
        BranchId,
        st.text("0123456789abcdef", min_size=12, max_size=12),
        st.integers(1, 9),
        st.uuids().map(str),
        st.integers(1, 10**6),
        st.integers(0, 99),
    )
)
def test_a_name_reads_back_as_the_branch(branch: BranchId) -> None:
    assert BranchId.parse(str(branch)) == branch


@pytest.mark.parametrize("name", ["", "other:1:a:1:t:1:0", "rescind:1:a:1:t:1", "rescind:1:a:x:t:1:0"])
def test_a_name_that_is_not_ours_is_no_branch(name: str) -> None:
    assert BranchId.parse(name) is None
