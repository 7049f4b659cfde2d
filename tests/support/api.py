"""Rescind's API as a real server, with an SQLite ledger and target, and a worker that runs when a test says so."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
from tests.support.waiting import until

from rescind import bootstrap
from rescind.ledger import tables as ledger_tables
from rescind.ledger.engine import Ledger
from rescind.settings import Settings, load
from rescind.targets import marker
from rescind.worker.run import Worker


@dataclass(frozen=True)
class Service:
    """A running API. `process` is gunicorn's parent; `client` speaks to it."""

    settings: Settings
    process: int
    client: httpx.Client

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """A worker in this process; it runs nothing by itself."""
        core = bootstrap.open_core(self.settings)
        try:
            yield bootstrap.open_worker(core, lambda task_id: None, lambda: False)
        finally:
            core.ledger.close()

    def work(self) -> int:
        """Run every task that can be run; how many attempts that were."""
        with self.worker() as worker:
            return worker.drain()

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one statement in the target, from a connection of its own, and commit it."""
        with closing(sqlite3.connect(self.settings.home / "data.db")) as connection, connection:
            return connection.execute(statement, parameters).fetchall()

    def submit(self, task: str, **args: Any) -> str:
        """The id of a new task."""
        answer = self.client.post("/v1/tasks", json={"task": task, "args": args})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def task(self, task_id: str) -> dict[str, Any]:
        """The task's document."""
        document: dict[str, Any] = self.client.get(f"/v1/tasks/{task_id}").json()
        return document

    def reset(self) -> None:
        """Forget every task, and drop every table of the target."""
        with closing(Ledger(self.settings.ledger())) as ledger, ledger.write() as connection:
            for table in reversed(ledger_tables.metadata.sorted_tables):
                if table is not ledger_tables.identity:
                    connection.execute(table.delete())
        for (name,) in self.sql("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"):
            if name != marker.NAME:
                self.sql(f'DROP TABLE "{name}"')

    def tasks(self) -> list[dict[str, Any]]:
        """All tasks, newest first."""
        listed: list[dict[str, Any]] = self.client.get("/v1/tasks?limit=500").json()["tasks"]
        return listed


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings_in(home: Path, port: int) -> Settings:
    """Settings for a home with a new, empty ledger."""
    settings = load(home=home, port=port)
    bootstrap.migrate(settings)
    return settings


@contextmanager
def running(home: Path, **environment: str) -> Iterator[Service]:
    """Migrate a new ledger in `home` and serve the API from it; `environment` holds further RESCIND_* settings."""
    settings = settings_in(home, free_port())
    command = [sys.executable, "-m", "rescind", "api", "--home", str(home), "--port", str(settings.port)]
    log = home / "api.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=os.environ | environment, cwd=home, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{settings.port}", timeout=30.0, trust_env=False) as client:
            until(lambda: answers(process, client, log), "the API to answer")
            yield Service(settings, process.pid, client)
    finally:
        process.terminate()
        process.wait(10)


def answers(process: subprocess.Popen[bytes], client: httpx.Client, log: Path) -> bool:
    """Whether the API answers; AssertionError with its log where it has ended."""
    assert process.poll() is None, log.read_text()
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False
