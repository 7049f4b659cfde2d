"""The databases of a run as somebody else sees them: the user who made the table, and an observer afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from tests.crash.bodies import FIRST_KEY, Row
from tests.crash.places import Kind

from rescind.domain.branch import BranchId
from rescind.domain.branch import Protocol as CommitProtocol
from rescind.domain.schema import Column, Table, Type
from rescind.errors import ConstraintViolated, RescindError
from rescind.targets.sqlite.target import SQLiteTarget
from rescind.targets.target import Target
from rescind.testing.memory import MemoryTarget, Operator
from rescind.testing.memory.branch import MemoryBranch

USED = (77, "mine")  #: a row of somebody else's in a table that the task has made
BEFORE = [(n, f"user's {n}") for n in range(1, 6)]
LOCK_SECONDS = 1.0

#: The rows of each table, by column.
Tables = dict[str, list[dict[str, Any]]]


class Site(Protocol):
    """One database of a run. Every call has connections of its own, and none of Rescind's but those of `target`."""

    def target(self) -> Target:
        """A new target over it, for one process."""

    def make_table(self, table: str) -> None:
        """The user's table (id, name), with the rows BEFORE."""

    def use(self, table: str) -> None:
        """Put the row USED into a table that the task has made by itself."""

    def tables(self, tag: str) -> Tables:
        """Those with the tag in their names."""

    def prepared(self, ledger: str) -> list[str]:
        """What the database itself lists of that ledger."""

    def finish_by_hand(self, ledger: str, *, commit: bool) -> None:
        """As an operator: end every prepared branch of that ledger."""

    def waits(self, table: str) -> Iterator[str]:
        """A line for each statement that has to wait: an insert of one of the task's keys, an ALTER of its table."""

    def drop(self, tag: str) -> None:
        """Clean up after a run that was as it should be."""


class SQLiteSite:
    """A file."""

    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self._path = path

    def target(self) -> Target:
        return SQLiteTarget(self._name, self._path)

    def make_table(self, table: str) -> None:
        with closing(sqlite3.connect(self._path)) as connection:
            connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
            connection.executemany(f"INSERT INTO {table} VALUES (?, ?)", BEFORE)
            connection.commit()

    def use(self, table: str) -> None:
        raise NotImplementedError("nobody sees a table of an open transaction")

    def tables(self, tag: str) -> Tables:
        with closing(sqlite3.connect(self._path)) as connection:
            connection.row_factory = sqlite3.Row
            query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE ?"
            names = [row[0] for row in connection.execute(query, (f"%{tag}%",))]
            return {name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")] for name in names}

    def prepared(self, ledger: str) -> list[str]:
        return []

    def finish_by_hand(self, ledger: str, *, commit: bool) -> None:
        """Nothing is ever prepared."""

    def waits(self, table: str) -> Iterator[str]:
        with closing(sqlite3.connect(self._path, timeout=LOCK_SECONDS, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, 'mine')", (FIRST_KEY,))
                connection.execute(f"ALTER TABLE {table} ADD COLUMN more TEXT")
                connection.execute("ROLLBACK")
            except sqlite3.OperationalError as error:
                yield f"a lock is left in {self._name}: {error}"

    def drop(self, tag: str) -> None:
        """The file goes with the run's directory."""


class MemorySite:
    """A memory server, which is shared by runs one after the other."""

    def __init__(self, name: str, address: str, kind: Kind) -> None:
        self._name = name
        self._address = address
        self._kind = kind

    def target(self) -> Target:
        prepares, by_itself = self._kind.prepares, self._kind.by_itself
        return MemoryTarget(self._name, self._address, two_phase=prepares, transactional_ddl=not by_itself)

    def make_table(self, table: str) -> None:
        with closing(stranger(self._address)) as branch:
            key = Column("id", Type.integer, "INTEGER", nullable=False, key=1)
            branch.create_table(Table(table, (key, Column("name", Type.text, "TEXT", nullable=False))))
            put(branch, table, BEFORE)
            branch.commit()

    def use(self, table: str) -> None:
        with closing(stranger(self._address)) as branch:
            put(branch, table, [USED])
            branch.commit()

    def tables(self, tag: str) -> Tables:
        catalog = self.target().catalog()
        found: Tables = {}
        for name in (name for name in catalog.tables() if tag in name):
            with catalog.rows(name) as batches:
                found[name] = [row for batch in batches for row in batch.to_pylist()]
        return found

    def prepared(self, ledger: str) -> list[str]:
        return [str(branch) for branch in self.target().list_prepared(ledger)]

    def finish_by_hand(self, ledger: str, *, commit: bool) -> None:
        operator = Operator(self._address)
        for branch in self.target().list_prepared(ledger):
            (operator.commit_by_hand if commit else operator.roll_back_by_hand)(branch)

    def waits(self, table: str) -> Iterator[str]:
        with closing(stranger(self._address)) as branch:
            try:
                put(branch, table, [(FIRST_KEY, "mine")])
            except ConstraintViolated:
                pass  # the key is taken by a committed row: an answer at once
            except RescindError as error:
                yield f"a lock is left in {self._name}: {error}"
            branch.rollback()
        with closing(stranger(self._address)) as branch:
            try:
                branch.clear_table(table)  # as an ALTER, it needs the table for itself
            except RescindError as error:
                yield f"a lock is left in {self._name}: {error}"
            branch.rollback()

    def drop(self, tag: str) -> None:
        """The server ends with the runner."""


def stranger(address: str) -> MemoryBranch:
    """A session of somebody else's at a memory server, in a transaction."""
    branch = MemoryBranch(address, BranchId("0" * 12, 1, "stranger", 1, 0), CommitProtocol.one_phase)
    branch.start()
    return branch


def put(branch: MemoryBranch, table: str, rows: list[Row]) -> None:
    """Insert rows of (id, name)."""
    ids, names = zip(*rows, strict=True)
    shape = Table(table, (Column("id", Type.integer, "INTEGER"), Column("name", Type.text, "TEXT")))
    batch = pa.record_batch([pa.array(ids), pa.array(names)], names=["id", "name"])
    branch.writer(shape, batch.schema.names).write(batch)
