"""What a run happens in: a ledger, one or two targets with a user's table, an upload, one submitted task."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from tests.crash.bodies import Row, input_rows
from tests.crash.scenario import Job, Place, Scenario

from rescind.domain.branch import BranchId, Protocol
from rescind.domain.schema import Column, Table, Type
from rescind.domain.upload import Upload
from rescind.ledger.engine import Ledger
from rescind.ledger.migrate import migrate
from rescind.readers.reader import Reader, Source
from rescind.readers.registry import open_reader
from rescind.targets.registry import TargetRegistry
from rescind.targets.sqlite.target import SQLiteTarget
from rescind.targets.target import Target
from rescind.tasks import generate
from rescind.tasks.registry import TaskRegistry
from rescind.tasks.submission import Key, Submission
from rescind.testing.memory import MemoryTarget, Operator
from rescind.testing.memory.branch import MemoryBranch
from rescind.transaction.coordinator import Coordinator
from rescind.transaction.forget import Forgetter
from rescind.transaction.recovery import Recovery
from rescind.uploads.store import UploadStore
from rescind.worker.run import Worker
from rescind.worker.sweeper import Sweeper

BUSY_SECONDS = 3.0  #: how long a transaction of the ledger waits: longer than any process hangs in one
LOCK_SECONDS = 1.0  #: how long a statement of a memory server waits for a lock
SWEEP_SECONDS = 0.02
GENERATED_ROWS, SEED = 40, 7
BEFORE = [(n, f"user's {n}") for n in range(1, 6)]

#: Rows (counted) of a table, by target and table.
Contents = dict[str, dict[str, Counter[tuple[Any, ...]]]]


@dataclass(frozen=True)
class Parts:
    """What one process opens for itself."""

    ledger: Ledger
    targets: TargetRegistry
    registry: TaskRegistry
    uploads: UploadStore

    @property
    def recovery(self) -> Recovery:
        return Recovery(self.ledger, self.targets)

    def open_upload(self, upload: Upload) -> Reader:
        return open_reader(Source(self.uploads.path(upload), None, 1 << 20, 1 << 30))

    def worker(self) -> Worker:
        coordinator = Coordinator(self.ledger, self.targets, self.recovery)
        return Worker(
            ledger=self.ledger,
            targets=self.targets,
            registry=self.registry,
            uploads=self.uploads,
            open_upload=self.open_upload,
            coordinator=coordinator,
            announce=lambda task_id: None,
            leaving=lambda: False,
        )

    def sweeper(
        self, lease_seconds: float, days: float = 30.0, publish: Callable[[str], None] = lambda task_id: None
    ) -> Sweeper:
        return Sweeper(
            ledger=self.ledger,
            targets=self.targets,
            recovery=self.recovery,
            forgetter=Forgetter(self.ledger, self.targets, days),
            uploads=self.uploads,
            publish=publish,
            lease_seconds=lease_seconds,
            sweep_seconds=SWEEP_SECONDS,
        )

    def close(self) -> None:
        self.targets.close()
        self.ledger.close()


@dataclass(frozen=True)
class World:
    """`directory` is the run's own; `servers` are the sockets of two memory servers; `tag` is in all table names."""

    scenario: Scenario
    directory: Path
    servers: Mapping[str, str]
    tag: str

    @property
    def table(self) -> str:
        """The user's table, which is there before."""
        return f"item_{self.tag}"

    @property
    def made(self) -> str:
        """The table that a task makes."""
        return f"made_{self.tag}"

    @property
    def two_phase(self) -> frozenset[str]:
        """The targets whose branch is prepared first."""
        return frozenset(
            {
                Place.sqlite: (),
                Place.memory: ("default",),
                Place.one_phase: (),
                Place.pair: ("default", "other"),
                Place.mixed: ("other",),
                Place.mixed_memory: ("default",),
            }[self.scenario.place]
        )

    def file(self, name: str) -> Path:
        return self.directory / name

    @contextmanager
    def open(self) -> Iterator[Parts]:
        """Fresh connections, closed at the end."""
        ledger = Ledger(f"sqlite:///{self.file('ledger.db')}", BUSY_SECONDS)
        targets = TargetRegistry({name: self._target(name) for name in self.scenario.place.targets})
        registry = TaskRegistry(("tests.crash.bodies",), 1_000_000)
        uploads = UploadStore(self.file("uploads"), ledger, 1 << 20)
        parts = Parts(ledger, targets, registry, uploads)
        try:
            yield parts
        finally:
            parts.close()

    def set_up(self, template: Path) -> None:
        """Make the ledger of the (migrated, nameless) template, and the user's table in each target."""
        shutil.copy(template, self.file("ledger.db"))
        with self.open() as parts:
            parts.ledger.identity()
            for name, target in parts.targets.items():
                target.set_up()
                self._make_table(name, target)

    def calm(self) -> None:
        """From now on the servers are as they should be."""
        for address in self.servers.values():
            operator = Operator(address)
            operator.up()
            operator.disarm()
            operator.configure(lock_seconds=LOCK_SECONDS)

    def submit(self, key: Key | None = None) -> str:
        """Submit the task as a request does, the upload with it; the task's id."""
        with self.open() as parts:
            upload = self.receive(parts) if self.uploads else None
            submission = Submission(parts.ledger, parts.registry, lambda task_id: None)
            return submission.submit(self.task_name, self.arguments(upload), upload=upload, key=key)[0]

    @property
    def uploads(self) -> bool:
        return self.scenario.job in (Job.load, Job.create)

    @property
    def task_name(self) -> str:
        match self.scenario.job:
            case Job.write | Job.slow | Job.fail:
                return f"{self.scenario.job}-{len(self.scenario.place.targets)}"
            case Job.create:
                return "load"
            case other:
                return str(other)

    def arguments(self, upload: Upload | None) -> dict[str, Any]:
        match self.scenario.job:
            case Job.load | Job.create:
                assert upload is not None
                creates = self.scenario.job is Job.create
                return {"table": self.made if creates else self.table, "upload": upload.id, "create": creates}
            case Job.generate:
                return {"table": self.made, "rows": GENERATED_ROWS, "seed": SEED}
            case _:
                return {"table": self.table}

    def receive(self, parts: Parts) -> Upload:
        return parts.uploads.receive(
            io.BytesIO(csv()),
            declared=len(csv()),
            filename="rows.csv",
            content_type="text/csv",
            content_encoding=None,
        )

    def before(self) -> Contents:
        """What the targets hold before the task."""
        return {name: {self.table: Counter(BEFORE)} for name in self.scenario.place.targets}

    def after(self) -> Contents:
        """What they hold once it has committed: before, and the input's rows once."""
        contents = self.before()
        for tables in contents.values():
            match self.scenario.job:
                case Job.clear:
                    tables[self.table] = Counter()
                case Job.create:
                    tables[self.made] = Counter(input_rows())
                case Job.generate:
                    tables[self.made] = Counter(_generated())
                case _:
                    tables[self.table] = Counter(BEFORE) + Counter(input_rows())
        return contents

    def rows(self) -> int:
        """What each target's marker counts."""
        return {Job.clear: 0, Job.generate: GENERATED_ROWS}.get(self.scenario.job, len(input_rows()))

    def checksum(self, args: dict[str, Any], digests: list[str]) -> str:
        """SHA-256 over what the rows are made of: the task's name and arguments, and its uploads' digests."""
        made_of = [self.task_name, args, digests]
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()

    def contents(self, parts: Parts) -> Contents:
        """What the targets hold now."""
        return {name: self._tables(target) for name, target in parts.targets.items()}

    def _tables(self, target: Target) -> dict[str, Counter[tuple[Any, ...]]]:
        catalog = target.catalog()
        tables = {}
        for table in (name for name in catalog.tables() if self.tag in name):
            with catalog.rows(table) as batches:
                rows = [row for batch in batches for row in batch.to_pylist()]
            # The ids of generated rows are the database's own: those of an attempt that was taken back are used up.
            hide = {"id"} if self.scenario.job is Job.generate and table == self.made else set()
            tables[table] = Counter(tuple(v for k, v in row.items() if k not in hide) for row in rows)
        return tables

    def _target(self, name: str) -> Target:
        place = self.scenario.place
        if place is Place.sqlite or (place is Place.mixed and name == "default"):
            return SQLiteTarget(name, self.file(f"{name}.db"))
        can_prepare = place is not Place.one_phase and (place, name) != (Place.mixed_memory, "other")
        return MemoryTarget(name, self.servers[name], two_phase=can_prepare)

    def _make_table(self, name: str, target: Target) -> None:
        if isinstance(target, SQLiteTarget):
            connection = sqlite3.connect(self.file(f"{name}.db"))
            connection.execute(f"CREATE TABLE {self.table} (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
            connection.executemany(f"INSERT INTO {self.table} VALUES (?, ?)", BEFORE)
            connection.commit()
            connection.close()
            return
        branch = stranger(self.servers[name], self.tag)
        table = Table(
            self.table,
            (
                Column("id", Type.integer, "INTEGER", nullable=False, key=1),
                Column("name", Type.text, "TEXT", nullable=False),
            ),
        )
        branch.create_table(table)
        put(branch, self.table, BEFORE)
        branch.commit()
        branch.close()


def stranger(address: str, tag: str) -> MemoryBranch:
    """A session of somebody else's at a memory server, in a transaction."""
    branch = MemoryBranch(address, BranchId("0" * 12, 1, tag, 1, 0), Protocol.one_phase)
    branch.start()
    return branch


def csv() -> bytes:
    """The input's rows as a file."""
    return ("id,name\n" + "".join(f"{key},{name}\n" for key, name in input_rows())).encode()


def put(branch: MemoryBranch, table: str, rows: list[Row]) -> None:
    """Insert rows of (id, name)."""
    ids, names = zip(*rows, strict=True)
    shape = Table(table, (Column("id", Type.integer, "INTEGER"), Column("name", Type.text, "TEXT")))
    batch = pa.record_batch([pa.array(ids), pa.array(names)], names=["id", "name"])
    branch.writer(shape, batch.schema.names).write(batch)


def make_template(path: Path) -> None:
    """A migrated ledger that has no name yet: migrations are slow, and the same for every run."""
    ledger = Ledger(f"sqlite:///{path}")
    migrate(ledger)
    ledger.close()
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM identity")
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _generated() -> list[tuple[str, str]]:
    return [
        (row["field1"], row["field2"]) for batch in generate.batches(GENERATED_ROWS, SEED) for row in batch.to_pylist()
    ]
