"""Connections to PostgreSQL: of branches, which may wait, and of control, which may not; and the name of a session.

The name is the server process's number and the time of its start, since numbers are used again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg.pq import PGconn, Ping
from sqlalchemy import URL

from rescind.durability import POSTGRESQL_SESSION
from rescind.errors import ConfigurationError, TargetRefused, TargetUnavailable
from rescind.patient import PatientConnection
from rescind.targets.postgresql.failures import translated

CONNECT_SECONDS = 5
ANSWER_SECONDS = 10.0  #: of a control statement; the server is asked to give up earlier, unless it is frozen
STATEMENT_SECONDS = 8
READ_SECONDS = 300.0
READ_LOCK_SECONDS = 10  #: how long a read waits for a lock
CANCEL_SECONDS = 5.0  #: a cancel comes from the thread that keeps the task's heart beating
END_SECONDS = 0.5  #: how long `end` waits for a session to go
_POLL_SECONDS = 0.01
CLEAN_UP_SECONDS = 10.0  #: how long a server that takes no sessions is waited for, to learn whether it is the same
_PING_SECONDS = 0.1
_SILENT_PINGS = 5

#: A machine that is gone is noticed even where nobody is told: after 25 s of silence, or of nothing acknowledged.
_NETWORK = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
    "client_encoding": "UTF8",
    "fallback_application_name": "rescind",
}

_ALIKE = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
}
_LONG = _ALIKE | {
    "lock_timeout": f"{READ_LOCK_SECONDS}s",
    "statement_timeout": "0",
    "client_connection_check_interval": "5s",  # else a statement runs on after its client has died
}
_CONTROL = _ALIKE | {"lock_timeout": f"{STATEMENT_SECONDS}s", "statement_timeout": f"{STATEMENT_SECONDS}s"}

#: Settings that an older server does not have are left out.
_APPLY = """
SELECT set_config(asked.name, asked.value, false) FROM unnest(%s::text[], %s::text[]) AS asked(name, value)
WHERE current_setting(asked.name, true) IS NOT NULL
"""
_NAME = re.compile(r"(\d+)@(\d+)@(.+)", re.DOTALL)
_STARTED = "(extract(epoch FROM backend_start) * 1000000)::bigint"


class Connection(PatientConnection):
    """A connection to a target."""

    patience: float | None = ANSWER_SECONDS


AnyConnection = TypeVar("AnyConnection", bound=Connection)


def parameters(name: str, url: URL) -> dict[str, Any]:
    """The parameters of libpq for the URL, options of its query included.

    Raises ConfigurationError for an option that libpq does not have: none is ignored.
    """
    asked: dict[str, Any] = url.translate_connect_args(username="user", database="dbname") | dict(url.query)
    try:
        psycopg.conninfo.make_conninfo("", **asked)
    except psycopg.Error:
        # libpq's own message is left out, and the cause with it: it quotes what it cannot read.
        options = ", ".join(url.query) or "none"
        raise ConfigurationError(f"Target {name}: libpq cannot read the URL (options in it: {options}).") from None
    return _NETWORK | asked | {"client_encoding": "UTF8"}


def of_branch(lock_seconds: int) -> dict[str, str]:
    """The settings of a branch, whose statements wait for a lock so long."""
    return _LONG | {"lock_timeout": f"{lock_seconds}s"}


def connect(kind: type[AnyConnection], asked: dict[str, Any], settings: Mapping[str, str]) -> AnyConnection:
    """A connection of that class, with those settings. Raises psycopg.Error."""
    connection = kind.connect(**asked, autocommit=True, prepare_threshold=None)
    try:
        settle(psycopg.Cursor(connection), settings)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_control(asked: dict[str, Any]) -> Connection:
    """A connection for short statements, each of them a transaction of its own. Raises psycopg.Error."""
    return connect(Connection, asked, _CONTROL)


def connect_reader(asked: dict[str, Any]) -> Connection:
    """A connection for one long read: READ_SECONDS may pass without a row. Raises psycopg.Error."""
    connection = connect(Connection, asked, _LONG)
    connection.patience = READ_SECONDS
    return connection


def settle(cursor: psycopg.Cursor[Any], settings: Mapping[str, str]) -> None:
    """Give the session our settings, whatever its statements have set before."""
    cursor.execute("RESET ALL")
    cursor.execute(_APPLY, [list(settings), list(settings.values())])
    make_durable(cursor)


def make_durable(cursor: psycopg.Cursor[Any]) -> None:
    """Have commits wait for the disk from now on (PROTOCOL R10)."""
    cursor.execute(POSTGRESQL_SESSION)


def server_began(connection: psycopg.Connection[Any]) -> int:
    """When the server did, in microseconds since 1970. It outlives the death of a session's process."""
    statement = "SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint"
    ((began,),) = psycopg.Cursor(connection).execute(statement).fetchall()
    return int(began)


def runs_on(asked: dict[str, Any], began: int, given_up: Callable[[], bool]) -> bool:
    """Whether the server that began then still runs. Never raises.

    When one of its processes has died it ends all others, and takes no sessions until it has cleaned up. Whoever comes
    in the moment in which it ends them is hung up on, as by a server that is gone: only one that stays silent is.
    """
    address = psycopg.conninfo.make_conninfo("", **asked).encode()
    deadline = time.monotonic() + CLEAN_UP_SECONDS
    silent = 0
    while time.monotonic() < deadline and not given_up():
        answer = PGconn.ping(address)
        silent = 0 if answer in (Ping.OK, Ping.REJECT) else silent + 1
        if silent > _SILENT_PINGS:
            return False
        if answer == Ping.OK:
            with suppress(psycopg.Error), closing(connect_control(asked)) as connection:
                return server_began(connection) == began
        time.sleep(_PING_SECONDS)
    return False


@dataclass(frozen=True)
class SessionName:
    """A server process: its number, when it started in microseconds since 1970, and the role that it works for."""

    pid: int
    started: int
    role: str

    def __str__(self) -> str:
        return f"{self.pid}@{self.started}@{self.role}"

    @classmethod
    def parse(cls, text: str) -> SessionName:
        """The inverse of `str()`. Raises ValueError."""
        found = _NAME.fullmatch(text)
        if not found:
            raise ValueError(f"{text!r} is no name of a PostgreSQL session")
        return cls(int(found[1]), int(found[2]), found[3])


def name_of(connection: psycopg.Connection[Any]) -> SessionName:
    """Which session the connection is. Raises psycopg.Error, TargetRefused where it cannot be known again."""
    statement = f"SELECT pid, {_STARTED}, session_user FROM pg_stat_activity WHERE pid = pg_backend_pid()"
    with _as_login(connection) as cursor:
        ((pid, started, role),) = cursor.execute(statement).fetchall()
    if started is None:
        raise TargetRefused(
            f"Role {role} may not see when its own sessions began. Cure: GRANT pg_read_all_stats to it."
        )
    return SessionName(pid, started, role)


def cancel(connection: psycopg.Connection[Any]) -> None:
    """Have its running statement end. Never raises: it may be closed by now."""
    with suppress(psycopg.Error):
        connection.cancel_safe(timeout=CANCEL_SECONDS)


def end(control: Connection, session: SessionName) -> bool:
    """End it, and say whether it is gone. Raises TargetUnavailable where this role may not see it.

    The server takes a process off the list after it has rolled back; its locks are free by then.
    """
    deadline = time.monotonic() + END_SECONDS
    with translated(control=True):
        while _terminated(control, session):
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
    return True


def blocked(control: Connection, session: SessionName) -> str | None:
    """Who holds the lock that the session waits for. Asked only of one that waits: it costs the server something."""
    statement = f"""SELECT pg_blocking_pids(pid) FROM pg_stat_activity
        WHERE pid = %s AND {_STARTED} = %s AND wait_event_type = 'Lock'"""
    with translated(control=True), _as_login(control) as cursor:
        found = cursor.execute(statement, [session.pid, session.started]).fetchall()
    if not found:
        return None
    holders = [f"server process {pid}" if pid else "a prepared transaction" for pid in dict.fromkeys(found[0][0])]
    return f"a lock that {' and '.join(holders)} holds" if holders else "a lock"


def _terminated(control: Connection, session: SessionName) -> bool:
    """End it if it is there; whether it was."""
    statement = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND {_STARTED} = %s"
    with _as_login(control) as cursor:
        runs = _runs(cursor, session)
        if runs:
            cursor.execute(statement, [session.pid, session.started])
    return runs


def _runs(cursor: psycopg.Cursor[Any], session: SessionName) -> bool:
    """Whether it is there. A start that is hidden proves nothing; the login and the database are shown to everybody.

    What has another login, or no database as the server's own processes, has merely got the number.
    """
    statement = f"SELECT {_STARTED}, usename, session_user FROM pg_stat_activity WHERE pid = %s AND datid IS NOT NULL"
    for started, login, role in cursor.execute(statement, [session.pid]):
        if started is None and login in (None, session.role):
            raise TargetUnavailable(f"Role {role} may not see session {session.pid}: grant it pg_read_all_stats.")
        return bool(started == session.started)
    return False


@contextmanager
def _as_login(connection: psycopg.Connection[Any]) -> Iterator[psycopg.Cursor[Any]]:
    """As the role that logged in, where `ALTER ROLE … SET role` made it another: that may not see its own sessions."""
    with connection.transaction():
        cursor = psycopg.Cursor(connection)
        cursor.execute("SET LOCAL ROLE NONE")
        yield cursor
