"""One task's transaction in a MySQL or MariaDB database."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pymysql
import sqlalchemy as sa

from rescind.domain.branch import BranchId, MarkerKind, Protocol
from rescind.domain.schema import Column, Table
from rescind.errors import TargetConflict, TargetRefused, TransactionBroken, UnknownColumn
from rescind.targets import keys, marker
from rescind.targets.guarded import GuardedConnection
from rescind.targets.mysql import catalog, reach, session, sql, upsert
from rescind.targets.mysql.connection import Connection
from rescind.targets.mysql.failures import NO_SUCH_TABLE, described, known, number, translated
from rescind.targets.mysql.identity import xid
from rescind.targets.mysql.preflight import Server
from rescind.targets.mysql.session import run
from rescind.targets.mysql.writer import MySQLWriter
from rescind.targets.statements import StatementGuard
from rescind.targets.target import LOCK_SECONDS

ROLLBACK_SECONDS = 1.0  #: how long `rollback` waits for a rollback; the server goes on with it without us

_HELD = """SELECT trx_rows_locked, trx_tables_locked, trx_rows_modified FROM information_schema.innodb_trx
    WHERE trx_mysql_thread_id = CONNECTION_ID()"""
_HAS_UUID = (10, 7)


class MySQLBranch:
    """A branch: one session, and one XA branch or, where XA cannot be had, one plain transaction."""

    def __init__(
        self,
        branch: BranchId,
        protocol: Protocol,
        arguments: Mapping[str, Any],
        database: str,
        server: Server,
        lock_seconds: int = LOCK_SECONDS,
    ) -> None:
        """Connect; `lock_seconds` is how long a statement waits for a lock. Raises pymysql.Error, TargetRefused."""
        self.id = branch
        self._protocol = protocol
        self._arguments = arguments
        self._database = database
        self._server = server
        self._xid = xid(branch) if server.without_xa() is None else None
        self._guard = StatementGuard("mysql")
        self._savepoint = f"rescind_{secrets.token_hex(8)}"
        self._sql: GuardedConnection | None = None
        self._begun = self._marked = self._prepared = False
        self._broken: str | None = None
        self._connection = session.open_session(arguments, session.CONTROL_SECONDS, lock_seconds)
        try:
            self._identity = session.identify(self._connection)
            self._connection.wait_for_ever()  # not before: nobody could cancel a branch that is not open yet
        except BaseException:
            self._connection.close()
            raise
        self._reach = reach.Reach(self._connection)
        self._connection.server_runs = partial(session.runs, arguments, self._identity)
        self.session = str(self._identity)

    def start(self) -> None:
        """Begin the transaction and lay the savepoint that will prove it."""
        with translated():
            # Connecting SQLAlchemy asks the server this and that: it must be done before there is a transaction.
            self._sql = GuardedConnection(_engine(self._connection), self._guard)
            # Should the transaction end all the same, nothing that follows is committed by itself.
            run(self._connection, "SET autocommit = 0")
            run(self._connection, "START TRANSACTION" if self._xid is None else f"XA START {self._xid}")
            self._begun = True
            run(self._connection, f"SAVEPOINT {self._savepoint}")
            self._connection.look = self._look

    def connection(self) -> sa.Connection:
        """The transaction for the task's own statements, each looked at first."""
        assert self._sql is not None
        return self._sql

    def create_table(self, table: Table) -> None:
        """Make the table, before `start`. Raises TargetConflict if it is there, TargetRefused for a wrong name."""
        if self._begun:
            raise TargetRefused("MySQL commits when it makes a table: one is made before the transaction begins.")
        if self._server.variables.get("lower_case_table_names", "0") != "0" and table.name != table.name.lower():
            raise TargetRefused(f"This server has names of tables in lower case only: {table.name.lower()}.")
        has_uuid = self._server.maria and self._server.release >= _HAS_UUID
        statement = sql.create_table(table, self.id, self._server.maria, has_uuid)
        try:
            run(self._connection, statement)
        except pymysql.Error as error:
            raise (known(error) or TargetRefused(described(error))) from error

    def create_indexes(self, table: Table) -> None:
        """Refused: a table is made with its indexes."""
        raise TargetRefused(f"MySQL commits when it makes an index: table {table.name} is made with all it has.")

    def clear_table(self, table: str) -> int:
        """Delete all rows; returns how many. Raises UnknownTable, TargetRefused."""
        with self._own(breaks=True):
            self._hold(table)
            return self._connection.query(f"DELETE FROM {sql.quote(table)}")

    def writer(self, table: Table, columns: Sequence[str], key: Sequence[str] = ()) -> MySQLWriter:
        """A writer for those columns. Raises UnknownTable, UnknownColumn, TargetRefused."""
        table.only(columns)  # one that was never there is no change of the table's
        with self._own():
            self._hold(table.name)
            there = catalog.describe(self._connection, table.name)
            found = _columns(there, columns)
            keys.check(there, columns, key)
            packet = int(self._server.variables["max_allowed_packet"])
            bulk = self._server.on("local_infile")
            conflict = upsert.clause(table.name, columns, key, alias=not self._server.maria)
            return MySQLWriter(self._connection, self._own_write, table, found, packet, bulk, key, conflict)

    def write_marker(self, rows: int, checksum: str) -> None:
        """Prove the transaction, then write the marker. Raises TransactionBroken, StatementRefused."""
        self._guard.check()
        with self._own(breaks=True):
            self._connection.finish_results()
            self._prove()
            assert self._sql is not None
            self._sql.execute(
                sa.insert(marker.marker).values(marker.values(self.id, MarkerKind.marker, rows, checksum))
            )
            self._marked = True

    def check_constraints(self) -> None:
        """Nothing is left to check: InnoDB checks every constraint with the statement."""

    def locks(self) -> str:
        """What InnoDB says of the transaction; without the right PROCESS it says nothing."""
        common = "No ALTER, DROP or TRUNCATE of the tables written to, and no write to the same keys, until it ends."
        try:
            with self._own():
                held = run(self._connection, _HELD)
        except TargetRefused:
            held = []
        return f"{held[0][0]} row locks in {held[0][1]} tables, {held[0][2]} rows written. {common}" if held else common

    def prepare(self) -> None:
        """First phase. Raises TargetRefused for a one-phase branch, TransactionBroken without a marker."""
        if self._protocol is not Protocol.two_phase:
            raise TargetRefused(f"{self.id} was opened for one phase.")
        self._expect_marked()
        with self._own(breaks=True):
            run(self._connection, f"XA END {self._xid}")
            run(self._connection, f"XA PREPARE {self._xid}")
            self._prepared = True

    def commit(self) -> None:
        """One-phase commit of what the marker stands for, or second phase. Raises TransactionBroken."""
        self._expect_marked()
        with translated(), self._connection.own():
            if self._protocol is Protocol.two_phase:
                if not self._prepared:
                    raise TransactionBroken(f"{self.id} is not prepared: it may not be committed.")
                run(self._connection, f"XA COMMIT {self._xid}")
            elif self._xid is not None:
                run(self._connection, f"XA END {self._xid}")
                run(self._connection, f"XA COMMIT {self._xid} ONE PHASE")
            else:
                run(self._connection, "COMMIT")
        self._begun = False

    def rollback(self) -> None:
        """Take everything back; where that takes long or fails the session is left, and the server does it."""
        begun, self._begun = self._begun, False
        if not begun:
            return
        if self._connection.cancelled or self._connection.streams:
            self._connection.close()
            return
        self._connection.server_runs = None  # an answer that takes too long is no loss
        try:
            with self._connection.bounded(ROLLBACK_SECONDS):
                self._take_back()
        except (pymysql.Error, OSError):
            self._connection.close()

    def cancel(self) -> None:
        """Kill the running statement and let no other start."""
        session.cancel(self._arguments, self._connection, self._identity)

    def close(self) -> None:
        """End the session: what was neither committed nor prepared is gone."""
        self._begun = False
        self._connection.close()
        if self._sql is not None:
            with suppress(sa.exc.SQLAlchemyError):
                self._sql.release()

    def _take_back(self) -> None:
        """Raises pymysql.Error."""
        if self._xid is None:
            run(self._connection, "ROLLBACK")
            return
        if not self._prepared:
            with suppress(pymysql.err.OperationalError):  # a deadlock has ended it already
                run(self._connection, f"XA END {self._xid}")
        run(self._connection, f"XA ROLLBACK {self._xid}")

    def _hold(self, table: str) -> None:
        """Keep the table as it is until the transaction ends, and see that a rollback takes back what is written."""
        try:
            run(self._connection, f"SELECT 1 FROM {sql.quote(table)} LIMIT 0")
        except pymysql.Error as error:
            if number(error) == NO_SUCH_TABLE:
                raise catalog.unknown(table) from error
            raise
        self._reach.check_table(self._database, table)

    def _look(self, statement: str, parameters: object) -> None:
        """Called with each of the task's own statements. Raises StatementRefused, TargetRefused."""
        written = self._guard.look(statement, parameters)
        with self._connection.own():
            self._reach.check_statement(self._database, statement)
            for name in written:
                self._reach.check_table(*(name if len(name) == 2 else (self._database, name[-1])))

    def _prove(self) -> None:
        """A commit or rollback since `start` would have taken the savepoint with it."""
        try:
            run(self._connection, f"RELEASE SAVEPOINT {self._savepoint}")
        except pymysql.err.OperationalError as error:
            found = known(error)
            if found is not None and not isinstance(found, TransactionBroken):
                raise
            raise TransactionBroken(f"{self.id} is not the transaction that was begun.") from error

    def _expect_marked(self) -> None:
        if not self._marked or self._broken:
            raise TransactionBroken(f"{self.id} has no marker, or failed before: it may not be committed.")

    @contextmanager
    def _own_write(self) -> Iterator[None]:
        with self._own(breaks=True):
            yield

    @contextmanager
    def _own(self, *, breaks: bool = False) -> Iterator[None]:
        """Run statements of ours: nobody looks at them, and errors are translated.

        With `breaks` an error is the end of the branch, whether or not the task's function lets it through.
        """
        if self._broken:
            raise TransactionBroken(f"{self.id} failed before and cannot go on: {self._broken}")
        if not self._begun or self._prepared:
            raise TransactionBroken(f"{self.id} has no transaction that could be written in.")
        try:
            with translated(), self._connection.own():
                yield
        except BaseException as error:
            if breaks:
                self._broken = str(error) or type(error).__name__
            raise


def _columns(table: Table, names: Sequence[str]) -> list[Column]:
    """The columns as they are now and will stay. Raises TargetConflict for one that is gone, UnknownColumn."""
    found = [table.column(name) for name in names]
    for name, column in zip(names, found, strict=True):
        if column is None:
            raise TargetConflict(f"Table {table.name} has been altered: its column {name!r} is gone.")
        if column.generated:
            raise UnknownColumn(f"Column {name!r} of table {table.name} is computed by the database.")
    return [column for column in found if column is not None]


def _engine(connection: Connection) -> sa.Engine:
    """SQLAlchemy over the one connection; it begins, commits and resets nothing by itself."""
    return sa.create_engine(
        "mysql+pymysql://",
        creator=lambda: connection,
        poolclass=sa.StaticPool,
        pool_reset_on_return=None,
        hide_parameters=True,
    )
