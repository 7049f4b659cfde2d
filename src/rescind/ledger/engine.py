"""Opening the ledger, and its two kinds of transaction."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError

from rescind import failpoints
from rescind.errors import LedgerUnavailable
from rescind.ledger import tables

T = TypeVar("T")

BUSY_SECONDS = 30.0  #: how long a transaction waits for another process's write


def now() -> datetime:
    """The wall clock, UTC. Never used to judge whether somebody is alive."""
    return datetime.now(UTC)


def clock(connection: Connection) -> datetime:
    """The ledger's own clock, UTC: what expires does so by one clock, however many machines look at it."""
    if connection.dialect.name == "sqlite":
        return now()
    at: datetime = connection.exec_driver_sql("SELECT CURRENT_TIMESTAMP(6)").scalar_one()
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


class Ledger:
    """A connection pool to the ledger, and who the ledger is.

    Not to be carried over a fork: a child opens its own.
    """

    def __init__(self, url: str, busy_seconds: float = BUSY_SECONDS) -> None:
        self.url = url
        self.engine = _engine(url, busy_seconds)
        self._identity: tuple[str, int] | None = None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view. Raises LedgerUnavailable."""
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
            with self.write() as connection:
                row = connection.execute(select(tables.identity)).one_or_none()
                if row is None:
                    found = (secrets.token_hex(6), 1)
                    connection.execute(insert(tables.identity).values(one=1, ledger=found[0], incarnation=found[1]))
                else:
                    found = (row.ledger, row.incarnation)
            self._identity = found  # not before the commit: a name that the ledger lost would be used for ever
        return self._identity

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
        except (IntegrityError, DataError, ProgrammingError):
            raise  # an answer (a key that is taken, a value that does not fit), not an outage
        except (DBAPIError, OSError) as error:
            raise LedgerUnavailable(f"The ledger does not answer: {_reason(error)}.") from error


def _engine(url: str, busy_seconds: float) -> Engine:
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(
        url,
        # pysqlite's own transaction handling is off: BEGIN is ours to send (IMMEDIATE, or a reader that
        # turns writer fails at once with SQLITE_BUSY whatever the timeout).
        connect_args={"timeout": busy_seconds, "isolation_level": None, "check_same_thread": False},
        pool_size=20,
        max_overflow=20,
    )

    @event.listens_for(engine, "connect")
    def _(connection: sqlite3.Connection, record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")  # PROTOCOL R10: what is decided survives a power cut
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("rescind_begin", "BEGIN"))

    return engine


def _reason(error: Exception) -> str:
    return str(error.orig) if isinstance(error, DBAPIError) else str(error)


def _faults() -> None:
    failpoints.hit("ledger.io_error")
    failpoints.hit("ledger.busy")
    failpoints.hit("ledger.disk_full")
