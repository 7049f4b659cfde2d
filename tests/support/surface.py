"""API, worker and sweeper in one process over memory databases, of which `plain` cannot prepare."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import update
from structlog.testing import capture_logs
from tests.support.memory import socket_path
from tests.support.serving import in_background
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import TestResponse

from rescind import bootstrap, failpoints
from rescind.api.application import create_app
from rescind.api.services import Services
from rescind.bootstrap import Core
from rescind.domain.branch import BranchId, Protocol
from rescind.domain.schema import Column, Table, Type
from rescind.domain.states import State
from rescind.ledger import migrate, tables, tasks
from rescind.ledger.engine import Ledger, clock
from rescind.settings import load
from rescind.targets.registry import TargetRegistry
from rescind.tasks.registry import TaskRegistry
from rescind.tasks.submission import Submission
from rescind.testing.memory import MemoryTarget, Operator, in_thread
from rescind.uploads.store import UploadStore
from rescind.worker.lease import Unchanged

NAMES = ("default", "archive", "plain")
ITEMS = Table("items", (Column("id", Type.integer, "", nullable=False, key=1), Column("name", Type.text, "")))
FILE = b"id,name\n1,x\n2,y\n3,z\n"


@dataclass
class Surface:
    """`call` sends a request, `work` runs what is queued, `sweep` does what the sweeper does, once."""

    core: Core
    operators: dict[str, Operator]

    @cached_property
    def app(self) -> Flask:
        core = self.core
        submission = Submission(core.ledger, core.registry, lambda task_id: None)
        return create_app(
            Services(
                settings=core.settings,
                ledger=core.ledger,
                targets=core.targets,
                registry=core.registry,
                uploads=core.uploads,
                outputs=core.outputs,
                submission=submission,
                readiness=dict,
                source=core.source,
            )
        )

    def call(self, method: str, path: str, **more: Any) -> TestResponse:
        return self.app.test_client().open(path, method=method, **more)

    def load(self, query: str = "", table: str = ITEMS.name, content: bytes = FILE) -> TestResponse:
        return self.call("POST", f"/v1/tables/{table}/rows?{query}", data=content, content_type="text/csv")

    def accepted(self, query: str = "", **more: Any) -> str:
        """The id of a load."""
        answer = self.load(query, **more)
        assert answer.status_code == 202, answer.text
        return str(document(answer)["id"])

    def held(self, query: str = "") -> str:
        """The id of a load that waits for its commit."""
        task_id = self.accepted(f"commit=manual&{query}")
        self.work()
        assert self.task(task_id)["state"] == State.prepared
        return task_id

    def task(self, task_id: str) -> dict[str, Any]:
        return document(self.call("GET", f"/v1/tasks/{task_id}"))

    def work(self) -> None:
        bootstrap.open_worker(self.core, lambda task_id: None, lambda: False).drain()

    def sweep(self) -> None:
        sweeper = bootstrap.open_sweeper(self.core)
        sweeper.stop_queued()
        for target in self.core.targets.values():
            sweeper.sweep_target(target, Unchanged(), Unchanged())

    def replace(self, name: str, target: MemoryTarget) -> None:
        """Have another database in the target's place, from the next request on."""
        targets = {**self.core.targets, name: target}
        self.core = replace(self.core, targets=TargetRegistry(targets))
        self.__dict__.pop("app", None)

    def rows(self, target: str = "default") -> int:
        return self.core.targets[target].catalog().count(ITEMS.name)

    def prepared(self) -> list[BranchId]:
        ledger = self.core.ledger.identity()[0]
        return [branch for target in self.core.targets.values() for branch in target.list_prepared(ledger)]

    def set(self, task_id: str, **values: Any) -> None:
        """Change the task's row behind everybody's back."""
        with self.core.ledger.write() as connection:
            connection.execute(update(tables.task).where(tables.task.c.id == task_id).values(**values))

    def expire(self, task_id: str) -> None:
        """Let the time of a held task be over."""
        with self.core.ledger.read() as connection:
            past = clock(connection) - timedelta(seconds=1)
        self.set(task_id, hold_until=past)

    def state(self, task_id: str) -> State:
        with self.core.ledger.read() as connection:
            found = tasks.get(connection, task_id)
        assert found is not None
        return found.state

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Worker and sweeper, again and again while the block runs."""
        ended = threading.Event()

        def loop() -> None:
            while not ended.wait(0.05):
                self.work()
                self.sweep()

        thread = threading.Thread(target=loop)
        with capture_logs():  # a command's output is looked at meanwhile
            thread.start()
            try:
                yield
            finally:
                ended.set()
                thread.join()

    @contextmanager
    def served(self) -> Iterator[str]:
        """The API over HTTP, while the block runs; its address."""
        with in_background(make_server("127.0.0.1", 0, self.app, threaded=True, request_handler=_Silent)) as url:
            yield url


class _Silent(WSGIRequestHandler):
    def make_environ(self) -> dict[str, Any]:
        """With a body that can be read to its end again, as gunicorn's can."""
        environ = super().make_environ()
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        return environ | {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True}

    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing of what was asked."""


def document(answer: TestResponse) -> dict[str, Any]:
    found = answer.json
    assert isinstance(found, dict)
    return found


@contextmanager
def surface(home: Path) -> Iterator[Surface]:
    """A new ledger, and the targets NAMES, each with an empty table ITEMS."""
    settings = load(home=home)
    with ExitStack() as stack:
        stack.callback(failpoints.disarm)
        operators = {name: stack.enter_context(in_thread(stack.enter_context(socket_path()))) for name in NAMES}
        targets = {name: MemoryTarget(name, o.address, two_phase=name != "plain") for name, o in operators.items()}
        for target in targets.values():
            _make_table(target)
        ledger = Ledger(settings.ledger())
        stack.callback(ledger.close)
        migrate.migrate(ledger)
        uploads = UploadStore(settings.uploads_directory(), ledger, settings.max_upload_bytes, keep_days=7.0)
        registry = TaskRegistry(("tests.support.shop_tasks",), settings.max_generate_rows)
        yield Surface(Core(settings, ledger, TargetRegistry(targets), registry, uploads), operators)


@contextmanager
def real_surface(home: Path, lock_seconds: int | None = None, /, **urls: str) -> Iterator[Surface]:
    """The same over the databases of those URLs; `default` must be one of them. Their tables are the test's to make."""
    others = {name: SecretStr(url) for name, url in urls.items() if name != "default"}
    settings = load(home=home, database_url=SecretStr(urls["default"]), targets=others, lock_seconds=lock_seconds)
    home.mkdir(exist_ok=True)
    bootstrap.migrate(settings)
    core = bootstrap.open_core(settings)
    try:
        yield Surface(core, {})
    finally:
        failpoints.disarm()
        core.close()


def _make_table(target: MemoryTarget) -> None:
    branch = target.open_branch(BranchId("0" * 12, 1, "setup", 1, 0), Protocol.one_phase)
    branch.start()
    branch.create_table(ITEMS)
    branch.writer(ITEMS, ["id", "name"]).write(pa.RecordBatch.from_pydict({"id": [], "name": []}))
    branch.commit()
    branch.close()
