"""One task's transaction in an SQLite file."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import sqlalchemy as sa

from rescind.domain.branch import BranchId, MarkerKind
from rescind.domain.schema import Table
from rescind.errors import TargetBusy, TargetConflict, TargetRefused, TransactionBroken
from rescind.targets import keys, marker
from rescind.targets.guarded import GuardedConnection
from rescind.targets.sqlite import catalog, constraints, preflight, sql
from rescind.targets.sqlite.failures import known, translated
from rescind.targets.sqlite.guard import Guard
from rescind.targets.sqlite.session import Session
from rescind.targets.sqlite.writer import SQLiteWriter

BUSY_SECONDS = 10.0  #: how long `start` waits for another writer
SLICE_SECONDS = 0.1  #: how long it waits before it looks whether it was cancelled

_CACHE_KIB = 32_000  #: with SQLite's 2 MB a long load writes the same pages to the log again and again


class SQLiteBranch:
    """A branch: one session, one transaction, one phase."""

    def __init__(self, branch: BranchId, target: str, session: Session) -> None:
        self.id = branch
        self.session = session.name
        self._target = target
        self._session = session
        self._guard = Guard()
        self._guarded = False
        self._marked = False
        self._savepoint = f"rescind_{secrets.token_hex(8)}"
        self._sql: GuardedConnection | None = None

    def start(self) -> None:
        """Begin the transaction and lay the savepoint that will prove it. Raises TargetBusy after BUSY_SECONDS."""
        with translated():
            preflight.make_durable(self._session)
            self._session.execute("PRAGMA foreign_keys=ON")
            self._session.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            # Connecting SQLAlchemy rolls back once: it must be done before there is anything to roll back.
            self._sql = GuardedConnection(_engine(self._session), self._guard)
            self._begin()
            self._session.execute(f"SAVEPOINT {self._savepoint}")

    def connection(self) -> sa.Connection:
        """The transaction for the task's own statements, under the guard."""
        assert self._sql is not None
        self._guarded = True
        self._session.set_authorizer(self._guard.authorize)
        return self._sql

    def create_table(self, table: Table) -> None:
        """Make the table. Raises TargetConflict if it is there, TargetRefused for what SQLite will not have."""
        statement = sql.create_table(table)
        with self._own():
            if catalog.exists(self._session, table.name):
                raise TargetConflict(f"Table {table.name} is there already: somebody else has just made it.")
            try:
                self._session.execute(statement)
            except sqlite3.OperationalError as error:
                raise (known(error) or TargetRefused(f"SQLite: {error}.")) from error

    def create_indexes(self, table: Table) -> None:
        """Build them from the rows."""
        with self._own():
            for columns in table.indexes:
                taken = frozenset(name.lower() for (name,) in self._session.execute("SELECT name FROM sqlite_schema"))
                self._session.execute(sql.create_index(table.name, columns, taken))

    def clear_table(self, table: str) -> int:
        """Delete all rows; returns how many. Raises UnknownTable."""
        with self._own():
            catalog.require(self._session, table)
            return int(self._session.execute(f"DELETE FROM {sql.quote(table)}").rowcount)

    def writer(self, table: Table, columns: Sequence[str], key: Sequence[str] = ()) -> SQLiteWriter:
        """A writer for those columns. Raises UnknownTable, UnknownColumn, TargetRefused."""
        with self._own():
            there = catalog.describe(self._session, table.name)
            found = there.only(columns).columns
            keys.check(there, columns, key)
            return SQLiteWriter(self._session, self._own, table.name, found, key)

    def write_marker(self, rows: int, checksum: str) -> None:
        """Prove the transaction, then write the marker. Raises TransactionBroken, StatementRefused."""
        self._guard.check()
        with self._own():
            self._session.finish_statements()
            self._prove()
            insert = sa.insert(marker.marker).values(marker.values(self.id, MarkerKind.marker, rows, checksum))
            assert self._sql is not None
            try:
                self._sql.execute(insert)
            except sa.exc.DBAPIError as error:
                raise error.orig or error from error
            self._marked = True

    def check_constraints(self) -> None:
        """Deferred foreign keys; everything else SQLite has checked already. Raises ConstraintViolated."""
        with self._own():
            constraints.check(self._session)

    def locks(self) -> str:
        """The one lock that SQLite has."""
        return "The write lock of the whole file: nobody else can write to it. Readers are not held up."

    def prepare(self) -> None:
        """Refused: SQLite has no first phase."""
        raise TargetRefused(f"Target {self._target} is an SQLite file, which commits in one phase only.")

    def commit(self) -> None:
        """Commit what the marker stands for. Raises TransactionBroken where there is none."""
        if not self._marked:
            raise TransactionBroken(f"{self.id} has no marker: it may not be committed.")
        with self._own():
            self._session.finish_statements()
            self._session.execute("COMMIT")

    def rollback(self) -> None:
        """Take everything back; where that fails, the session is closed, which does the same."""
        if not self._session.roll_back():
            self._session.end()

    def cancel(self) -> None:
        """Interrupt the running statement and let no other start."""
        self._session.cancel()

    def close(self) -> None:
        """End the session: what was not committed is gone."""
        self._session.end()
        if self._sql is not None:
            with suppress(sa.exc.SQLAlchemyError):
                self._sql.release()

    def _begin(self) -> None:
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                return self._session.begin()  # waits SLICE_SECONDS by itself
            except sqlite3.OperationalError as error:
                if not isinstance(known(error), TargetBusy):
                    raise
                if time.monotonic() > deadline:
                    reason = f"Another writer has held target {self._target} for {BUSY_SECONDS:.0f} s."
                    raise TargetBusy(reason) from error

    def _prove(self) -> None:
        """A commit or rollback since `start` would have taken the savepoint with it."""
        try:
            self._session.execute(f"RELEASE {self._savepoint}")
        except sqlite3.OperationalError as error:
            raise (known(error) or TransactionBroken(f"{self.id} is not the transaction that was begun.")) from error

    @contextmanager
    def _own(self) -> Iterator[None]:
        """Run statements of ours: the guard is lifted, and errors are translated."""
        self._session.expect_alive()
        with translated():
            self._session.set_authorizer(None)
            try:
                yield
            finally:
                if self._guarded:
                    self._session.set_authorizer(self._guard.authorize)


def _engine(session: Session) -> sa.Engine:
    """SQLAlchemy over the one connection; it begins, commits and resets nothing by itself."""
    return sa.create_engine(
        "sqlite://",
        creator=lambda: session,
        poolclass=sa.StaticPool,
        pool_reset_on_return=None,
        hide_parameters=True,
    )
