"""Markers and tombstones in the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rescind.domain.branch import BranchId, MarkerKind
from rescind.errors import RescindError, TargetUnavailable, Undecided
from rescind.targets.sqlite.branch import SQLiteBranch
from rescind.targets.sqlite.target import SQLiteTarget


def test_a_marker_keeps_a_tombstone_out_and_a_tombstone_a_marker(
    target: SQLiteTarget, branch: SQLiteBranch, identity: BranchId, reopen: Callable[[], SQLiteBranch]
) -> None:
    branch.write_marker(7, "sum")
    branch.commit()
    branch.close()
    assert target.insert_tombstone(identity) is MarkerKind.marker
    (marker,) = target.markers(identity.ledger, identity.task)
    assert (marker.branch, marker.kind, marker.rows, marker.checksum) == (identity, MarkerKind.marker, 7, "sum")
    target.forget(identity.ledger, identity.task)
    assert target.insert_tombstone(identity) is MarkerKind.tombstone
    assert target.insert_tombstone(identity) is MarkerKind.tombstone
    with pytest.raises(RescindError):
        reopen().write_marker(7, "sum")


def test_a_restored_ledger_with_a_new_incarnation_meets_its_old_marker(
    target: SQLiteTarget, branch: SQLiteBranch, identity: BranchId
) -> None:
    branch.write_marker(7, "sum")
    branch.commit()
    assert target.insert_tombstone(replace(identity, incarnation=2)) is MarkerKind.marker


def test_while_the_branch_is_open_nothing_is_decided(path: Path, branch: SQLiteBranch, identity: BranchId) -> None:
    branch.write_marker(0, "")
    impatient = SQLiteTarget("default", path, busy_seconds=0.05)
    with pytest.raises(Undecided):
        impatient.insert_tombstone(identity)
    assert impatient.markers(identity.ledger, identity.task) == []


def test_a_file_that_is_not_there_proves_nothing(target: SQLiteTarget, path: Path, identity: BranchId) -> None:
    target.insert_tombstone(identity)
    path.rename(path.with_suffix(".moved"))
    for ask in (lambda: target.markers(identity.ledger, identity.task), lambda: target.insert_tombstone(identity)):
        with pytest.raises(TargetUnavailable):
            ask()
    assert not path.exists()


def test_a_file_without_the_table_proves_nothing_either(target: SQLiteTarget, path: Path, identity: BranchId) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE rescind_marker")
    with pytest.raises(TargetUnavailable):
        target.markers(identity.ledger, identity.task)


def test_forgetting_leaves_other_tasks(target: SQLiteTarget, identity: BranchId, sql: Callable[..., Any]) -> None:
    other = replace(identity, task="another")
    target.insert_tombstone(identity)
    target.insert_tombstone(other)
    target.forget(identity.ledger, identity.task)
    assert sql("SELECT task FROM rescind_marker") == [("another",)]


def test_the_newest_incarnation_is_that_of_the_ledger_asked_for(target: SQLiteTarget, identity: BranchId) -> None:
    assert target.newest_incarnation(identity.ledger) == 0
    for incarnation, ledger in ((3, identity.ledger), (2, identity.ledger), (9, "000000000000")):
        target.insert_tombstone(replace(identity, ledger=ledger, incarnation=incarnation, attempt=incarnation))
    assert target.newest_incarnation(identity.ledger) == 3


def test_the_newest_incarnation_is_found_without_reading_every_marker(
    sql: Callable[..., Any], target: SQLiteTarget
) -> None:
    (plan,) = sql("EXPLAIN QUERY PLAN SELECT max(incarnation) FROM rescind_marker WHERE ledger = 'x'")
    assert "USING COVERING INDEX rescind_marker_incarnation" in plan[3]


def test_nothing_is_left_to_undo_outside_a_transaction(
    target: SQLiteTarget, identity: BranchId, branch: SQLiteBranch
) -> None:
    assert target.left_to_undo(branch.session) is None
    target.undo_table("t", identity)
    assert target.catalog().count("t") == 1
