"""Rescind without processes: ledger, SQLite target and a worker in the test's own process."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text, update

from rescind import bootstrap
from rescind.domain.task import Task
from rescind.ledger import tables
from rescind.ledger.engine import Ledger
from rescind.settings import Settings, load
from rescind.tasks.submission import Submission


class InProcess:
    """`submit` puts a task into the ledger, `drain` runs what is queued; `sql` looks at the target afterwards."""

    def __init__(self, settings: Settings) -> None:
        self.core = bootstrap.open_core(settings)
        self.submission = Submission(self.core.ledger, self.core.registry, lambda task_id: None)
        self.leaving = False
        self.worker = bootstrap.open_worker(self.core, lambda task_id: None, lambda: self.leaving)

    def submit(self, name: str, **args: Any) -> str:
        return self.submission.submit(name, args)[0]

    def load(self, table: str, content: bytes, **args: Any) -> str:
        """Submit a load of these bytes."""
        upload = self.core.uploads.receive(
            io.BytesIO(content), declared=len(content), filename=None, content_type=None, content_encoding=None
        )
        return self.submission.submit("load", {"table": table, "upload": upload.id, **args}, upload=upload)[0]

    def run(self, name: str, **args: Any) -> Task:
        """Submit a task, drain the queue, and see how it ended."""
        task_id = self.submit(name, **args)
        self.drain()
        return self.get(task_id)

    def drain(self) -> None:
        self.worker.drain()

    def get(self, task_id: str) -> Task:
        return self.submission.get(task_id)

    def wait_no_longer(self, task_id: str) -> None:
        """Let the pause before the next attempt be over."""
        with self.core.ledger.write() as connection:
            connection.execute(update(tables.task).where(tables.task.c.id == task_id).values(not_before=None))

    def sql(self, statement: str) -> list[Any]:
        """Rows from a fresh connection to the target, committed if it writes."""
        fresh = Ledger(self.core.settings.target_urls()["default"])
        try:
            with fresh.write() as connection:
                answer = connection.execute(text(statement))
                return [tuple(row) for row in answer] if answer.returns_rows else []
        finally:
            fresh.close()


@contextmanager
def in_process(home: Path, **settings: Any) -> Iterator[InProcess]:
    """A new ledger and a new target in `home`."""
    loaded = load(home=home, **settings)
    home.mkdir(exist_ok=True)
    bootstrap.migrate(loaded)
    running = InProcess(loaded)
    try:
        yield running
    finally:
        running.core.ledger.close()
        running.core.targets.close()
