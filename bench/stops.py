"""Stops: how soon the flag is answered, the statement is gone from the database, and the rollback is proven."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from bench.databases import DEMO_COLUMNS, Database, Maria
from bench.figures import Say, p95
from bench.service import Service

STOPS = 20
MANY_ROWS = 5_000_000
PARTS = (0.25, 0.5, 0.9)
OWN_TIMES = 1.3
OFTEN, RARELY = 0.01, 0.25  #: seconds between two looks; a rollback is not to compete with them


@dataclass(frozen=True)
class Stop:
    """Seconds since the stop was sent until it was answered, the attempt heard it, …"""

    answered: float
    heard: float
    gone: float  #: from the database's list of statements, for good
    proven: float
    rows: int  #: most rows that InnoDB said it had to take back


def stop(service: Service, database: Database, task_id: str, pattern: str) -> Stop:
    begun = time.perf_counter()
    undoing, ended = threading.Event(), threading.Event()
    gone = [0.0]
    rows = [0]

    def look() -> None:
        seen = True
        while not ended.wait(RARELY if undoing.is_set() else OFTEN):
            now_seen = database.shows(pattern)
            if seen and not now_seen:
                gone[0] = time.perf_counter() - begun
            seen = now_seen
            if isinstance(database, Maria) and undoing.is_set():
                rows[0] = max(rows[0], database.rows_to_undo())

    looking = threading.Thread(target=look)
    looking.start()
    answer = service.http.post(f"/v1/tasks/{task_id}/stop")
    answered = time.perf_counter() - begun
    assert answer.status_code == 202, answer.text
    service.wait(task_id, lambda task: task["state"] != "running")
    heard = time.perf_counter() - begun
    undoing.set()
    task = service.wait(task_id, pause=OFTEN if pattern == database.sleep_pattern else 0.05)
    proven = time.perf_counter() - begun
    ended.set()
    looking.join()
    assert task["state"] == "stopped", task
    return Stop(answered, heard, gone[0], proven, rows[0])


def stopping(say: Say, service: Service, database: Database) -> None:
    """A user's one long statement, and a load of many short ones."""
    sleeps, loads = [], []
    for _ in range(STOPS):
        task_id = service.submit("long-statement")
        while not database.shows(database.sleep_pattern):
            time.sleep(0.01)
        sleeps.append(stop(service, database, task_id, database.sleep_pattern))
    for n in range(STOPS):
        task_id = service.submit("generate", table="stopped", rows=MANY_ROWS)
        service.wait(task_id, lambda task, n=n: task["progress"]["rows"] > 20_000 * n)  # type: ignore[misc]
        loads.append(stop(service, database, task_id, database.load_pattern))
    for what, stops in (("long statement", sleeps), ("load", loads)):
        name = f"{database.name}: stop of a {what}"
        say(f"{name}, request answered", p95([s.answered * 1000 for s in stops], "ms"))
        say(f"{name}, flag answered by the attempt", p95([s.heard for s in stops]), "<= 1 s")
        say(f"{name}, statement gone", p95([s.gone for s in stops]), "p95 <= 1 s")
        say(f"{name}, rollback proven", p95([s.proven for s in stops]))


def proving(say: Say, service: Service, database: Database) -> None:
    """Stops of 5 M rows in different places; on MariaDB beside the server's own ROLLBACK of as many rows."""
    if isinstance(database, Maria):
        database.make_table("source", f"{database.identity}, {DEMO_COLUMNS}")
        assert service.wait(service.submit("generate", table="source", rows=MANY_ROWS))["state"] == "committed"
    for part in PARTS:
        task_id = service.submit("generate", table="stopped", rows=MANY_ROWS)
        service.wait(task_id, lambda task, part=part: task["progress"]["rows"] >= part * MANY_ROWS)  # type: ignore[misc]
        found = stop(service, database, task_id, database.load_pattern)
        what = f"{database.name}: stop at {part:.0%} of 5 M rows until proven"
        if isinstance(database, Maria):
            own = database.own_rollback(found.rows, "source")
            figure = f"{found.proven:.2f} s; ROLLBACK of {found.rows:,} {own:.2f} s"
            say(what, figure, f"ratio {found.proven / own:.2f}, <= {OWN_TIMES}")
        else:
            say(what, f"{found.proven:.2f} s", "<= 2 s")
