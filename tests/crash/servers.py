"""The sites on real servers: PostgreSQL and MariaDB, by their drivers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pymysql
from psycopg.rows import dict_row
from pymysql.cursors import DictCursor
from sqlalchemy import make_url
from tests.crash.bodies import FIRST_KEY
from tests.crash.places import Kind
from tests.crash.sites import BEFORE, LOCK_SECONDS, USED, Tables

from rescind.domain.branch import Protocol
from rescind.targets.mysql.target import MySQLTarget
from rescind.targets.postgresql.target import PostgreSQLTarget
from rescind.targets.target import Target
from rescind.urls import database_url


class PostgreSQLSite:
    """A database that runs share, each with tables of its own."""

    def __init__(self, name: str, url: str, kind: Kind) -> None:
        self._name = name
        self._url = url
        self._kind = kind

    def target(self) -> Target:
        kind = _TwoPhase if self._kind is Kind.postgresql_two_phase else PostgreSQLTarget
        return kind(self._name, database_url(self._url))

    def make_table(self, table: str) -> None:
        with self._connect() as connection:
            connection.execute(f"CREATE TABLE {table} (id bigint PRIMARY KEY, name text NOT NULL)")
            connection.cursor().executemany(f"INSERT INTO {table} VALUES (%s, %s)", BEFORE)

    def tables(self, tag: str) -> Tables:
        with self._connect() as connection:
            query = "SELECT tablename FROM pg_tables WHERE tablename LIKE %s AND schemaname = current_schema"
            names = [row["tablename"] for row in connection.execute(query, [f"%{tag}%"])]
            return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}

    def prepared(self, ledger: str) -> list[str]:
        with self._connect() as connection:
            query = "SELECT gid FROM pg_prepared_xacts WHERE gid LIKE %s"
            return [row["gid"] for row in connection.execute(query, [f"%{ledger}%"])]

    def finish_by_hand(self, ledger: str, *, commit: bool) -> None:
        with self._connect() as connection:
            for name in self.prepared(ledger):
                connection.execute(f"{'COMMIT' if commit else 'ROLLBACK'} PREPARED '{name}'")

    def use(self, table: str) -> None:
        with self._connect() as connection:
            connection.execute(f"INSERT INTO {table} VALUES (%s, %s)", USED)

    def waits(self, table: str) -> Iterator[str]:
        alter = f"ALTER TABLE {table} ADD COLUMN more text"
        with self._connect() as connection:
            connection.execute(f"SET lock_timeout = '{LOCK_SECONDS:g}s'")
            for statement in (f"INSERT INTO {table} VALUES ({FIRST_KEY}, 'mine')", alter):
                try:
                    with connection.transaction(force_rollback=True):
                        connection.execute(statement)
                except psycopg.errors.UniqueViolation:
                    pass  # a committed row has the key: an answer at once
                except psycopg.Error as error:
                    yield f"a lock is left in {self._name}: {error}"

    def drop(self, tag: str) -> None:
        with self._connect() as connection:
            for name in self.tables(tag):
                connection.execute(f"DROP TABLE {name}")

    def _connect(self) -> psycopg.Connection[dict[str, Any]]:
        return psycopg.connect(self._url, autocommit=True, connect_timeout=10, row_factory=dict_row)


class _TwoPhase(PostgreSQLTarget):
    """A single branch is prepared too: the fast way to many two-phase commits on a real server."""

    def protocol(self) -> Protocol:
        return Protocol.two_phase


class MariaDBSite:
    """The same."""

    def __init__(self, name: str, url: str, kind: Kind) -> None:
        self._name = name
        self._url = url
        self._engine = "MyISAM" if kind is Kind.myisam else "InnoDB"

    def target(self) -> Target:
        return MySQLTarget(self._name, database_url(self._url))

    def make_table(self, table: str) -> None:
        with closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE {table} (id bigint PRIMARY KEY, name text NOT NULL) ENGINE={self._engine}")
            cursor.executemany(f"INSERT INTO {table} VALUES (%s, %s)", BEFORE)

    def tables(self, tag: str) -> Tables:
        with closing(self._connect()) as connection:
            query = "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = database()"
            names = [row["name"] for row in self._ask(connection, f"{query} AND table_name LIKE '%{tag}%'")]
            return {name: self._ask(connection, f"SELECT * FROM {name}") for name in names}

    def prepared(self, ledger: str) -> list[str]:
        with closing(self._connect()) as connection:
            found = [(row["gtrid_length"], _text(row["data"])) for row in self._ask(connection, "XA RECOVER")]
        return [f"'{data[:length]}','{data[length:]}'" for length, data in found if ledger in data]

    def finish_by_hand(self, ledger: str, *, commit: bool) -> None:
        with closing(self._connect()) as connection:
            for name in self.prepared(ledger):
                self._ask(connection, f"XA {'COMMIT' if commit else 'ROLLBACK'} {name}")

    def use(self, table: str) -> None:
        with closing(self._connect()) as connection:
            self._ask(connection, f"INSERT INTO {table} VALUES ({USED[0]}, '{USED[1]}')")

    def waits(self, table: str) -> Iterator[str]:
        with closing(self._connect()) as connection:
            self._ask(connection, f"SET innodb_lock_wait_timeout = {LOCK_SECONDS:g}, lock_wait_timeout = 1")
            for statement in (
                f"INSERT INTO {table} VALUES ({FIRST_KEY}, 'mine')",
                f"ALTER TABLE {table} COMMENT = 'altered'",
            ):
                try:
                    self._ask(connection, "BEGIN")
                    self._ask(connection, statement)
                except pymysql.err.IntegrityError:
                    pass
                except pymysql.Error as error:
                    yield f"a lock is left in {self._name}: {error}"
                finally:
                    self._ask(connection, "ROLLBACK")

    def drop(self, tag: str) -> None:
        with closing(self._connect()) as connection:
            for name in self.tables(tag):
                self._ask(connection, f"DROP TABLE {name}")

    @staticmethod
    def _ask(connection: pymysql.Connection[DictCursor], statement: str) -> list[dict[str, Any]]:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def _connect(self) -> pymysql.Connection[DictCursor]:
        url = make_url(self._url)
        return pymysql.connect(
            host=url.host or "",
            port=url.port or 0,
            user=url.username,
            password=url.password or "",
            database=url.database,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=10,
            ssl_disabled=True,
            cursorclass=DictCursor,
        )


def _text(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode()
