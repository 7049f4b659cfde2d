"""A PostgreSQL database as a target."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg
import sqlalchemy as sa

from rescind.domain.branch import PREFIX, BranchId
from rescind.domain.branch import Protocol as CommitProtocol
from rescind.errors import RescindError, TargetRefused, TargetUnavailable
from rescind.targets import marker
from rescind.targets.capabilities import Capabilities
from rescind.targets.postgresql import card, failures, preflight, session
from rescind.targets.postgresql.branch import PostgreSQLBranch
from rescind.targets.postgresql.catalog import PostgreSQLCatalog
from rescind.targets.postgresql.guard import BranchConnection
from rescind.targets.postgresql.relations import Cursor
from rescind.targets.postgresql.sql import literal
from rescind.targets.target import LOCK_SECONDS

CARD_SECONDS = 30.0  #: how long a card is good: the scheduler asks for it again and again
_LEFT_OPEN = 1  #: control connections that are kept between two calls
_AT_ONCE = 20  #: further ones, closed after use

_PREPARED = "SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = current_database() AND starts_with(gid, %s)"


class PostgreSQLTarget(marker.Marked):
    """One database. Beside the branches' it keeps one control connection, which is asked before it is used again."""

    def __init__(self, name: str, url: sa.URL, lock_seconds: int = LOCK_SECONDS) -> None:
        self.name = name
        self._settings = session.of_branch(lock_seconds)
        self._parameters = session.parameters(name, url)
        self._card: tuple[float, Capabilities] | None = None
        self._engine = sa.create_engine(
            "postgresql+psycopg://",
            creator=lambda: session.connect_control(self._parameters),
            pool_size=_LEFT_OPEN,
            max_overflow=_AT_ONCE,
            pool_timeout=session.CONNECT_SECONDS,
            pool_pre_ping=True,
            use_native_hstore=False,
        )

    def capabilities(self) -> Capabilities:
        """Its card, at most CARD_SECONDS old. Raises TargetUnavailable."""
        now = time.monotonic()
        if self._card is None or now - self._card[0] > CARD_SECONDS:
            with self._cursor() as cursor:
                self._card = (now, card.of(preflight.facts(cursor)))
        return self._card[1]

    def protocol(self) -> CommitProtocol:
        """One-phase: a marker proves as much, and nothing can be left behind."""
        return CommitProtocol.one_phase

    def set_up(self) -> None:
        """Make the marker table if it is missing."""
        with self._cursor() as cursor:
            preflight.set_up(cursor)

    def preflight(self) -> None:
        """Check version, durability, writability, poolers and the marker table."""
        with self._cursor() as cursor:
            preflight.check(cursor)

    def catalog(self) -> PostgreSQLCatalog:
        """Reads of the database."""
        return PostgreSQLCatalog(self._control, self._parameters)

    def open_branch(self, branch: BranchId, protocol: CommitProtocol) -> PostgreSQLBranch:
        """Connect. Raises TargetUnavailable, and TargetRefused for two-phase where nothing can be prepared."""
        with failures.translated(control=True):
            asked = self._parameters | {"application_name": f"rescind {branch.task}"}
            connection = session.connect(BranchConnection, asked, self._settings)
            try:
                name = session.name_of(connection)
                preflight.expect_direct(connection, name.pid)
                if protocol is CommitProtocol.two_phase:
                    ability = card.two_phase(preflight.facts(psycopg.Cursor(connection)))
                    if not ability:
                        raise TargetRefused(f"Target {self.name}: {ability.reason}")
                began = session.server_began(connection)
            except BaseException:
                connection.close()
                raise
        connection.server_runs = partial(session.runs_on, self._parameters, began, lambda: connection.cancelled)
        connection.patience = None  # not before: a server that freezes here could not be cancelled yet
        return PostgreSQLBranch(branch, protocol, connection, name, self._settings)

    def list_prepared(self, ledger: str) -> list[BranchId]:
        """Of this database, on the primary; a branch of another one can only be finished there."""
        with self._transaction() as connection:
            names = connection.exec_driver_sql(_PREPARED, (f"{PREFIX}:{ledger}:",)).scalars().all()
        return sorted(branch for branch in map(BranchId.parse, names) if branch and branch.ledger == ledger)

    def seen_prepared(self, ledger: str) -> list[BranchId]:
        """The same: every role may see what is prepared."""
        return self.list_prepared(ledger)

    def commit_prepared(self, branch: BranchId) -> None:
        """COMMIT PREPARED. Raises TargetConflict where nothing of that name is prepared."""
        with self._cursor() as cursor:
            cursor.execute(f"COMMIT PREPARED {literal(str(branch))}")

    def rollback_prepared(self, branch: BranchId) -> None:
        """ROLLBACK PREPARED. Raises TargetConflict where nothing of that name is prepared."""
        with self._cursor() as cursor:
            cursor.execute(f"ROLLBACK PREPARED {literal(str(branch))}")

    def end_session(self, session_name: str) -> bool:
        """End the server process of that number and start, and see that it is gone."""
        with self._control() as connection:
            return session.end(connection, session.SessionName.parse(session_name))

    def left_to_undo(self, session_name: str) -> int | None:
        """None: what was written is not taken back row by row, but never seen."""
        return None

    def blocked(self, session_name: str) -> str | None:
        """From the server's list of its processes and of their locks."""
        with self._control() as connection:
            return session.blocked(connection, session.SessionName.parse(session_name))

    def undo_table(self, name: str, branch: BranchId) -> None:
        """Nothing: a table is made inside the transaction, and is gone with it."""

    def close(self) -> None:
        """Close the control connection."""
        self._engine.dispose()

    @contextmanager
    def _cursor(self) -> Iterator[Cursor]:
        with self._control() as connection:
            yield psycopg.Cursor(connection)

    @contextmanager
    def _control(self) -> Iterator[Any]:
        """The driver's connection, on which each statement is a transaction of its own."""
        with self._sql() as connection:
            yield connection.connection.driver_connection

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[sa.Connection]:
        """Each statement is one by itself."""
        with self._sql() as connection:
            if connection.exec_driver_sql("SELECT pg_is_in_recovery()").scalar_one():
                raise TargetUnavailable(f"Target {self.name} is a standby, which may not have all markers yet.")
            yield connection

    @contextmanager
    def _sql(self) -> Iterator[sa.Connection]:
        """SQLAlchemy's over the same. Errors are translated."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except sa.exc.TimeoutError as error:
            raise TargetUnavailable(f"Target {self.name} is asked too much at once.") from error
        except sa.exc.DBAPIError as error:
            if isinstance(error.orig, psycopg.Error):
                raise self._reason(error.orig) from error
            raise
        except psycopg.Error as error:
            raise self._reason(error) from error

    def _meaning(self, error: Exception) -> RescindError | None:
        return failures.known(error) if isinstance(error, psycopg.Error) else None

    def _reason(self, error: psycopg.Error) -> RescindError:
        if isinstance(error, psycopg.errors.UndefinedTable):
            text = f"Target {self.name} has no table {marker.NAME}: is it the right database?"
            return TargetUnavailable(f"{text} {marker.REGISTER}")
        return failures.translation(error, control=True)
