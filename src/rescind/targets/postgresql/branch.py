"""One task's transaction in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import psycopg
import sqlalchemy as sa
from psycopg.pq import TransactionStatus

from rescind.domain.branch import BranchId, MarkerKind, Protocol
from rescind.domain.schema import Table
from rescind.errors import TargetBusy, TargetConflict, TargetRefused, TransactionBroken
from rescind.targets import keys, marker
from rescind.targets.guarded import GuardedConnection
from rescind.targets.postgresql import catalog, reach, relations, sql
from rescind.targets.postgresql.columns import read as read_columns
from rescind.targets.postgresql.failures import TAKEN, translated
from rescind.targets.postgresql.guard import BranchConnection
from rescind.targets.postgresql.relations import Cursor
from rescind.targets.postgresql.session import ANSWER_SECONDS, SessionName, cancel, make_durable, settle
from rescind.targets.postgresql.upsert import PostgreSQLUpsert
from rescind.targets.postgresql.writer import PostgreSQLWriter, savepoint
from rescind.targets.statements import StatementGuard, TableName
from rescind.targets.target import Writer

_OPEN = (TransactionStatus.INTRANS, TransactionStatus.INERROR)

_LOCKS = """
SELECT c.oid::regclass::text, string_agg(DISTINCT l.mode, ', ') FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_class c ON c.oid = l.relation
WHERE l.pid = pg_catalog.pg_backend_pid() AND l.granted AND c.relkind IN ('r', 'p') AND l.mode <> 'AccessShareLock'
GROUP BY c.oid ORDER BY 1
"""


class PostgreSQLBranch:
    """A branch: one session, one transaction, in one phase or two."""

    def __init__(
        self,
        branch: BranchId,
        protocol: Protocol,
        connection: BranchConnection,
        session: SessionName,
        settings: Mapping[str, str],
    ) -> None:
        self.id = branch
        self._settings = settings
        self.session = str(session)
        self._protocol = protocol
        self._connection = connection
        self._guard = StatementGuard("postgres")
        self._checked: set[TableName] = set()
        self._reach: reach.Reach | None = None
        self._transaction = ""
        self._marked = False
        self._prepare_sent = False
        self._sql: GuardedConnection | None = None
        self._upserts: list[PostgreSQLUpsert] = []

    def start(self) -> None:
        """Begin the transaction, and note its number, which will prove it."""
        with translated():
            # Connecting SQLAlchemy rolls back once: it must be done before there is anything to roll back.
            self._sql = GuardedConnection(_engine(self._connection), self._guard)
            cursor = psycopg.Cursor(self._connection)
            cursor.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
            self._transaction = _number(cursor)
            self._connection.begun = True
            self._connection.check_reach = self._check_reach

    def connection(self) -> sa.Connection:
        """The transaction for the task's own statements, each of them looked at before it is sent."""
        assert self._sql is not None
        self._connection.guard = self._guard
        return self._sql

    def create_table(self, table: Table) -> None:
        """Make the table. Raises TargetConflict if it is there, TargetBusy if somebody else has not yet made it.

        Raises TargetRefused for what PostgreSQL will not have.
        """
        statement = sql.create_table(table)
        with self._own() as cursor, savepoint(cursor, "rescind_table"):
            taken = TargetConflict(f"Table {table.name} is there already: somebody else has just made it.")
            if relations.find(cursor, [table.name]) is not None:
                raise taken
            try:
                with _busy(f"Table {table.name} is being made by somebody else."):
                    cursor.execute(statement)
            except TAKEN as error:
                raise taken from error
            except psycopg.ProgrammingError as error:
                raise TargetRefused(f"PostgreSQL: {error.diag.message_primary}.") from error

    def create_indexes(self, table: Table) -> None:
        """Build them from the rows. Raises ConstraintViolated for a value that is too long, TargetRefused."""
        with self._own() as cursor:
            relation = relations.to_be_written(cursor, table.name)
            for columns in table.indexes:
                self._connection.expect_alive()  # a cancel that came between two of them has found nothing to end
                cursor.execute(sql.create_index(relation.sql, columns))

    def clear_table(self, table: str) -> int:
        """Delete all rows; returns how many. Raises UnknownTable, TargetRefused, TargetBusy.

        Other writers wait from here on, readers do not: a row that another transaction commits meanwhile, such as that
        of a second one that clears and fills the table, is not seen by the DELETE and would stay.
        """
        with self._own() as cursor, savepoint(cursor, "rescind_clear"):
            relation = relations.to_be_written(cursor, table)
            with _busy(f"Table {table} is being written to by somebody else."):
                cursor.execute(f"LOCK TABLE {relation.sql} IN SHARE ROW EXCLUSIVE MODE")
            return cursor.execute(f"DELETE FROM {relation.sql}").rowcount

    def writer(self, table: Table, columns: Sequence[str], key: Sequence[str] = ()) -> Writer:
        """A writer for those columns. Raises UnknownTable, UnknownColumn, TargetRefused."""
        found = table.only(columns).columns
        with self._own() as cursor:
            relation = relations.to_be_written(cursor, table.name)
            if key:
                keys.check(catalog.describe(cursor, relation), columns, key)
            bases = {column.name: base for column, base in read_columns(cursor, relation.oid)}
        go_on = self._connection.expect_alive
        if not key:
            return PostgreSQLWriter(self._own, go_on, relation.sql, found, bases)
        self._upserts.append(PostgreSQLUpsert(self._own, go_on, relation, found, key, bases))
        return self._upserts[-1]

    def write_marker(self, rows: int, checksum: str) -> None:
        """Prove the transaction, then write the marker. Raises TransactionBroken, StatementRefused.

        What is deferred to the commit is done before: a trigger may set what it likes, such as the path by which the
        marker's table is found, and that the commit need not wait for the disk.
        """
        self._guard.check()
        for upsert in self._upserts:
            upsert.close()  # a function that hid an error may have left it open, and the commit would keep its table
        with self._own() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            if _number(cursor) != self._transaction:
                raise TransactionBroken(f"{self.id} is not the transaction that was begun.")
            settle(cursor, self._settings)
            # Not by SQLAlchemy's connection, of which the function may have asked for cursors of the server.
            insert = sa.insert(marker.marker).values(marker.values(self.id, MarkerKind.marker, rows, checksum))
            assert self._sql is not None
            compiled = insert.compile(dialect=self._sql.dialect)
            cursor.execute(str(compiled).encode(), compiled.params)
            make_durable(cursor)  # the marker's table may have triggers too
            self._marked = True

    def check_constraints(self) -> None:
        """Check deferred constraints and constraint triggers now."""
        with self._own() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def locks(self) -> str:
        """The tables and the modes of the locks on them; each written row is locked too."""
        with self._own() as cursor:
            found = cursor.execute(_LOCKS).fetchall()
        return "; ".join(f"{table}: {modes} and its written rows" for table, modes in found)

    def prepare(self) -> None:
        """PREPARE TRANSACTION. Raises TransactionBroken where it is not done."""
        if self._protocol is not Protocol.two_phase:
            raise TargetRefused(f"{self.id} was opened for one phase: it cannot be prepared.")
        self._expect_marked()
        with self._own() as cursor:
            self._prepare_sent = True
            self._finish(cursor, f"PREPARE TRANSACTION {sql.literal(str(self.id))}", "PREPARE TRANSACTION")

    def commit(self) -> None:
        """COMMIT, or COMMIT PREPARED. Raises TransactionBroken where PostgreSQL rolled back instead."""
        if self._prepare_sent:
            with translated():
                psycopg.Cursor(self._connection).execute(f"COMMIT PREPARED {sql.literal(str(self.id))}")
            return
        self._expect_marked()
        with self._own() as cursor:
            self._finish(cursor, "COMMIT", "COMMIT")

    def rollback(self) -> None:
        """Take everything back; where that fails the connection is closed, which does the same but to a prepared."""
        self._connection.guard = None
        self._connection.patience = ANSWER_SECONDS
        try:
            cursor = psycopg.Cursor(self._connection)
            if self._connection.info.transaction_status in _OPEN:
                cursor.execute("ROLLBACK")
            elif self._prepare_sent:
                with suppress(psycopg.errors.UndefinedObject):  # it was not prepared, or is decided
                    cursor.execute(f"ROLLBACK PREPARED {sql.literal(str(self.id))}")
        except psycopg.Error:
            self._end()
        self._connection.server_runs = None  # whatever it is, the rollback is done

    def cancel(self) -> None:
        """Cancel the running statement, let no other start and no further rows be sent."""
        self._connection.cancelled = True
        cancel(self._connection)

    def close(self) -> None:
        """End the session: what was neither committed nor prepared is gone."""
        self._end()
        if self._sql is not None:
            with suppress(sa.exc.SQLAlchemyError):
                self._sql.release()
            self._sql.engine.dispose()

    def _end(self) -> None:
        with suppress(psycopg.Error):
            self._connection.close()

    def _expect_marked(self) -> None:
        if not self._marked:
            raise TransactionBroken(f"{self.id} has no marker: it may not be committed.")

    def _finish(self, cursor: Cursor, statement: str, tag: str) -> None:
        """The transaction's last statement. A failed transaction answers ROLLBACK, and no error (PROTOCOL R7)."""
        cursor.execute(statement)
        if cursor.statusmessage != tag:
            raise TransactionBroken(f"{tag} of {self.id} was answered by {cursor.statusmessage}.")

    def _check_reach(self, statement: str, tables: Iterable[TableName]) -> None:
        """PROTOCOL R11 for the tables that a task's own statement writes to, and for the functions that it calls."""
        if self._connection.info.transaction_status is TransactionStatus.INERROR:
            return
        cursor = psycopg.Cursor(self._connection)
        self._reach = self._reach or reach.read(cursor)
        relations.check_functions(statement, self._reach)
        new = set(tables) - self._checked
        for name in new:
            found = relations.find(cursor, name)
            if found is not None:  # otherwise the statement itself will say so
                relations.check(cursor, found)
        self._checked |= new

    @contextmanager
    def _own(self) -> Iterator[Cursor]:
        """Run statements of ours: the guard is lifted, and errors are translated."""
        self._connection.expect_alive()
        guard, self._connection.guard = self._connection.guard, None
        try:
            with translated():
                yield psycopg.Cursor(self._connection)
        finally:
            self._connection.guard = guard


@contextmanager
def _busy(reason: str) -> Iterator[None]:
    """Whoever holds the lock too long is at fault, and not the task: it waits, and loses no attempt."""
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise TargetBusy(reason) from error


def _number(cursor: Cursor) -> str:
    (row,) = cursor.execute("SELECT pg_current_xact_id()::text").fetchall()
    return str(row[0])


def _engine(connection: BranchConnection) -> sa.Engine:
    """SQLAlchemy over the one connection; it begins, commits and resets nothing by itself."""
    return sa.create_engine(
        "postgresql+psycopg://",
        creator=lambda: connection,
        poolclass=sa.StaticPool,
        pool_reset_on_return=None,
        hide_parameters=True,
        use_native_hstore=False,  # asked for in each session, and hardly ever there
    )
