"""Recovery with the default lease: workers that die or fall silent, and services that are killed in mid-commit."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.databases import DEMO_COLUMNS, Database, Maria, Postgres
from bench.figures import Say, p95, service_of, spread
from bench.service import Service
from rescind.process import ProcessId

ROWS = 2_000_000
DEATHS = 3
SILENCES = 2
RESTARTS = 3
EACH_KIND = 5  #: held on MariaDB, held on PostgreSQL, and killed in mid-commit of both: 20 branches
PATIENCE_SECONDS = 60.0


def dying(say: Say, service: Service, database: Database) -> None:
    dead = [_lose(service, database, signal.SIGKILL) for _ in range(DEATHS)]
    silent = [_lose(service, database, signal.SIGSTOP) for _ in range(SILENCES)]
    for what, times, goal in (("kill -9", dead, "<= 20 s; known dead, so sooner"), ("SIGSTOP", silent, "<= 20 s")):
        say(f"{database.name}: {what} of a worker child, taken over", spread([t[0] for t in times], "{:.1f} s"), goal)
        say("  until the 2 M rows are committed", spread([t[1] for t in times], "{:.1f} s"))


def _lose(service: Service, database: Database, number: signal.Signals) -> tuple[float, float]:
    """Seconds from the worker's loss until the task was taken over, and until it was committed."""
    database.make_table("lost", f"{database.identity}, {DEMO_COLUMNS}")
    task_id = service.submit("generate", table="lost", rows=ROWS)
    service.wait(task_id, lambda task: task["progress"]["rows"] >= ROWS // 5)
    pid = _worker_of(service.home, task_id)
    begun = time.perf_counter()
    os.kill(pid, number)
    try:
        service.wait(task_id, lambda task: task["attempt"] > 1 or task["state"] != "running")
        taken = time.perf_counter() - begun
    finally:
        if number is signal.SIGSTOP:
            os.kill(pid, signal.SIGCONT)  # it goes on as a zombie, and must not spoil the next attempt
    task = service.wait(task_id)
    committed = time.perf_counter() - begun
    assert (task["state"], task["attempt"]) == ("committed", 2), task
    assert database.count("lost") == ROWS
    database.drop_table("lost")
    return taken, committed


def _worker_of(home: Path, task_id: str) -> int:
    with closing(sqlite3.connect(home / "ledger.db")) as ledger:
        ((worker,),) = ledger.execute("SELECT worker FROM task WHERE id = ?", [task_id])
    return ProcessId.parse(worker).pid


def restarting(say: Say, maria: Maria, postgres: Postgres, directory: Path) -> None:
    """`rescind up` killed with 20 decided branches in two databases, then started again."""
    decided: list[float] = []
    committed: list[float] = []
    for n in range(RESTARTS):
        home = directory / f"restart_{n}"
        settings = {"RESCIND_TARGETS__OTHER": postgres.url}
        with service_of(home, maria, **settings, RESCIND_FAILPOINTS="commit2p.before=kill") as service:
            tasks = _leave_decided(service)
            left = _until(lambda: _of(maria, postgres) if len(_of(maria, postgres)) == 4 * EACH_KIND else None)
            service.process.kill()
        begun = time.perf_counter()
        watching = threading.Thread(target=_watch, args=(maria, postgres, left, decided, begun))
        watching.start()
        with service_of(home, maria, **settings) as service:
            watching.join()
            assert all(service.wait(task)["state"] == "committed" for task in tasks)
            committed.append(time.perf_counter() - begun)
    say(f"restart with {4 * EACH_KIND} decided branches, each branch decided", p95(decided), "p95 <= 10 s")
    say("  until every task is committed", p95(committed))


def _watch(maria: Maria, postgres: Postgres, left: set[str], decided: list[float], begun: float) -> None:
    """Add to `decided`, for each branch that is left, the seconds until it was listed no more."""
    while left:
        now_left = left & _of(maria, postgres)
        decided += [time.perf_counter() - begun] * len(left - now_left)
        left = now_left
        time.sleep(0.02)


def _leave_decided(service: Service) -> list[str]:
    """Tasks whose decision stands in the ledger, while nobody carries it out."""
    held = [_submit(service, n, [name], commit="manual") for n in range(EACH_KIND) for name in ("default", "other")]
    for task_id in held:
        assert service.wait(task_id, lambda task: task["state"] == "prepared")["state"] == "prepared"
    (sweeper,) = (child for child in service.process.children() if "sweeper" in " ".join(child.cmdline()))
    sweeper.suspend()
    both = [_submit(service, n, ["default", "other"]) for n in range(EACH_KIND)]
    for task_id in held:
        service.http.post(f"/v1/tasks/{task_id}/commit").raise_for_status()
    for task_id in [*held, *both]:
        assert service.wait(task_id, lambda task: task["state"] == "committing")["state"] == "committing"
    return [*held, *both]


def _submit(service: Service, n: int, targets: list[str], **terms: Any) -> str:
    # Of one table each: several branches of different tasks may not wait for each other.
    args = {"table": f"left_{n}_{'_'.join(targets)}", "rows": 1000}
    answer = service.http.post("/v1/tasks", json={"task": "generate", "args": args, "targets": targets, **terms})
    answer.raise_for_status()
    return str(answer.json()["id"])


def _of(maria: Maria, postgres: Postgres) -> set[str]:
    return maria.prepared() | postgres.prepared()


def _until(fact: Callable[[], set[str] | None]) -> set[str]:
    end = time.monotonic() + PATIENCE_SECONDS
    while (found := fact()) is None:
        assert time.monotonic() < end, "the branches were not all left prepared"
        time.sleep(0.05)
    return found
