"""SQLite's errors, each provoked in SQLite itself."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from rescind.errors import (
    ConstraintViolated,
    RescindError,
    TargetBusy,
    TargetConflict,
    TargetError,
    TargetFull,
    TargetUnavailable,
)
from rescind.targets.sqlite.failures import known, translated


@pytest.fixture
def connection(path: Path) -> Any:
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    connection.execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT NOT NULL UNIQUE CHECK (b <> 'no'))")
    connection.execute("INSERT INTO t VALUES (1, 'one')")
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("statement", "kind", "words"),
    [
        ("INSERT INTO t VALUES (2, 'one')", ConstraintViolated, r"UNIQUE constraint failed: t\.b"),
        ("INSERT INTO t VALUES (2, NULL)", ConstraintViolated, r"NOT NULL constraint failed: t\.b"),
        ("INSERT INTO t VALUES (2, 'no')", ConstraintViolated, "CHECK constraint failed"),
        ("INSERT INTO t VALUES ('x', 'two')", ConstraintViolated, "datatype mismatch"),
        ("INSERT INTO t VALUES (2, zeroblob(2000000000))", ConstraintViolated, "too big"),
    ],
)
def test_constraints_in_sqlites_own_words(
    connection: sqlite3.Connection, statement: str, kind: type[RescindError], words: str
) -> None:
    with pytest.raises(kind, match=words) as error, translated():
        connection.execute(statement)
    assert isinstance(error.value.__cause__, sqlite3.Error)


def test_a_lock(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN EXCLUSIVE")
    other = sqlite3.connect(path, timeout=0)
    with pytest.raises(TargetBusy), translated():
        other.execute("SELECT * FROM t")
    other.close()


def test_a_full_file(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA max_page_count=4")
    with pytest.raises(TargetFull), translated():
        connection.execute("INSERT INTO t VALUES (2, hex(zeroblob(100000)))")


def test_an_interrupt(connection: sqlite3.Connection) -> None:
    connection.set_progress_handler(lambda: 1, 1)
    with pytest.raises(TargetConflict), translated():
        connection.execute("SELECT * FROM t")


def test_a_file_that_cannot_be_opened_or_written(connection: sqlite3.Connection, path: Path) -> None:
    with pytest.raises(TargetUnavailable), translated():
        sqlite3.connect(path / "below a file")
    read_only = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    with pytest.raises(TargetUnavailable), translated():
        read_only.execute("DELETE FROM t")
    read_only.close()


def test_a_faulty_statement_is_not_known_but_never_leaves_as_sqlites(connection: sqlite3.Connection) -> None:
    with pytest.raises(TargetError), translated():
        connection.execute("SELECT * FROM nowhere")
    with pytest.raises(sqlite3.OperationalError) as error:
        connection.execute("SELECT * FROM nowhere")
    assert known(error.value) is None


def test_errors_of_ours_pass_unchanged() -> None:
    ours = TargetBusy("as it is")
    with pytest.raises(TargetBusy) as error, translated():
        raise ours
    assert error.value is ours
