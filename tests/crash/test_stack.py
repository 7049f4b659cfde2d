"""The whole of Rescind as processes: one of them dies at a random moment or at a failpoint, and is started again."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx2 as httpx
import pytest
from tests.crash.invariants import violations
from tests.crash.observe import observe
from tests.crash.pool import ROOT, note_run
from tests.crash.scenario import Job, Place, Scenario
from tests.crash.test_random import RUNS, SEED
from tests.crash.traps import note
from tests.crash.world import BEFORE, World, csv
from tests.support.stack import KINDS, Stack, up
from tests.support.waiting import until

pytestmark = [pytest.mark.crash, pytest.mark.stack]

STACKS = 0 if SEED else max(1, RUNS // 100)
REST_SECONDS = 60.0
#: Where a whole stack is killed: a point of each of its processes' steps.
POINTS = (
    "submit.after_insert", "submit.after_commit", "announce.before", "announce.after_publish",
    "claim.after_update", "claim.after_commit", "branch.after_register", "branch.mid_data", "branch.after_marker",
    "decide.before", "decide.after", "commit1p.before", "commit1p.after", "finish.before", "finish.after",
    "sweep.before_dead", "sweep.before_announce", "heartbeat.late",
)  # fmt: skip


class StackWorld(World):
    """A run's world in the home of a `rescind up`."""

    def file(self, name: str) -> Path:
        return self.directory / {"default.db": "data.db"}.get(name, name)


@dataclass(frozen=True)
class Plan:
    """What happens: a failpoint that kills, or a kind of process that is killed `after` seconds."""

    job: Job
    point: str | None
    victim: str
    after: float
    stop_after: float | None


def plan(seed: int) -> Plan:
    random = Random(seed)
    job = random.choice((Job.slow, Job.load, Job.create, Job.generate, Job.write))
    point = random.choice((None, random.choice(POINTS)))
    stop_after = random.choice((None, None, random.uniform(0.0, 1.0)))
    return Plan(job, point, random.choice((*KINDS, "child", "all")), random.uniform(0.0, 0.8), stop_after)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", range(STACKS))
def test_the_whole_stack_keeps_the_promise(seed: int, tmp_path: Path) -> None:
    what = plan(seed)
    world = StackWorld(Scenario(seed, Place.sqlite, what.job), tmp_path / "home", {}, f"s{seed}")
    world.directory.mkdir(mode=0o700)
    _make_table(world)
    once = tmp_path / "once"
    if what.point is not None:
        once.touch()
    task_id = _live(world, what, once, tmp_path)
    observed = observe(world, task_id, [], [])
    found = violations(observed)
    note_run(
        {
            "seed": seed,
            "stack": True,
            "plan": vars(what),
            "acted": what.point is None or not once.exists(),
            "violations": found,
        }
    )
    assert not found, f"stack {seed}: {what}: {found}: {observed.events}"


def _live(world: StackWorld, what: Plan, once: Path, directory: Path) -> str:
    """Run the stack until the task has ended; the task's id. All its processes are gone afterwards."""
    settings = {
        "RESCIND_LEASE_SECONDS": "1",
        "RESCIND_SWEEP_SECONDS": "0.2",
        "RESCIND_TASKS": "tests.crash.bodies",
        "PYTHONPATH": str(ROOT),
    }
    if what.point is not None:
        settings |= {"RESCIND_FAILPOINTS": f"{what.point}=kill", "RESCIND_FAILPOINTS_ONCE": str(once)}
    with up(world.directory, 0, **settings) as stack:
        task_id = _submit(stack, world)
        began = time.monotonic()
        if what.point is None and what.victim != "all":
            _wait_since(began, what.after)
            _kill(stack, what.victim)
        elif what.point is None:
            _wait_since(began, what.after)
            stack.end(signal.SIGKILL)
        if what.victim != "all" or what.point is not None:
            _end(stack, world, what, task_id, began)
            return task_id
    with up(world.directory, 0, **settings) as again:
        _end(again, world, what, task_id, began)
    return task_id


def _end(stack: Stack, world: StackWorld, what: Plan, task_id: str, began: float) -> None:
    if what.stop_after is not None:
        _wait_since(began, what.stop_after)
        answer = _ask(stack, "POST", f"/v1/tasks/{task_id}/stop")
        note(world.file("stops"), "accepted" if answer.status_code == 202 else answer.json()["code"])
    until(lambda: _ask(stack, "GET", f"/v1/tasks/{task_id}").json()["done"], "the task to end", REST_SECONDS)
    assert stack.end() == 0


def _submit(stack: Stack, world: StackWorld) -> str:
    """The task's id. The request is sent again with the same key until it is answered."""
    headers = {"Idempotency-Key": "once"}
    if world.uploads:
        creates = world.scenario.job is Job.create
        path = f"/v1/tables/{world.made if creates else world.table}/rows{'?create=true' if creates else ''}"
        answer = _ask(stack, "POST", path, content=csv(), headers=headers | {"Content-Type": "text/csv"})
    else:
        body = {"task": world.task_name, "args": world.arguments(None)}
        answer = _ask(stack, "POST", "/v1/tasks", content=json.dumps(body), headers=headers | _JSON)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


_JSON = {"Content-Type": "application/json"}


def _ask(stack: Stack, method: str, path: str, **request: Any) -> httpx.Response:
    """An answer of the API, which may be down for a moment."""

    def once() -> list[httpx.Response]:
        try:
            return [httpx.request(method, stack.url + path, timeout=10, trust_env=False, **request)]
        except httpx.TransportError:
            return []

    return until(once, "an answer")[0]  # in a list, since an error response is false by itself


def _kill(stack: Stack, victim: str) -> None:
    """`child` is a child of the worker, every other word a process of that kind."""
    if victim != "child":
        stack.of_kind(victim).kill()
        return
    children = stack.of_kind("worker").children()
    if children:
        os.kill(children[0].pid, signal.SIGKILL)


def _wait_since(began: float, seconds: float) -> None:
    time.sleep(max(0.0, began + seconds - time.monotonic()))  # the moment is part of the plan, not a fact to wait for


def _make_table(world: StackWorld) -> None:
    with closing(sqlite3.connect(world.file("default.db"))) as connection:
        connection.execute(f"CREATE TABLE {world.table} (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        connection.executemany(f"INSERT INTO {world.table} VALUES (?, ?)", BEFORE)
        connection.commit()
