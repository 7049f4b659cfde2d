"""Sessions: known by their number and by when their server started, settled alike, and ended from other sessions.

Numbers begin again when a server starts: a number alone may be the user's own application.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pymysql

from rescind.errors import TargetRefused
from rescind.targets.mysql.connection import Connection
from rescind.targets.mysql.failures import ACCESS_DENIED, NO_SUCH_THREAD, number, translated
from rescind.targets.mysql.versions import maria

CONTROL_SECONDS = 10.0  #: how long an answer to a short statement may take
LOCK_SECONDS = 5  #: how long it waits for a lock: less, or the answer would not be heard
CANCEL_SECONDS = 2.0  #: a cancel comes from the thread that keeps the task's heart beating
END_SECONDS = 0.5  #: how long one call waits for a session that it ends
_POLL_SECONDS = 0.02

_SQL_MODE = (
    "STRICT_TRANS_TABLES,STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
    "NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO"  # 0 is a number like any other; without NO_BACKSLASH_ESCAPES
)
#: Read uncommitted, a marker would be no proof: its commit may still fail. Each statement of a session that only reads
#: proofs is a transaction, and a snapshot, of its own. Not READ COMMITTED, where a server whose binary log holds
#: statements takes no write.
_ISOLATION = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE"
#: What a server's own settings may say otherwise. Warnings are counted: they are all that LOAD DATA says of bad values.
_SETTINGS = f"""SET SESSION sql_mode='{_SQL_MODE}', time_zone='+00:00', innodb_lock_wait_timeout=%s,
    lock_wait_timeout=%s, foreign_key_checks=1, unique_checks=1, sql_notes=1, max_error_count=64,
    sql_safe_updates=0, sql_select_limit=DEFAULT, sql_quote_show_create=1, wait_timeout=86400, net_read_timeout=3600,
    net_write_timeout=3600"""
#: The server ends no session of a task that thinks between two statements, and none of its statements: whoever wants
#: that asks for the task's stop.
_PATIENCE = {
    True: ", idle_transaction_timeout=0, idle_readonly_transaction_timeout=0, idle_write_transaction_timeout=0,"
    " max_statement_time=0",
    False: ", max_execution_time=0",
}  #: MariaDB's and MySQL's

#: Both clocks are read in one statement, so that the difference is the same whenever it is asked.
_STARTED = "SELECT UNIX_TIMESTAMP() - variable_value, @@hostname, @@port FROM {} WHERE variable_name = 'Uptime'"
_STATUS = ("information_schema.global_status", "performance_schema.global_status")  #: MariaDB's and MySQL's

_UNDOING = "SELECT trx_state, trx_rows_modified FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = %s"

_STATE = "SELECT state FROM information_schema.processlist WHERE id = %s"
_WAITING = re.compile(r"Waiting for .*lock.*", re.IGNORECASE)  #: `Waiting for table metadata lock`, `… backup lock`


@dataclass(frozen=True)
class SessionId:
    """`number` in the server that started at `started` (seconds since 1970) on `server`."""

    number: int
    started: int
    server: str

    def __str__(self) -> str:
        return f"{self.number}@{self.started}@{self.server}"

    @classmethod
    def parse(cls, text: str) -> SessionId:
        """Raises ValueError for no session's name."""
        number, started, server = text.split("@", 2)
        return cls(int(number), int(started), server)

    def same_server(self, other: SessionId) -> bool:
        """Whether both are of one server, not started anew between them."""
        return (self.started, self.server) == (other.started, other.server)


def open_session(
    arguments: Mapping[str, Any], read_seconds: float = CONTROL_SECONDS, lock_seconds: int = LOCK_SECONDS
) -> Connection:
    """Connect, with settings that do not depend on the server's. Raises pymysql.Error."""
    connection = Connection(arguments, read_seconds)
    try:
        run(connection, _ISOLATION)
        run(connection, _SETTINGS + _PATIENCE[maria(connection.version)], lock_seconds, lock_seconds)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def control(arguments: Mapping[str, Any], read_seconds: float = CONTROL_SECONDS) -> Iterator[Connection]:
    """A connection of its own for some short statements; errors are translated."""
    with translated():
        connection = open_session(arguments, read_seconds)
        try:
            yield connection
        finally:
            connection.close()


def run(connection: Connection, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """The statement's rows. Raises pymysql.Error."""
    with connection.own(), connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return list(cursor.fetchall())


def identify(connection: Connection) -> SessionId:
    """The name of the session. Raises TargetRefused where the server does not say when it started."""
    found = run(connection, _STARTED.format(_STATUS[0 if maria(connection.version) else 1]))
    if not found:
        raise TargetRefused("The server does not say when it started: performance_schema must be on.")
    started, host, port = found[0]
    return SessionId(connection.number, int(started), f"{host}:{port}")


def cancel(arguments: Mapping[str, Any], connection: Connection, session: SessionId) -> None:
    """Have the session's running statement end; where the server does not answer, end our side. Never raises."""
    connection.cancelled = True
    try:
        with _quick(arguments) as killer:
            if identify(killer).same_server(session):
                run(killer, f"KILL QUERY {session.number}")
    except (pymysql.Error, OSError, TargetRefused) as error:
        if number(error) != NO_SUCH_THREAD:
            connection.cut()


def runs(arguments: Mapping[str, Any], session: SessionId) -> bool:
    """Whether the server that the session was in answers, and has not been started anew. Never raises."""
    try:
        with _quick(arguments) as connection:
            return identify(connection).same_server(session)
    except (pymysql.Error, OSError, TargetRefused):
        return False


@contextmanager
def _quick(arguments: Mapping[str, Any]) -> Iterator[Connection]:
    """A connection with none of our settings, for one answer. Raises pymysql.Error."""
    connection = Connection(arguments, CANCEL_SECONDS, connect_seconds=CANCEL_SECONDS)
    try:
        yield connection
    finally:
        connection.close()


def end(arguments: Mapping[str, Any], name: str) -> bool:
    """End the session of that name; whether it and its transaction are proven gone (unless that is prepared).

    The server knows a session until its transaction is rolled back, or prepared and let go: measured, a KILL of one
    that is rolling back still succeeds, and only afterwards is there no such session. KILL's answer is therefore
    the proof, which everybody gets whatever he may see. Raises TargetUnavailable, TargetRefused.
    """
    session = SessionId.parse(name)
    deadline = time.monotonic() + END_SECONDS
    with control(arguments) as connection:
        if not identify(connection).same_server(session):
            return True
        while _known(connection, session.number):
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return not _undoing(connection, session.number)


def left_to_undo(arguments: Mapping[str, Any], name: str) -> int | None:
    """Rows that the session's rollback has still to take back; None where nothing is known of it."""
    session = SessionId.parse(name)
    with control(arguments) as connection:
        if not identify(connection).same_server(session):
            return None
        rows = [row[1] for row in _transactions(connection, session.number) if row[0] == "ROLLING BACK"]
        return int(rows[0]) if rows else None


def blocked(arguments: Mapping[str, Any], name: str) -> str | None:
    """The lock that the session waits for. Its own user sees the session's state, who holds the lock nobody."""
    session = SessionId.parse(name)
    with control(arguments) as connection:
        if not identify(connection).same_server(session):
            return None
        if any(state == "LOCK WAIT" for state, _ in _transactions(connection, session.number)):
            return "a row that another session has locked"
        states = [state or "" for (state,) in run(connection, _STATE, session.number)]
        return next(("a table that another session has locked" for s in states if _WAITING.fullmatch(s)), None)


def _known(connection: Connection, thread: int) -> bool:
    """Kill the session; whether the server still had it."""
    try:
        run(connection, f"KILL CONNECTION {thread}")
    except pymysql.Error as error:
        if number(error) == NO_SUCH_THREAD:
            return False
        raise
    return True


def _undoing(connection: Connection, thread: int) -> bool:
    return any(_transactions(connection, thread))


def _transactions(connection: Connection, thread: int) -> list[tuple[Any, ...]]:
    """What InnoDB says of the session's transaction; nothing without the right PROCESS."""
    try:
        return run(connection, _UNDOING, thread)
    except pymysql.Error as error:
        if number(error) == ACCESS_DENIED:
            return []
        raise
