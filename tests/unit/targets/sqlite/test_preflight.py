"""What must hold of a file before a task may trust it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rescind import durability
from rescind.errors import TargetRefused, TargetUnavailable
from rescind.targets.sqlite import preflight
from rescind.targets.sqlite.branch import SQLiteBranch
from rescind.targets.sqlite.target import SQLiteTarget


def test_a_network_file_system_is_refused(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durability, "file_system", lambda directory: "fuse.sshfs")
    with pytest.raises(TargetRefused, match=r"fuse\.sshfs"):
        SQLiteTarget("default", path).set_up()
    assert list(tmp_path.iterdir()) == []


def test_it_makes_the_file_durable_and_may_be_repeated_beside_a_writer(
    target: SQLiteTarget, branch: SQLiteBranch, sql: Callable[..., Any]
) -> None:
    target.preflight()
    assert sql("PRAGMA journal_mode") == [("wal",)]


def test_a_missing_directory_and_what_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(TargetUnavailable, match="does not exist"):
        SQLiteTarget("default", tmp_path / "missing" / "data.db").set_up()
    with pytest.raises(TargetUnavailable):
        SQLiteTarget("default", tmp_path).set_up()
    text = tmp_path / "text.db"
    text.write_text("this is no database " * 100)
    with pytest.raises(TargetUnavailable, match="NOTADB"):
        SQLiteTarget("default", text).set_up()


def test_somebody_elses_marker_table_is_not_written_to(path: Path, sql: Callable[..., Any]) -> None:
    sql("CREATE TABLE rescind_marker(a)")
    with pytest.raises(TargetRefused, match="not Rescind's"):
        SQLiteTarget("default", path).preflight()


def test_a_file_that_cannot_be_in_wal_is_refused() -> None:
    with closing(sqlite3.connect(":memory:")) as memory, pytest.raises(TargetRefused, match="journal_mode is memory"):
        preflight.make_durable(memory)


def test_a_file_that_is_not_there_is_not_made_by_looking(path: Path, tmp_path: Path) -> None:
    with pytest.raises(TargetUnavailable, match="mounted"):
        SQLiteTarget("default", path).preflight()
    assert list(tmp_path.iterdir()) == []


def test_another_file_in_its_place_gets_no_marker_table_by_looking(path: Path, sql: Callable[..., Any]) -> None:
    sql("CREATE TABLE other(a)")
    with pytest.raises(TargetUnavailable, match="the right file"):
        SQLiteTarget("default", path).preflight()
    assert sql("SELECT name FROM sqlite_master") == [("other",)]


def test_a_load_is_not_split_by_itself(target: SQLiteTarget) -> None:
    assert not target.capabilities().several_branches
