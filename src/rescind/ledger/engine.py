"""Opening the ledger, and its two kinds of transaction."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from rescind import failpoints
from rescind.errors import LedgerUnavailable
from rescind.ledger import tables
from rescind.ledger.connections import open_engine
from rescind.ledger.failures import outage

T = TypeVar("T")

BUSY_SECONDS = 30.0  #: how long a transaction waits for another process's write

#: Not PostgreSQL's now(), which stands still while a transaction waits for a lock.
_CLOCKS = {"postgresql": func.timezone("UTC", func.clock_timestamp()), "mysql": func.utc_timestamp(6)}


def now() -> datetime:
    """The wall clock, UTC. Never used to judge whether somebody is alive."""
    return datetime.now(UTC)


def clock(connection: Connection) -> datetime:
    """The ledger's own clock, UTC: what expires does so by one clock, however many machines look at it."""
    if connection.dialect.name == "sqlite":
        return now()
    at: datetime = connection.execute(select(_CLOCKS[connection.dialect.name])).scalar_one()
    return at.replace(tzinfo=UTC)


class Ledger:
    """A connection pool to the ledger, and who the ledger is.

    Not to be carried over a fork: a child opens its own.
    """

    def __init__(self, url: str, busy_seconds: float = BUSY_SECONDS) -> None:
        self.url = url
        self.engine = open_engine(url, busy_seconds)
        self._identity: tuple[str, int] | None = None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One transaction that only reads. Raises LedgerUnavailable.

        On SQLite it is one view; elsewhere each statement sees what was committed when it began. Whoever acts on two
        answers is guarded when he acts.
        """
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction; committed when the block ends, rolled back when it raises.

        Raises LedgerUnavailable, after which the transaction may or may not have been committed: whoever
        must know reads again (PROTOCOL R2).
        """
        with self._transaction("BEGIN IMMEDIATE") as connection:
            _faults()
            yield connection

    def identity(self) -> tuple[str, int]:
        """The ledger's id (12 hex digits) and its incarnation, made at the first call on a new ledger."""
        if self._identity is None:
            # Read back after the commit: a name that the ledger lost would be used for ever.
            self._identity = self._find_identity() or self._make_identity()
        return self._identity

    def _find_identity(self) -> tuple[str, int] | None:
        with self.read() as connection:
            row = connection.execute(select(tables.identity)).one_or_none()
        return None if row is None else (row.ledger, row.incarnation)

    def _make_identity(self) -> tuple[str, int]:
        made = {"one": 1, "ledger": secrets.token_hex(6), "incarnation": 1}
        with suppress(IntegrityError), self.write() as connection:  # taken: another process was first
            connection.execute(insert(tables.identity).values(made))
        found = self._find_identity()
        assert found is not None
        return found

    def incarnation(self) -> int:
        """The incarnation as it is now: another process may have raised it. Raises LedgerUnavailable."""
        with self.read() as connection:
            return int(connection.execute(select(tables.identity.c.incarnation)).scalar_one())

    def settle(self, ask: Callable[[Connection], T], pause_seconds: float = 0.2) -> T:
        """Ask in a new read transaction until the ledger answers, for ever (PROTOCOL R2)."""
        while True:
            try:
                with self.read() as connection:
                    return ask(connection)
            except LedgerUnavailable:
                time.sleep(pause_seconds)

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        try:
            with self.engine.connect().execution_options(rescind_begin=begin) as connection, connection.begin():
                yield connection
        except (SQLAlchemyError, OSError) as error:
            failure = outage(error)
            if failure is None:
                raise
            raise failure from error


def _faults() -> None:
    failpoints.hit("ledger.io_error")
    failpoints.hit("ledger.busy")
    failpoints.hit("ledger.disk_full")
