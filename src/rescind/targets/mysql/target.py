"""A database of a MySQL or MariaDB server as a target."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import pymysql
import sqlalchemy as sa

from rescind.domain.branch import BranchId
from rescind.domain.branch import Protocol as CommitProtocol
from rescind.errors import RescindError, TargetError, TargetRefused, TargetUnavailable, Undecided
from rescind.targets import marker
from rescind.targets.capabilities import Capabilities
from rescind.targets.mysql import failures, preflight, session, undo
from rescind.targets.mysql.address import Address
from rescind.targets.mysql.branch import MySQLBranch
from rescind.targets.mysql.card import card
from rescind.targets.mysql.catalog import MySQLCatalog
from rescind.targets.mysql.connection import Connection
from rescind.targets.mysql.identity import parse, xid
from rescind.targets.mysql.preflight import Server
from rescind.targets.mysql.session import control, open_session, run
from rescind.targets.target import LOCK_SECONDS


class MySQLTarget(marker.Marked):
    """One database. It keeps no connection between two calls but those of open branches."""

    def __init__(self, name: str, url: sa.URL, two_phase: bool = True, lock_seconds: int = LOCK_SECONDS) -> None:
        self.name = name
        self._lock_seconds = lock_seconds
        self._address = Address.of(name, url)
        self._two_phase = two_phase
        self._server: Server | None = None
        self._engine = sa.create_engine(
            "mysql+pymysql://", creator=self._connect, poolclass=sa.NullPool, pool_reset_on_return=None
        )

    def capabilities(self) -> Capabilities:
        """As the server was when it last was looked at. Raises TargetUnavailable."""
        return card(self._known(), self._two_phase)

    def protocol(self) -> CommitProtocol:
        """Two-phase where the server can, unless the setting says never."""
        return CommitProtocol.two_phase if self.capabilities().two_phase else CommitProtocol.one_phase

    def set_up(self) -> None:
        """Make the marker table if it is missing."""
        with self._control() as connection:
            preflight.check(self._look(connection))
            preflight.set_up(connection)

    def preflight(self) -> None:
        """Check version, durability, rights and marker table."""
        with self._control() as connection:
            preflight.check(self._look(connection))
            preflight.check_marker_table(connection)

    def catalog(self) -> MySQLCatalog:
        """Reads of the database."""
        return MySQLCatalog(self._address.arguments)

    def open_branch(self, branch: BranchId, protocol: CommitProtocol) -> MySQLBranch:
        """Connect. Raises TargetRefused for two-phase where it cannot be had, TargetUnavailable."""
        ability = self.capabilities().two_phase
        if protocol is CommitProtocol.two_phase and not ability:
            raise TargetRefused(f"Target {self.name} commits in one phase only: {ability.reason}")
        with failures.translated():
            address, server = self._address, self._known()
            return MySQLBranch(branch, protocol, address.arguments, address.database, server, self._lock_seconds)

    def list_prepared(self, ledger: str) -> list[BranchId]:
        """Of the whole server, whichever database they write to: XA's list is one.

        Raises Undecided for a user who may not see it (any more).
        """
        try:
            return self._listed(ledger)
        except TargetRefused as error:  # MySQL only: not reached on MariaDB
            raise Undecided(f"What is prepared in target {self.name} cannot be seen: {error}") from error

    def seen_prepared(self, ledger: str) -> list[BranchId]:
        """The same, and none for such a user: the card says so, and no task prepares a branch here."""
        try:
            return self._listed(ledger)
        except TargetRefused:  # MySQL only: not reached on MariaDB
            return []

    def commit_prepared(self, branch: BranchId) -> None:
        """Second phase from another session. The server knows no such branch while its owner lives."""
        with self._control() as connection:
            run(connection, f"XA COMMIT {xid(branch)}")

    def rollback_prepared(self, branch: BranchId) -> None:
        """Take it back. It stays on the list until the server is done, also when that outlasts this call."""
        with self._control() as connection:
            run(connection, f"XA ROLLBACK {xid(branch)}")

    def end_session(self, session_name: str) -> bool:
        """Kill it if it is the one; whether the server has neither it nor an unprepared transaction of it."""
        return session.end(self._address.arguments, session_name)

    def left_to_undo(self, session_name: str) -> int | None:
        """From InnoDB's list of transactions, which needs the right PROCESS."""
        return session.left_to_undo(self._address.arguments, session_name)

    def blocked(self, session_name: str) -> str | None:
        """A table's lock from the list of sessions; a row's from InnoDB's, which needs the right PROCESS."""
        return session.blocked(self._address.arguments, session_name)

    def undo_table(self, name: str, branch: BranchId) -> None:
        """Drop the table if its comment names the branch's task and, under a write lock, it is empty."""
        with self._control() as connection:
            undo.undo_table(connection, name, branch)

    def close(self) -> None:
        """Nothing is held."""
        self._engine.dispose()

    def _known(self) -> Server:
        """The server as it was last seen. Raises TargetUnavailable where it never was."""
        if self._server is not None:
            return self._server
        try:
            with self._control() as connection:
                return self._look(connection)
        except TargetUnavailable:
            raise
        except TargetError as error:  # a proxy: `preflight` says so to whoever registers it or writes to it
            raise TargetUnavailable(str(error)) from error

    def _meaning(self, error: Exception) -> RescindError | None:
        return failures.known(error)

    def _look(self, connection: Connection) -> Server:
        self._server = preflight.look(connection)
        return self._server

    def _control(self) -> AbstractContextManager[Connection]:
        return control(self._address.arguments)

    def _listed(self, ledger: str) -> list[BranchId]:
        """Raises TargetRefused without the right XA_RECOVER_ADMIN of MySQL 8."""
        with self._control() as connection:
            preflight.expect_primary(connection)
            rows = run(connection, "XA RECOVER")
        found = (parse(gtrid, bqual, data) for _, gtrid, bqual, data in rows)
        return sorted(branch for branch in found if branch is not None and branch.ledger == ledger)

    def _connect(self) -> Connection:
        """For markers, which are read and written on the primary only."""
        connection = open_session(self._address.arguments)
        try:
            preflight.expect_primary(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            if failures.number(error) == failures.NO_SUCH_TABLE:
                raise TargetUnavailable(f"Target {self.name} has no table {marker.NAME}.") from error
            raise (failures.known(error) or TargetError(failures.described(error))) from error
        except pymysql.Error as error:  # from connecting
            raise (failures.known(error) or TargetError(failures.described(error))) from error
