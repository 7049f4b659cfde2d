"""Several APIs, workers and sweepers, as if on several machines, on one ledger: each task is carried out once."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import create_engine, text
from tests.support.http import Client
from tests.support.ledgers import SERVERS
from tests.support.servers.server import free_port
from tests.support.stack import command, environment
from tests.support.waiting import until

from rescind.urls import database_url

pytestmark = [pytest.mark.stack, pytest.mark.crash, pytest.mark.parametrize("kind", SERVERS)]

TASKS, ROWS = 30, 20
DONE_BEFORE_THE_KILL = 5
START_SECONDS = 60.0

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def target_url(kind: str, request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(kind).make_database())


@pytest.fixture
def start(kind: str, target_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Start `rescind …` as a process, which is gone after the test."""
    settings = environment(
        RESCIND_LEDGER_URL=str(request.getfixturevalue(kind).make_database()),
        DATABASE_URL=target_url,
        RESCIND_LEASE_SECONDS="2",
        RESCIND_SWEEP_SECONDS="0.3",
    )
    with ExitStack() as stack, (tmp_path / "log").open("wb") as log:

        def run(*arguments: str) -> subprocess.Popen[bytes]:
            argv = command(*arguments, "--home", tmp_path / "home")
            process = subprocess.Popen(argv, cwd=tmp_path, env=settings, stdout=log, stderr=log, start_new_session=True)
            stack.callback(_end, process)
            return process

        yield run


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    finally:
        process.kill()
        process.wait()


def served(start: Start, stack: ExitStack) -> Client:
    """An API that is ready."""
    port = free_port()
    start("api", "--port", str(port))
    http = stack.enter_context(closing(httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False)))
    until(lambda: _ready(http), "an API", START_SECONDS)
    return Client(http)


def _ready(http: httpx2.Client) -> bool:
    try:
        return http.get("/readyz").status_code == 200
    except httpx2.TransportError:
        return False


def test_each_of_many_tasks_is_carried_out_once_whoever_is_killed(start: Start, target_url: str) -> None:
    with ExitStack() as stack:
        migrations = [start("migrate") for _ in range(2)]
        assert [migration.wait() for migration in migrations] == [0, 0]
        clients = [served(start, stack) for _ in range(2)]
        workers = [start("worker") for _ in range(2)]
        sweepers = [start("sweeper") for _ in range(2)]

        submitted = [clients[n % 2].submit("generate", table="data", rows=ROWS) for n in range(TASKS)]
        until(lambda: done(clients[0]) >= DONE_BEFORE_THE_KILL, "the first tasks", START_SECONDS)
        for victim in (workers[0], sweepers[0]):
            os.kill(victim.pid, signal.SIGKILL)

        ended = [clients[n % 2].ended(task_id) for n, task_id in enumerate(submitted)]
        assert [task["state"] for task in ended] == ["committed"] * TASKS, ended
        kinds = [clients[1].kinds(task_id) for task_id in submitted]
        assert [each.count("committed") for each in kinds] == [1] * TASKS
        assert rows(target_url) == {"data": TASKS * ROWS, "rescind_marker": TASKS}


def done(client: Client) -> int:
    listed: list[Any] = client.http.get("/v1/tasks", params={"state": "committed"}).json()["tasks"]
    return len(listed)


def rows(url: str) -> dict[str, int]:
    """What is in the target, seen from outside; markers alone, no tombstones."""
    engine = create_engine(database_url(url))
    queries = {"data": "", "rescind_marker": " WHERE kind = 'marker'"}
    with engine.connect() as connection:
        found = {
            table: int(connection.execute(text(f"SELECT count(*) FROM {table}{where}")).scalar_one())
            for table, where in queries.items()
        }
    engine.dispose()
    return found
