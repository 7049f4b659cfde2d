"""The ledger's connections: what each kind of database is told first, and how long anybody waits for it.

On PostgreSQL and MySQL a transaction is READ COMMITTED: each statement sees what was committed when it began, a
guarded UPDATE waits for the row and then looks again. Nobody waits for ever, neither for a lock, nor for a server that
is frozen and keeps its connections.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from rescind import durability
from rescind.errors import ConfigurationError
from rescind.urls import database_url

if TYPE_CHECKING:
    from pymysql.connections import Connection as MySQLConnection

    from rescind.patient import PatientConnection

CONNECT_SECONDS = 5
#: The longest that one statement takes on a server, its wait for a lock included. On SQLite it is `busy_seconds`, where
#: a transaction waits for the whole file.
STATEMENT_SECONDS = 10.0
#: A server that has not answered so long after a statement should have ended is taken for dead.
GRACE_SECONDS = 5.0
#: A transaction whose owner stands still (a process that was stopped) is ended by the server.
IDLE_SECONDS = 15
#: The same on MySQL, which can tell no idle transaction from an idle connection.
IDLE_CONNECTION_SECONDS = 60

_POOL = {"pool_pre_ping": True, "pool_size": 5, "max_overflow": 35, "pool_timeout": STATEMENT_SECONDS}
_STRICT = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"


def open_engine(text: str, busy_seconds: float) -> Engine:
    """A pool of connections; connects to nothing yet. Raises ConfigurationError, which never shows the URL."""
    try:
        url = database_url(text)
    except ValueError as error:
        raise ConfigurationError(f"The URL of the ledger cannot be used: {error}.") from None
    match url.get_backend_name():
        case "postgresql":
            return _postgresql(url, min(busy_seconds, STATEMENT_SECONDS))
        case "mysql":
            return _mysql(url, min(busy_seconds, STATEMENT_SECONDS))
        case _:
            return _sqlite(url, busy_seconds)


def _sqlite(url: URL, busy_seconds: float) -> Engine:
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
        for setting in durability.SQLITE:  # PROTOCOL R10: what is decided survives a power cut
            connection.execute(f"PRAGMA {setting.name}={setting.value}")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("rescind_begin", "BEGIN"))

    return engine


def _postgresql(url: URL, statement_seconds: float) -> Engine:
    # Most ledgers are SQLite, and the driver costs start-up time.
    from rescind.patient import PatientConnection  # noqa: PLC0415

    network = {"connect_timeout": CONNECT_SECONDS, "keepalives_idle": 10, "keepalives_interval": 5}
    engine = create_engine(url, isolation_level="READ COMMITTED", connect_args=network, **_POOL)
    settings = {
        "TimeZone": "UTC",
        "lock_timeout": f"{statement_seconds:g}s",
        "statement_timeout": f"{statement_seconds:g}s",
        "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
    }

    @event.listens_for(engine, "do_connect")
    def _(dialect: object, record: object, args: Any, kwargs: Any) -> PatientConnection:
        connection = PatientConnection.connect(*args, **kwargs)
        connection.patience = statement_seconds + GRACE_SECONDS
        return connection

    @event.listens_for(engine, "connect")
    def _(connection: PatientConnection, record: object) -> None:
        asked = ", ".join(["set_config(%s, %s, false)"] * len(settings))
        connection.execute(f"SELECT {asked}", [text for setting in settings.items() for text in setting])
        connection.execute(durability.POSTGRESQL_SESSION)  # PROTOCOL R10
        connection.commit()

    return engine


def _mysql(url: URL, statement_seconds: float) -> Engine:
    network = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": statement_seconds + GRACE_SECONDS,
        "write_timeout": statement_seconds + GRACE_SECONDS,
        "charset": "utf8mb4",
    }
    engine = create_engine(url, isolation_level="READ COMMITTED", connect_args=network, **_POOL)

    @event.listens_for(engine, "connect")
    def _(connection: MySQLConnection, record: object) -> None:
        whole_seconds = max(1, round(statement_seconds))
        settings: dict[str, str | float] = {
            "time_zone": "'+00:00'",
            "sql_mode": f"'{_STRICT}'",
            "default_storage_engine": "InnoDB",  # for Alembic's own table
            "innodb_lock_wait_timeout": whole_seconds,
            "lock_wait_timeout": whole_seconds,
        }
        with connection.cursor() as cursor:
            cursor.execute("SELECT VERSION()")
            if "mariadb" in str(cursor.fetchone()).lower():
                settings |= {"max_statement_time": statement_seconds, "idle_transaction_timeout": IDLE_SECONDS}
            else:  # MySQL's own, which no test reaches where there is none
                settings |= {"wait_timeout": IDLE_CONNECTION_SECONDS}
            cursor.execute("SET " + ", ".join(f"SESSION {name} = {value}" for name, value in settings.items()))

    return engine
