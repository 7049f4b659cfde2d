"""A branch's name in XA: nothing of it is lost, it fits, and nobody else's is taken for one."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rescind.domain.branch import BranchId
from rescind.targets.mysql.identity import parse, xid

LEDGERS = st.integers(0, 16**12 - 1).map(lambda number: f"{number:012x}")
BRANCHES = st.builds(
    BranchId,
    LEDGERS,
    st.integers(0, 2**16 - 1),
    st.uuids().map(str),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**31 - 1),
)
NAME = re.compile(r"'([!-~]{1,64})','([!-~]{1,64})'")


def listed(name: str) -> tuple[int, int, bytes]:
    """What XA RECOVER gives for a name that was given to XA START."""
    found = NAME.fullmatch(name)
    assert found is not None, name
    return len(found[1]), len(found[2]), (found[1] + found[2]).encode()


@given(BRANCHES)
def test_a_name_fits_and_comes_back(branch: BranchId) -> None:
    assert parse(*listed(xid(branch))) == branch


@given(BRANCHES, BRANCHES)
def test_two_branches_have_two_names(one: BranchId, other: BranchId) -> None:
    assert (xid(one) == xid(other)) is (one == other)


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_foreign_branches_are_nobodys(gtrid: bytes, bqual: bytes) -> None:
    assert parse(len(gtrid), len(bqual), gtrid + bqual) is None


def test_lengths_tell_the_two_parts_apart(identity: BranchId) -> None:
    gtrid, bqual, data = listed(xid(identity))
    assert parse(gtrid + 1, bqual - 1, data) is None
    assert parse(gtrid, bqual + 1, data) is None


@pytest.mark.parametrize("bqual", [b"01.0", b"1.", b".1", b"1.0.0", b"-1.0", b"1", "²".encode() + b".1"])
def test_a_qualifier_has_one_spelling(identity: BranchId, bqual: bytes) -> None:
    gtrid, _, data = listed(xid(identity))
    assert parse(gtrid, len(bqual), data[:gtrid] + bqual) is None


@pytest.mark.parametrize(
    "branch",
    [
        BranchId("abcdefabcdef", 2**16, str(UUID(int=1)), 1, 0),
        BranchId("abcdefabcde", 1, str(UUID(int=1)), 1, 0),
        BranchId("', '', 1 --  ", 1, str(UUID(int=1)), 1, 0),
        BranchId("abcdefabcdef", 1, str(UUID(int=1)), -1, 0),
    ],
)
def test_what_the_name_has_no_room_for_is_refused(branch: BranchId) -> None:
    with pytest.raises(ValueError, match="XA"):
        xid(branch)
