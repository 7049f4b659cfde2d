"""What a run happens in: a ledger, one or two targets with a user's table, an upload, one submitted task."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from tests.crash.bodies import file_bytes, input_rows
from tests.crash.ledgers import BUSY_SECONDS, LedgerSite, PostgreSQLLedger, SQLiteLedger
from tests.crash.modes import LOADING, MODES
from tests.crash.places import Kind
from tests.crash.scenario import Held, Job, Scenario
from tests.crash.servers import MariaDBSite, PostgreSQLSite
from tests.crash.sites import BEFORE, USED, MemorySite, Site, SQLiteSite

from rescind.domain.task import Commit, Terms
from rescind.domain.upload import Upload
from rescind.ledger.engine import Ledger
from rescind.readers.options import Options
from rescind.readers.reader import Opener, Reader, Source
from rescind.readers.registry import open_reader
from rescind.targets.registry import TargetRegistry
from rescind.tasks import generate
from rescind.tasks.registry import TaskRegistry
from rescind.tasks.submission import Key, Submission
from rescind.testing.memory import Operator
from rescind.transaction.coordinator import Coordinator
from rescind.transaction.forget import Forgetter
from rescind.transaction.recovery import Recovery
from rescind.uploads.outputs import OutputStore
from rescind.uploads.store import UploadStore
from rescind.worker.run import Worker
from rescind.worker.sweeper import Sweeper

LOCK_SECONDS = 1.0  #: how long a statement of a memory server waits for a lock
SWEEP_SECONDS = 0.02
GENERATED_ROWS, SEED = 40, 7
HOLD_SECONDS = 900  #: of a task that a person answers

#: Rows (counted) of a table, by target and table.
Contents = dict[str, dict[str, Counter[tuple[Any, ...]]]]


@dataclass(frozen=True)
class Parts:
    """What one process opens for itself."""

    ledger: Ledger
    targets: TargetRegistry
    registry: TaskRegistry
    uploads: UploadStore
    outputs: OutputStore

    @property
    def recovery(self) -> Recovery:
        return Recovery(self.ledger, self.targets)

    def open_upload(self, upload: Upload, options: Options, check: Callable[[], None], opener: Opener) -> Reader:
        return open_reader(Source(self.uploads.path(upload), 1 << 20, 1 << 30, options, open=opener), check)

    def worker(self) -> Worker:
        coordinator = Coordinator(self.ledger, self.targets, self.recovery)
        return Worker(
            ledger=self.ledger,
            targets=self.targets,
            registry=self.registry,
            uploads=self.uploads,
            outputs=self.outputs,
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
            outputs=self.outputs,
            publish=publish,
            lease_seconds=lease_seconds,
            sweep_seconds=SWEEP_SECONDS,
        )

    def close(self) -> None:
        self.targets.close()
        self.ledger.close()


@dataclass(frozen=True)
class World:
    """`directory` is the run's own; `tag` is in all table names.

    `addresses` are the sockets of two memory servers, `default` and `other`, and the URLs of databases that runs use
    one after the other: `postgresql`, `mariadb`, and `ledger` on PostgreSQL. `template` is a ledger's file.
    """

    scenario: Scenario
    directory: Path
    addresses: Mapping[str, str]
    tag: str
    template: Path

    @property
    def table(self) -> str:
        """The user's table, which is there before."""
        return f"item_{self.tag}"

    @property
    def made(self) -> str:
        """The table that a task makes."""
        return f"made_{self.tag}"

    @cached_property
    def ledger(self) -> LedgerSite:
        """As the run itself looks at it."""
        return self.look_at_ledger()

    def look_at_ledger(self) -> LedgerSite:
        """For a process of its own."""
        if self.scenario.place.ledger == "sqlite":
            return SQLiteLedger(self.file("ledger.db"), self.template)
        return PostgreSQLLedger(self.addresses["ledger"])

    @cached_property
    def sites(self) -> dict[str, Site]:
        """The targets' databases, by target."""
        return {name: self._site(name, kind) for name, kind in self.scenario.place.targets.items()}

    def _site(self, name: str, kind: Kind) -> Site:
        match kind:
            case Kind.sqlite:
                return SQLiteSite(name, self.file(f"{name}.db"))
            case Kind.postgresql | Kind.postgresql_two_phase:
                return PostgreSQLSite(name, self.addresses["postgresql"], kind)
            case Kind.mariadb | Kind.myisam:
                return MariaDBSite(name, self.addresses["mariadb"], kind)
            case _:
                return MemorySite(name, self.addresses[name], kind)

    def file(self, name: str) -> Path:
        return self.directory / name

    @contextmanager
    def open(self) -> Iterator[Parts]:
        """Fresh connections, closed at the end."""
        ledger = Ledger(self.ledger.url, BUSY_SECONDS)
        targets = TargetRegistry({name: site.target() for name, site in self.sites.items()})
        uploads = UploadStore(self.file("uploads"), ledger, 1 << 20)
        outputs = OutputStore(self.file("outputs"), ledger)
        parts = Parts(ledger, targets, _registry(), uploads, outputs)
        try:
            yield parts
        finally:
            parts.close()

    def set_up(self) -> None:
        """Make the ledger, and the user's table in each target."""
        self.calm()
        self.ledger.set_up()
        with self.open() as parts:
            parts.ledger.identity()
            for name, target in parts.targets.items():
                target.set_up()
                self.sites[name].make_table(self.table)

    def calm(self) -> None:
        """From now on the memory servers are as they should be."""
        for name, kind in self.scenario.place.targets.items():
            if kind.in_memory:
                operator = Operator(self.addresses[name])
                operator.up()
                operator.disarm()
                operator.configure(lock_seconds=LOCK_SECONDS)

    def clean(self) -> None:
        """Leave nothing in databases that other runs use."""
        for site in self.sites.values():
            site.drop(self.tag)

    def submit(self, key: Key | None = None) -> str:
        """Submit the task as a request does, the upload with it; the task's id."""
        with self.open() as parts:
            upload = self.receive(parts) if self.uploads else None
            submission = Submission(parts.ledger, parts.registry, lambda task_id: None)
            targets = list(self.scenario.place.targets)
            return submission.submit(
                self.task_name, self.arguments(upload), targets=targets, terms=self.terms, upload=upload, key=key
            )[0]

    @property
    def terms(self) -> Terms:
        held, dry_run = self.scenario.held, self.scenario.dry_run
        if held is None:
            return Terms(dry_run=dry_run)
        return Terms(Commit.manual, dry_run, 1 if held is Held.expiry else HOLD_SECONDS)

    @property
    def uploads(self) -> bool:
        return self.scenario.job in LOADING

    @property
    def task_name(self) -> str:
        match self.scenario.job:
            case Job.write | Job.slow | Job.fail:
                return f"{self.scenario.job}-{len(self.scenario.place.targets)}"
            case other:
                return "load" if self.uploads else str(other)

    def arguments(self, upload: Upload | None) -> dict[str, Any]:
        if upload is None:
            generates = self.scenario.job is Job.generate
            return {"table": self.made, "rows": GENERATED_ROWS, "seed": SEED} if generates else {"table": self.table}
        args: dict[str, Any] = {"table": self.table, "upload": upload.id}
        match self.scenario.job:
            case Job.create:
                return args | {"table": self.made, "create": True}
            case Job.load_by_two:
                return args | {"writers": 2}
            case job:
                return args | (MODES[job].args | self._counting if job in MODES else {})

    @property
    def _counting(self) -> dict[str, Any]:
        """A memory server answers no query."""
        return {} if any(kind.in_memory for kind in self.scenario.place.kinds) else {"count": True}

    def receive(self, parts: Parts) -> Upload:
        content = MODES[self.scenario.job].file if self.scenario.job in MODES else csv()
        return parts.uploads.receive(
            io.BytesIO(content),
            declared=len(content),
            filename="rows.csv",
            content_type="text/csv",
            content_encoding=None,
        )

    def before(self) -> Contents:
        """What the targets hold before the task, and what somebody else has put there since."""
        used: dict[str, Counter[tuple[Any, ...]]] = {self.made: Counter([USED])} if self.file("used").exists() else {}
        return {name: {self.table: Counter(BEFORE), **used} for name in self.scenario.place.targets}

    def after(self) -> Contents:
        """What they hold once it has committed: before, and the input's rows once."""
        contents = self.before()
        for tables in contents.values():
            match self.scenario.job:
                case Job.clear:
                    tables[self.table] = Counter()
                case Job.export:
                    pass
                case Job.create:
                    tables[self.made] = tables.get(self.made, Counter()) + Counter(input_rows())
                case Job.generate:
                    tables[self.made] = Counter(_generated())
                case job if job in MODES:
                    tables[self.table] = MODES[job].after
                case _:
                    tables[self.table] = Counter(BEFORE) + Counter(input_rows())
        return contents

    def rows(self) -> int:
        """What each target's marker counts."""
        by_job = {Job.clear: 0, Job.export: 0, Job.generate: GENERATED_ROWS}
        by_job |= {job: len(mode.rows) for job, mode in MODES.items()}
        return by_job.get(self.scenario.job, len(input_rows()))

    def counts(self) -> dict[str, int] | None:
        """What the receipt tells of the user's table, before and after; None: nothing."""
        job = self.scenario.job
        if job not in MODES or not (self._counting or MODES[job].args.get("mode") == "replace"):
            return None
        many = len(self.scenario.place.targets) > 1
        return {
            f"{when} in {target}" if many else when: contents[target][self.table].total()
            for when, contents in (("before", self.before()), ("after", self.after()))
            for target in self.scenario.place.targets
        }

    def file_bytes(self) -> bytes | None:
        """What the file must hold that the task makes; None: it makes none."""
        match self.scenario.job:
            case Job.report:
                return file_bytes()
            case Job.export:
                lines = ['"id","name"', *(f'{key},"{name}"' for key, name in BEFORE)]
                return "".join(f"{line}\r\n" for line in lines).encode()
            case _:
                return None

    def checksum(self, args: dict[str, Any], digests: list[str]) -> str:
        """SHA-256 over what the rows are made of: the task's name and arguments, and its uploads' digests."""
        made_of = [self.task_name, args, digests]
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()

    def contents(self) -> Contents:
        """What the targets hold now."""
        return {
            name: {
                table: Counter(self._row(table, row) for row in rows) for table, rows in site.tables(self.tag).items()
            }
            for name, site in self.sites.items()
        }

    def _row(self, table: str, row: dict[str, Any]) -> tuple[Any, ...]:
        # The ids of generated rows are the database's own: those of an attempt that was taken back are used up.
        hidden = {"id"} if self.scenario.job is Job.generate and table == self.made else set()
        return tuple(value for column, value in row.items() if column not in hidden)


@cache
def _registry() -> TaskRegistry:
    """One for all processes of a runner: it is never changed."""
    return TaskRegistry(("tests.crash.bodies",), 1_000_000)


def csv() -> bytes:
    """The input's rows as a file."""
    return ("id,name\n" + "".join(f"{key},{name}\n" for key, name in input_rows())).encode()


def _generated() -> list[tuple[str, str]]:
    return [
        (row["field1"], row["field2"]) for batch in generate.batches(GENERATED_ROWS, SEED) for row in batch.to_pylist()
    ]
