"""An SQLite file as a target."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from rescind.domain.branch import BranchId
from rescind.domain.branch import Protocol as CommitProtocol
from rescind.errors import RescindError, TargetBusy, TargetRefused, TargetUnavailable
from rescind.process import Life
from rescind.targets import marker
from rescind.targets.capabilities import Ability, Capabilities, Grade
from rescind.targets.sqlite import failures, preflight, session
from rescind.targets.sqlite.branch import SLICE_SECONDS, SQLiteBranch
from rescind.targets.sqlite.catalog import SQLiteCatalog

_ONE_PHASE_ONLY = "SQLite cannot prepare a transaction that outlives its connection."

_CAPABILITIES = Capabilities(
    database=f"SQLite {sqlite3.sqlite_version}",
    one_phase=Ability(Grade.full, "A commit is in the write-ahead log, synchronous=FULL; the marker proves it."),
    two_phase=Ability(Grade.refused, _ONE_PHASE_ONLY),
    parallel_writers=Ability(Grade.refused, "One writer at a time; readers see the old rows until it commits."),
    several_branches=Ability(Grade.refused, "One writer at a time."),
    transactional_ddl=Ability(Grade.full, "CREATE TABLE is rolled back like any other statement."),
    sql=Ability(Grade.full, "SQLite's authorizer refuses DDL, transaction statements and Rescind's own tables."),
    bulk_load=Ability(Grade.full, "Fifty rows in a statement, in the process itself."),
)


class SQLiteTarget(marker.Marked):
    """One file. It keeps no connection between two calls but those of open branches."""

    def __init__(self, name: str, path: Path, busy_seconds: float = session.BUSY_SECONDS) -> None:
        self.name = name
        self._path = path
        self._busy_seconds = busy_seconds
        self._engine = sa.create_engine("sqlite://", creator=self._connect, poolclass=sa.NullPool)
        sa.event.listen(self._engine, "begin", _begin)

    def capabilities(self) -> Capabilities:
        """The same for every file."""
        return _CAPABILITIES

    def protocol(self) -> CommitProtocol:
        """One-phase, always."""
        return CommitProtocol.one_phase

    def set_up(self) -> None:
        """Make file and marker table if they are missing."""
        preflight.set_up(self._path)

    def preflight(self) -> None:
        """Check file, file system, WAL, FULL and marker table."""
        preflight.check(self._path)

    def catalog(self) -> SQLiteCatalog:
        """Reads of the file."""
        return SQLiteCatalog(self._path)

    def open_branch(self, branch: BranchId, protocol: CommitProtocol) -> SQLiteBranch:
        """Connect. Raises TargetRefused for two-phase, TargetUnavailable."""
        if protocol is not CommitProtocol.one_phase:
            raise TargetRefused(f"Target {self.name}: {_ONE_PHASE_ONLY}")
        with failures.translated():
            return SQLiteBranch(branch, self.name, session.open_session(self._path, SLICE_SECONDS))

    def list_prepared(self, ledger: str) -> list[BranchId]:
        """None, ever."""
        return []

    def seen_prepared(self, ledger: str) -> list[BranchId]:
        """None, ever."""
        return []

    def commit_prepared(self, branch: BranchId) -> None:
        """Refused."""
        raise TargetRefused(f"Target {self.name}: {_ONE_PHASE_ONLY}")

    def rollback_prepared(self, branch: BranchId) -> None:
        """Refused."""
        raise TargetRefused(f"Target {self.name}: {_ONE_PHASE_ONLY}")

    def end_session(self, session_name: str) -> bool:
        """Close it if it is ours, kill its process if that runs here; else see that nobody is writing."""
        match session.end(session_name):
            case Life.gone:
                return True
            case Life.alive:
                return False
            case Life.unknown:
                return self._nobody_writes()

    def left_to_undo(self, session_name: str) -> int | None:
        """Nothing is known: a rollback forgets pages of the log, at once."""
        return None

    def blocked(self, session_name: str) -> str | None:
        """Nothing is known: nobody but its process sees what a connection waits for."""
        return None

    def undo_table(self, name: str, branch: BranchId) -> None:
        """Nothing to do: the table was made inside the transaction and went with it."""

    def close(self) -> None:
        """Nothing is held."""
        self._engine.dispose()

    def _nobody_writes(self) -> bool:
        """Where the process cannot be seen: who gets the write lock knows that no transaction is open."""
        try:
            with self._transaction(writes=True):
                return True
        except TargetBusy:
            return False

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            session.uri(self._path, "rw"), uri=True, timeout=self._busy_seconds, isolation_level=None
        )
        connection.execute("PRAGMA synchronous=FULL")  # a tombstone that a power cut takes back is no tombstone
        return connection

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[sa.Connection]:
        """A file that is not there (a disk that is not mounted) proves nothing about what was committed.

        Under the write lock a zombie has committed or died.
        """
        begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
        try:
            with self._engine.connect().execution_options(rescind_begin=begin) as connection, connection.begin():
                yield connection
        except sa.exc.DBAPIError as error:
            raise self._reason(error) from error
        except sqlite3.Error as error:  # from connecting
            raise self._reason(error) from error

    def _meaning(self, error: Exception) -> RescindError | None:
        return failures.known(error) if isinstance(error, sqlite3.Error) else None

    def _reason(self, error: Exception) -> RescindError:
        """Whatever is not a lock or a full disk leaves the markers unread: the file is not what it was."""
        return self.translate(error) or TargetUnavailable(f"The markers of target {self.name} cannot be read: {error}.")


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options()["rescind_begin"])
