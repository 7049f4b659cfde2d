"""Faults in a running service: two writers at once, a ledger that is locked, a worker that is told to leave."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx2
import pytest
from tests.support.stack import Stack
from tests.support.waiting import until

LOCKED_SECONDS = 10.0
MANY_ROWS = 1_000_000


@pytest.fixture
def http(stack: Stack) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=stack.url, timeout=60.0, trust_env=False) as client:
        yield client


def generate(http: httpx2.Client, table: str, rows: int) -> str:
    body = {"task": "generate", "args": {"table": table, "rows": rows}}
    answer = http.post("/v1/tasks", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def task(http: httpx2.Client, task_id: str) -> dict[str, Any]:
    found: dict[str, Any] = http.get(f"/v1/tasks/{task_id}").json()
    return found


def ended(http: httpx2.Client, task_id: str) -> dict[str, Any]:
    return until(lambda: (found := task(http, task_id))["done"] and found, f"task {task_id} to end", 90.0) or {}


def count(http: httpx2.Client, table: str) -> int:
    return int(http.get(f"/v1/tables/{table}/count").json()["count"])


def kinds(http: httpx2.Client, task_id: str) -> list[str]:
    return [event["kind"] for event in http.get(f"/v1/tasks/{task_id}/events").json()["events"]]


def test_case_23_two_loads_into_one_sqlite_target_both_succeed(http: httpx2.Client) -> None:
    first, second = generate(http, "pair", 300_000), generate(http, "pair", 300_000)
    ends = [ended(http, task_id) for task_id in (first, second)]
    assert [end["state"] for end in ends] == ["committed", "committed"]
    assert [end["attempt"] for end in ends] == [1, 1]
    assert count(http, "pair") == 600_000
    # One waited in the queue, and not with a connection in the database: it was claimed after the other's end.
    assert ends[1]["started_at"] >= ends[0]["finished_at"]


def test_case_26_a_ledger_that_is_locked_for_10_s_delays_and_loses_nothing(stack: Stack, http: httpx2.Client) -> None:
    running = generate(http, "locked", MANY_ROWS)
    until(lambda: task(http, running)["state"] == "running", "the task to run")
    with closing(sqlite3.connect(stack.home / "ledger.db", isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        try:
            late = {"task": "generate", "args": {"table": "late", "rows": 10}}
            with pytest.raises(httpx2.ReadTimeout):
                http.post("/v1/tasks", json=late, headers={"Idempotency-Key": "late"}, timeout=LOCKED_SECONDS)
            assert http.get("/").status_code == 200
        finally:
            blocker.execute("ROLLBACK")
    assert ended(http, running)["state"] == "committed"
    assert count(http, "locked") == MANY_ROWS
    again = http.post("/v1/tasks", json=late, headers={"Idempotency-Key": "late"})
    assert ended(http, again.json()["id"])["state"] == "committed"
    assert count(http, "late") == 10


def test_case_28_sigterm_during_a_load_puts_it_back_and_it_is_loaded_once(stack: Stack, http: httpx2.Client) -> None:
    task_id = generate(http, "left", 2 * MANY_ROWS)
    until(lambda: task(http, task_id)["progress"]["rows"] > 0, "the first rows")
    worker = stack.of_kind("worker")
    children = worker.children()
    worker.terminate()
    worker.wait(10)
    until(lambda: not any(child.is_running() for child in children), "the children to be gone", 10.0)
    stack.of_kind("worker", other_than=worker.pid)
    end = ended(http, task_id)
    assert end["state"] == "committed"
    assert end["attempt"] == 2
    assert kinds(http, task_id) == ["submitted", "running", "aborting", "queued", "running", "committing", "committed"]
    assert count(http, "left") == 2 * MANY_ROWS
