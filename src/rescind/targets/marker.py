"""The marker table, and what a target does with it: the same in every SQL database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Row,
    String,
    Table,
)
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.schema import CreateIndex, CreateTable

from rescind.domain.branch import BranchId, Marker, MarkerKind
from rescind.errors import RescindError, TargetError, TargetUnavailable, Undecided

metadata = MetaData()

NAME = "rescind_marker"
REGISTER = "A new target is registered with `rescind migrate`."  #: advice where there is no such table

marker = Table(
    NAME,
    metadata,
    Column("ledger", String(12), nullable=False),
    Column("incarnation", Integer, nullable=False),
    Column("task", String(36), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("branch", Integer, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("rows", BigInteger),
    Column("checksum", String(64)),
    Column(
        "at", DateTime().with_variant(DATETIME(fsp=6), "mysql", "mariadb"), nullable=False
    ),  # microseconds there too
    # The incarnation is not part of the key: a restored ledger must collide with what it did before.
    PrimaryKeyConstraint("ledger", "task", "attempt", "branch"),
)

#: Each attempt asks for a ledger's newest incarnation; a table made before there was this index answers more slowly.
by_incarnation = Index(f"{NAME}_incarnation", marker.c.ledger, marker.c.incarnation)


def definition(dialect: sa.Dialect) -> tuple[str, str]:
    """The statements that make the table and its index where they are missing, in one transaction."""
    table = CreateTable(marker, if_not_exists=True).compile(dialect=dialect)
    return str(table).strip(), str(CreateIndex(by_incarnation, if_not_exists=True).compile(dialect=dialect))


def values(branch: BranchId, kind: MarkerKind, rows: int | None, checksum: str | None) -> dict[str, Any]:
    """The row to insert for that branch."""
    return {
        "ledger": branch.ledger,
        "incarnation": branch.incarnation,
        "task": branch.task,
        "attempt": branch.attempt,
        "branch": branch.branch,
        "kind": kind.value,
        "rows": rows,
        "checksum": checksum,
        "at": datetime.now(UTC).replace(tzinfo=None),
    }


def from_row(row: Row[Any]) -> Marker:
    """A row of the marker table as a value."""
    branch = BranchId(row.ledger, row.incarnation, row.task, row.attempt, row.branch)
    return Marker(branch, MarkerKind(row.kind), row.rows, row.checksum, row.at.replace(tzinfo=UTC))


def of_task(ledger: str, task: str) -> tuple[sa.ColumnElement[bool], ...]:
    """The condition for all rows of a task."""
    return marker.c.ledger == ledger, marker.c.task == task


def fence(connection: sa.Connection, branch: BranchId) -> MarkerKind:
    """Insert the branch's tombstone; the kind that stands under its key then.

    A plain INSERT whose count is checked: whatever passes over a key that is taken would hide a marker (PROTOCOL, step
    11). It waits for an uncommitted row under the key to be committed or gone. Raises Undecided.
    """
    insert = sa.insert(marker).values(values(branch, MarkerKind.tombstone, None, None))
    try:
        inserted = connection.execute(insert, execution_options={"preserve_rowcount": True}).rowcount
    except sa.exc.IntegrityError:
        mine = (marker.c.attempt == branch.attempt, marker.c.branch == branch.branch)
        found = sa.select(marker.c.kind).where(*of_task(branch.ledger, branch.task), *mine)
        return MarkerKind(connection.execute(found).scalar_one())
    if inserted != 1:
        raise Undecided(f"The tombstone of {branch} was not inserted ({inserted} rows).")
    return MarkerKind.tombstone


class Marked(ABC):
    """A target whose database has the table."""

    @abstractmethod
    def _transaction(self, *, writes: bool = False) -> AbstractContextManager[sa.Connection]:
        """On the primary, committed at the end; every error is translated, and no table proves nothing."""

    @abstractmethod
    def _meaning(self, error: Exception) -> RescindError | None:
        """Our error for the driver's own; None for a statement that is merely wrong, and for what is no driver's."""

    @abstractmethod
    def seen_prepared(self, ledger: str) -> list[BranchId]: ...

    def markers(self, ledger: str, task: str) -> list[Marker]:
        """Read in a fresh snapshot of the primary. Raises TargetUnavailable, also where the table is missing."""
        with self._transaction() as connection:
            found = connection.execute(sa.select(marker).where(*of_task(ledger, task))).all()
        return [from_row(row) for row in found]

    def insert_tombstone(self, branch: BranchId) -> MarkerKind:
        """Plain INSERT, which waits for an uncommitted row under its key to be committed or gone. Raises Undecided."""
        try:
            with self._transaction(writes=True) as connection:
                return fence(connection, branch)
        except TargetUnavailable:
            raise
        except TargetError as error:
            raise Undecided(f"The tombstone of {branch} could not be written: {error}") from error

    def newest_incarnation(self, ledger: str) -> int:
        """The highest among the ledger's markers and prepared branches; 0 where there are none."""
        newest = sa.select(sa.func.max(marker.c.incarnation)).where(marker.c.ledger == ledger)
        with self._transaction() as connection:
            marked = int(connection.execute(newest).scalar_one() or 0)
        return max([marked, *(branch.incarnation for branch in self.seen_prepared(ledger))])

    def forget(self, ledger: str, task: str) -> None:
        """Delete the task's markers and tombstones."""
        with self._transaction(writes=True) as connection:
            connection.execute(sa.delete(marker).where(*of_task(ledger, task)))

    def translate(self, error: Exception) -> RescindError | None:
        """None for a statement that is merely wrong: that is the function's own fault."""
        original = error.orig if isinstance(error, sa.exc.StatementError) else error
        if isinstance(original, RescindError):
            return original  # raised by our cursor, and wrapped by SQLAlchemy
        return self._meaning(original) if isinstance(original, Exception) else None
