"""The three databases as the loads see them: their types, what is summed to compare rows, and their own clients."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.databases import Database, Maria, Postgres
from bench.peers.data import Data

LONG_TYPES = {
    "MariaDB": {"timestamp": "datetime"},  # a first TIMESTAMP changes by itself
    "PostgreSQL": {"double": "double precision"},
    "SQLite": {},
}
KEYS = {
    "MariaDB": Maria.identity,
    "PostgreSQL": Postgres.identity,
    "SQLite": "id integer PRIMARY KEY",
}


class Lite(Database):
    """A file beside which a service runs; SQLite lists no statements and prepares no transactions."""

    name = "SQLite"

    def __init__(self, file: Path) -> None:
        super().__init__(f"sqlite:///{file}")
        self.file = file

    def rows(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.file, timeout=60, isolation_level=None)) as connection:
            found: list[tuple[Any, ...]] = connection.execute(statement, parameters).fetchall()
            return found

    def shows(self, pattern: str) -> bool:
        return False

    def prepared(self) -> set[str]:
        return set()

    def client(self, file: Path, table: str, columns: str) -> list[str]:
        return ["sqlite3", str(self.file), ".bail on", ".mode csv", f".import --skip 1 '{file}' {table}"]


def quoted(database: str, name: str) -> str:
    return f"`{name}`" if database == "MariaDB" else f'"{name}"'


def declared(database: str, data: Data) -> str:
    """The columns of a table for `data`."""
    types = [(name, LONG_TYPES[database].get(kind, kind)) for name, kind in data.types.items()]
    columns = [f"{quoted(database, name)} {kind}" for name, kind in types]
    return ", ".join([KEYS[database], *columns] if data.numbered else columns)


def own_client(database: Database, data: Data, table: str, file: Path) -> list[str]:
    """The command of the database's own client; where the table is numbered it is given the columns."""
    columns = [quoted(database.name, name) for name in data.types]
    if isinstance(database, Lite):
        # .import wants a value for each column, so it gets the table without the key, which is in its favour.
        return database.client(file, table, "")
    into = f"{table} ({', '.join(columns)})"
    if isinstance(database, Postgres):
        address = f"postgresql://{database.address.username}@127.0.0.1:{database.address.port}/{database.database}"
        copy = f"\\copy {into} FROM '{file}' CSV HEADER NULL '{data.null}'"
        return ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", address, "-c", copy]
    where = ["-h", "127.0.0.1", "-P", str(database.address.port), "-u", str(database.address.username)]
    return [
        "mariadb",
        "--no-defaults",
        "--local-infile=1",
        *where,
        database.database,
        "-e",
        load_data(data, table, file),
    ]


def load_data(data: Data, table: str, file: Path) -> str:
    """LOAD DATA takes what is missing for 0; that it is NULL has to be said of each column that may miss it."""
    names = ", ".join(f"`{name}`" if data.numbered else f"@{name}" for name in data.types)
    values = ", ".join(f"`{name}` = {_value(name, kind, data.null)}" for name, kind in data.types.items())
    dialect = "FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY ''"
    load = (
        f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE {table} CHARACTER SET utf8mb4 {dialect} IGNORE 1 LINES ({names})"
    )
    return load if data.numbered else f"{load} SET {values}"


def _value(name: str, kind: str, null: str) -> str:
    value = f"nullif(@{name}, '{null}')"
    # The zone's Z is more than a DATETIME is read from.
    return f"trim(TRAILING 'Z' FROM {value})" if kind == "timestamp" and null else value


def binary_copy(database: Postgres, table: str, file: Path, columns: Mapping[str, str]) -> list[str]:
    """`\\copy` of a file in PostgreSQL's binary format."""
    address = f"postgresql://{database.address.username}@127.0.0.1:{database.address.port}/{database.database}"
    into = f"{table} ({', '.join(quoted('PostgreSQL', name) for name in columns)})"
    copy = f"\\copy {into} FROM '{file}' (FORMAT binary)"
    return ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", address, "-c", copy]


def checksums(database: Database, table: str, data: Data) -> tuple[Any, ...]:
    """The number of rows, and of each column how many values it has and a sum over them, whatever their order."""
    parts = [part for name, kind in data.types.items() for part in _sums(database.name, name, kind)]
    return tuple(map(str, database.rows(f"SELECT count(*), {', '.join(parts)} FROM {table}")[0]))


def _sums(database: str, name: str, kind: str) -> list[str]:
    column = quoted(database, name)
    if database == "MariaDB":
        return [f"count({column})", f"sum(crc32({column}))"]
    if database == "PostgreSQL":
        return [f"count({column})", f"sum(hashtext({column}::text)::bigint)"]
    # .import stores an empty text for what is missing, and a time as it is written.
    value = f"nullif(nullif({column}, ''), 'NA')"
    if kind == "timestamp":
        return [f"count({value})", f"sum(unixepoch(replace(substr({value}, 1, 19), 'T', ' ')))"]
    if kind in ("text", "date") or kind.startswith("varchar"):
        return [f"count({value})", f"sum(length({value}) * unicode({value}) + unicode(substr({value}, -1)))"]
    return [f"count({value})", f"printf('%.4f', total({value}))"]


def run(command: list[str], environment: Mapping[str, str]) -> None:
    """Raises RuntimeError with what a client said."""
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} left with {done.returncode}: {done.stderr.strip()[-600:]}")
