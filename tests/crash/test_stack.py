"""The whole of Rescind as processes: one of them dies at a random moment or at a failpoint, and is started again."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx2 as httpx
import pytest
from tests.crash.conftest import Servers
from tests.crash.invariants import violations
from tests.crash.observe import observe
from tests.crash.places import Place
from tests.crash.pool import ROOT, note_run
from tests.crash.runner import databases
from tests.crash.scenario import Job, Scenario
from tests.crash.test_random import RUNS, SEED
from tests.crash.traps import note
from tests.crash.world import World, csv
from tests.support.stack import KINDS, Stack, up
from tests.support.waiting import until

pytestmark = [pytest.mark.crash, pytest.mark.stack]

REST_SECONDS = 60.0
#: Where a whole stack is killed: a point of each of its processes' steps.
POINTS = (
    "submit.after_insert", "submit.after_commit", "announce.before", "announce.after_publish",
    "claim.after_update", "claim.after_commit", "branch.after_register", "branch.mid_data", "branch.after_marker",
    "decide.before", "decide.after", "commit1p.before", "commit1p.after", "commit2p.before", "commit2p.after",
    "finish.before", "finish.after",
    "sweep.before_dead", "sweep.before_announce", "heartbeat.late",
)  # fmt: skip


#: Where it runs, one stack after the other.
PLACES = (Place.sqlite, Place.mariadb, Place.postgresql, Place.ledger_postgresql)
#: Who is killed, each of them at least once.
VICTIMS = (*KINDS, "child", "all")
STACKS = 0 if SEED else max(len(VICTIMS), RUNS // 250)


class StackWorld(World):
    """A run's world in the home of a `rescind up`."""

    def file(self, name: str) -> Path:
        return self.directory / {"default.db": "data.db"}.get(name, name)

    def settings(self) -> dict[str, str]:
        """The databases, as a user names them."""
        found = {}
        if server := self.scenario.place.kinds[0].server:
            found["DATABASE_URL"] = self.addresses[server]
        if self.scenario.place.ledger != "sqlite":
            found["RESCIND_LEDGER_URL"] = self.addresses["ledger"]
        return found


@dataclass(frozen=True)
class Plan:
    """What happens: a failpoint that kills, or a kind of process that is killed `after` seconds."""

    place: Place
    job: Job
    point: str | None
    victim: str
    after: float
    stop_after: float | None


def plan(seed: int) -> Plan:
    random = Random(seed)
    job = random.choice((Job.slow, Job.load, Job.create, Job.generate, Job.write))
    point = random.choice((None, random.choice(POINTS)))
    victim = random.choice(VICTIMS)
    if seed < len(VICTIMS):
        point, victim = None, VICTIMS[seed]
    stop_after = random.choice((None, None, random.uniform(0.0, 1.0)))
    return Plan(
        PLACES[seed % len(PLACES)],
        job,
        point,
        victim,
        random.uniform(0.0, 0.8),
        stop_after,
    )


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", range(STACKS))
def test_the_whole_stack_keeps_the_promise(seed: int, tmp_path: Path, servers: Servers) -> None:
    what = plan(seed)
    servers.expect(*what.place.servers)
    scenario = Scenario(seed, what.place, what.job)
    world = StackWorld(scenario, tmp_path / "home", _addresses(servers, scenario), f"s{seed}", tmp_path / "unused")
    world.directory.mkdir(mode=0o700)
    world.sites["default"].make_table(world.table)
    once = tmp_path / "once"
    if what.point is not None:
        once.touch()
    task_id = _live(world, what, once, tmp_path)
    observed = observe(world, task_id, [], [])
    found = violations(observed)
    note_run(
        {
            "combination": "the whole stack",
            "seed": seed,
            "plan": vars(what),
            "hits": [what.point] if what.point is not None and not once.exists() else [],
            "violations": found,
        }
    )
    assert not found, f"stack {seed}: {what}: {found}: {observed.events}"


def _live(world: StackWorld, what: Plan, once: Path, directory: Path) -> str:
    """Run the stack until the task has ended; the task's id. All its processes are gone afterwards."""
    settings = world.settings() | {
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


def _addresses(servers: Servers, scenario: Scenario) -> Mapping[str, str]:
    return databases({name: servers.there[name] for name in scenario.place.servers})
