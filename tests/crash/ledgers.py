"""The ledger of a run: an SQLite file of its own, or a database on PostgreSQL that runs use one after the other."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import psycopg
from sqlalchemy import delete

from rescind.domain.states import State
from rescind.ledger import tables
from rescind.ledger.engine import Ledger
from rescind.ledger.migrate import migrate

BUSY_SECONDS = 3.0  #: how long a transaction of the ledger waits: longer than any process hangs in one
READ_SECONDS = 25.0

_WHERE = "SELECT state, attempt FROM task WHERE id = '{}'"


class LedgerSite(Protocol):
    """Where the ledger is, and a look at it without Rescind."""

    url: str

    def set_up(self) -> None:
        """Make it empty, and nobody's: whoever asks first gives it a name."""

    def where(self, task_id: str) -> tuple[State, int] | None:
        """State and attempt; None where it does not answer."""

    def close(self) -> None:
        """Let go of what `where` keeps open."""


class SQLiteLedger:
    """A copy of a migrated file."""

    def __init__(self, path: Path, template: Path) -> None:
        self.url = f"sqlite:///{path}"
        self._path = path
        self._template = template

    def set_up(self) -> None:
        shutil.copy(self._template, self._path)

    def where(self, task_id: str) -> tuple[State, int] | None:
        """On a connection that is closed again: none may be open at a fork."""
        with closing(sqlite3.connect(self._path, timeout=READ_SECONDS)) as connection:
            row = connection.execute(_WHERE.format(task_id)).fetchone()
        return State(row[0]), int(row[1])

    def close(self) -> None:
        """Nothing is kept open."""


class PostgreSQLLedger:
    """A migrated database. Its only connection of its own is kept: no child ever uses it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection: psycopg.Connection[Any] | None = None

    def migrate(self) -> None:
        with closing(Ledger(self.url)) as ledger:
            migrate(ledger)

    def set_up(self) -> None:
        with closing(Ledger(self.url)) as ledger, ledger.write() as connection:
            for table in reversed(tables.metadata.sorted_tables):
                connection.execute(delete(table))

    def where(self, task_id: str) -> tuple[State, int] | None:
        try:
            if self._connection is None:
                self._connection = psycopg.connect(self.url, autocommit=True, connect_timeout=5)
            row = self._connection.execute(_WHERE.format(task_id)).fetchone()
        except psycopg.OperationalError:
            self.close()
            return None
        assert row is not None
        return State(row[0]), int(row[1])

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def make_template(path: Path) -> None:
    """A migrated ledger that has no name yet: migrations are slow, and the same for every run."""
    with closing(Ledger(f"sqlite:///{path}")) as ledger:
        migrate(ledger)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM identity")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
