"""The private servers that are measured, seen from beside Rescind: their lists, own clients and own ROLLBACK."""

from __future__ import annotations

import os
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
import pymysql
from tests.support.servers.mariadb import MariaDB
from tests.support.servers.postgresql import PostgreSQL
from tests.support.servers.server import running

DEMO_COLUMNS = "field1 varchar(50), field2 varchar(50)"


class Database(ABC):
    """An empty database on a server of its own. `load_pattern`: the statement by which Rescind loads, for LIKE."""

    name: str
    load_pattern: str
    sleep_pattern: str
    identity: str  #: a key that the database counts

    def __init__(self, url: str) -> None:
        self.url = url
        self.address = urlsplit(url)
        self.database = self.address.path.removeprefix("/")

    @abstractmethod
    def rows(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What an administrator's statement answers, committed by itself."""

    @abstractmethod
    def shows(self, pattern: str) -> bool:
        """Whether a statement like that is among those that run."""

    @abstractmethod
    def prepared(self) -> set[str]:
        """Names of the prepared branches."""

    @abstractmethod
    def client(self, file: Path, table: str, columns: str) -> list[str]:
        """The command by which the server's own client loads a CSV file with a header."""

    def make_table(self, name: str, columns: str) -> None:
        self.rows(f"CREATE TABLE {name} ({columns})")

    def drop_table(self, name: str) -> None:
        self.rows(f"DROP TABLE {name}")

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])

    def load_by_client(self, file: Path, table: str, columns: str) -> float:
        """Seconds of the server's own client."""
        password = unquote(self.address.password or "")
        begun = time.perf_counter()
        subprocess.run(
            self.client(file, table, columns),
            check=True,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"MYSQL_PWD": password, "PGPASSWORD": password},
        )
        return time.perf_counter() - begun


class Maria(Database):
    name = "MariaDB"
    load_pattern = "LOAD DATA%"
    sleep_pattern = "SELECT SLEEP(%"
    identity = "id integer PRIMARY KEY AUTO_INCREMENT"

    def __init__(self, server: MariaDB) -> None:
        super().__init__(server.make_database())
        self._connection = pymysql.connect(
            host="127.0.0.1", port=server.port, user="root", database=self.database, autocommit=True
        )

    def rows(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return list(cursor.fetchall())

    def shows(self, pattern: str) -> bool:
        listed = "SELECT 1 FROM information_schema.processlist WHERE id <> connection_id() AND info LIKE %s"
        return bool(self.rows(listed, pattern))

    def prepared(self) -> set[str]:
        return {str(row[3]) for row in self.rows("XA RECOVER")}

    def client(self, file: Path, table: str, columns: str) -> list[str]:
        names = [column.split()[0] for column in columns.split(", ")]
        fields = ", ".join(f"@{name}" for name in names)
        # The client takes NA for 0; that it is NULL has to be said of each column.
        values = ", ".join(f"{name} = NULLIF(@{name}, 'NA')" for name in names)
        load = f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE {table} FIELDS TERMINATED BY ',' IGNORE 1 LINES"
        plain = f"{load} ({', '.join(names)})"
        where = ["-h", "127.0.0.1", "-P", str(self.address.port), "-u", str(self.address.username), self.database]
        statement = plain if len(names) == 2 else f"{load} ({fields}) SET {values}"
        return ["mariadb", "--no-defaults", "--local-infile=1", *where, "-e", statement]

    def rows_to_undo(self) -> int:
        """What InnoDB has written, and not taken back, in the longest transaction."""
        return int(self.rows("SELECT coalesce(max(trx_rows_modified), 0) FROM information_schema.innodb_trx")[0][0])

    def own_rollback(self, rows: int, source: str) -> float:
        """Seconds of the server's own ROLLBACK of as many rows, which one statement put into a table of that kind."""
        self.make_table("own", f"{self.identity}, {DEMO_COLUMNS}")
        self.rows("START TRANSACTION")
        self.rows(f"INSERT INTO own (field1, field2) SELECT field1, field2 FROM {source} LIMIT {rows}")
        begun = time.perf_counter()
        self.rows("ROLLBACK")
        took = time.perf_counter() - begun
        self.drop_table("own")
        return took


class Postgres(Database):
    name = "PostgreSQL"
    load_pattern = "COPY %"
    sleep_pattern = "SELECT pg_sleep(%"
    identity = "id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY"

    def __init__(self, server: PostgreSQL) -> None:
        super().__init__(server.make_database())
        # As the owner: loads into the tables that are made here.
        self._connection = psycopg.connect(self.url, autocommit=True)

    def rows(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(statement, parameters or None)
        return list(cursor.fetchall()) if cursor.description else []

    def shows(self, pattern: str) -> bool:
        listed = "SELECT 1 FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state = 'active' AND query LIKE %s"
        return bool(self.rows(listed, pattern))

    def prepared(self) -> set[str]:
        return {str(row[0]) for row in self.rows("SELECT gid FROM pg_prepared_xacts")}

    def client(self, file: Path, table: str, columns: str) -> list[str]:
        address = f"postgresql://{self.address.username}@127.0.0.1:{self.address.port}/{self.database}"
        return [
            "psql",
            "-X",
            "-v",
            "ON_ERROR_STOP=1",
            address,
            "-c",
            f"\\copy {table} FROM '{file}' CSV HEADER NULL 'NA'",
        ]


@contextmanager
def databases() -> Iterator[tuple[Maria, Postgres]]:
    """Both servers, as durable as in production, with memory enough for what is loaded."""
    with (
        running(MariaDB(innodb_buffer_pool_size="1G")) as mariadb,
        running(PostgreSQL(shared_buffers="512MB")) as postgresql,
    ):
        yield Maria(mariadb), Postgres(postgresql)
