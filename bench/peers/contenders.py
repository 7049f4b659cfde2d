"""Who loads: Rescind, the database's own client, and the others; each says how long it took."""

from __future__ import annotations

import json
import os
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from bench.databases import Database, Postgres
from bench.peers.data import Data
from bench.peers.places import Lite, binary_copy, declared, own_client, run
from bench.service import Service, seconds

OUTSIDERS = Path(__file__).with_name("outsiders.py")
LONGEST_SECONDS = 900


@dataclass(frozen=True)
class Took:
    """`seconds` of the load; `whole` is the trip over HTTP, until the client knows of the commit."""

    seconds: float
    whole: float | None = None


class Contender(ABC):
    """`prepare` makes what the load goes into, and is not measured."""

    name: str

    def prepare(self, database: Database, data: Data, table: str) -> None:
        database.make_table(table, declared(database.name, data))

    @abstractmethod
    def load(self, database: Database, data: Data, table: str) -> Took:
        """Raises RuntimeError with what went wrong."""


@dataclass
class Ours(Contender):
    """From the claim of the task to its receipt; and the whole trip. A table with indexes the load makes itself."""

    service: Service
    writers: int = 1

    @property
    def name(self) -> str:  # type: ignore[override]
        return "Rescind" if self.writers == 1 else f"Rescind, writers={self.writers}"

    def prepare(self, database: Database, data: Data, table: str) -> None:
        if not data.indexed:
            super().prepare(database, data, table)

    def load(self, database: Database, data: Data, table: str) -> Took:
        query: dict[str, str | Sequence[str]] = {"writers": str(self.writers)} if self.writers > 1 else {}
        if data.indexed:
            query |= {"create": "true", "index": data.indexed}
        if data.null:
            query["null"] = data.null  # unsaid, NA is a word in a column of text
        begun = time.perf_counter()
        task = self.service.wait(self.service.upload(table, data.file, **query))
        whole = time.perf_counter() - begun
        if task["state"] != "committed":
            raise RuntimeError(f"the task is {task['state']}: {task.get('error')}")
        return Took(seconds(task, "started_at", "finished_at"), whole)


class OwnClient(Contender):
    """Of the plain file, whatever the others are given."""

    name = "own client"

    def prepare(self, database: Database, data: Data, table: str) -> None:
        keyless = isinstance(database, Lite) and data.numbered
        columns = declared(database.name, data)
        database.make_table(table, columns.partition(", ")[2] if keyless else columns)
        for column in data.indexed:
            database.rows(f"CREATE INDEX {table}_{column} ON {table} ({column})")

    def load(self, database: Database, data: Data, table: str) -> Took:
        return _timed(own_client(database, data, table, data.plain), database)


@dataclass
class BinaryCopy(Contender):
    r"""`\copy` of PostgreSQL's binary format, which somebody has to write first: that is not measured."""

    directory: Path
    name: str = r"\copy binary"
    _files: dict[str, Path] = field(default_factory=dict)

    def prepare(self, database: Database, data: Data, table: str) -> None:
        assert isinstance(database, Postgres)
        super().prepare(database, data, table)
        if data.name not in self._files:
            self._files[data.name] = self.directory / f"{len(self._files)}.pgcopy"
            run(own_client(database, data, table, data.plain), environment(database))
            out = binary_copy(database, table, self._files[data.name], data.types)
            run([*out[:-1], out[-1].replace(" FROM ", " TO ")], environment(database))
            database.rows(f"TRUNCATE {table}")

    def load(self, database: Database, data: Data, table: str) -> Took:
        assert isinstance(database, Postgres)
        return _timed(binary_copy(database, table, self._files[data.name], data.types), database)


@dataclass
class Outsider(Contender):
    """One of `outsiders`, run by the Python of their environment. `makes`: it makes the table itself."""

    name: str
    function: str
    python: Path
    makes: bool = False

    def prepare(self, database: Database, data: Data, table: str) -> None:
        if not self.makes:
            super().prepare(database, data, table)

    def load(self, database: Database, data: Data, table: str) -> Took:
        job = {"url": database.url, "file": str(data.file), "table": table, "columns": data.types, "null": data.null}
        job["format"] = data.file.suffix.removeprefix(".")
        done = subprocess.run(
            [self.python, OUTSIDERS, self.function, json.dumps(job)],
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip()[-400:])
        return Took(json.loads(done.stdout.splitlines()[-1])["seconds"])


def environment(database: Database) -> dict[str, str]:
    """With the password where own clients look for it."""
    password = unquote(database.address.password or "")
    return os.environ | {"MYSQL_PWD": password, "PGPASSWORD": password}


def _timed(command: list[str], database: Database) -> Took:
    begun = time.perf_counter()
    run(command, environment(database))
    return Took(time.perf_counter() - begun)
