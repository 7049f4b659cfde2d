"""The thread in the children's parent that kills a child which hears no stop."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.support.waiting import until

from rescind.ledger import tasks, transitions
from rescind.ledger.engine import Ledger
from rescind.process import ProcessId, _start_time
from rescind.tasks.submission import new_id
from rescind.worker import guard


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A child that hears nothing."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def claimed(ledger: Ledger, worker: str, *, stop: bool) -> None:
    with ledger.write() as connection:
        task = new_id()
        tasks.insert_task(connection, task, "load", {}, ["default"])
        assert transitions.claim(connection, task, worker)
        if stop:
            transitions.request_stop(connection, task)


def worker(child: subprocess.Popen[bytes]) -> str:
    started = _start_time(child.pid)
    assert started is not None
    return str(replace(ProcessId.current(), pid=child.pid, started=started))


def test_a_child_that_hears_no_stop_is_killed_whatever_went_wrong_before(
    ledger: Ledger, child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(guard, "KILL_SECONDS", 0.0)
    claimed(ledger, worker(child), stop=True)
    faults = iter([OSError("no ledger yet"), ValueError("a row that nobody understands")])

    def opened() -> Ledger:
        if (fault := next(faults, None)) is not None:
            raise fault
        return ledger

    ended = threading.Event()
    thread = guard.start(opened, ended)
    try:
        until(lambda: child.poll() == -9, "its death")
    finally:
        ended.set()
        thread.join()


def test_a_task_that_cannot_be_read_is_no_reason_to_look_no_more(
    ledger: Ledger, child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(guard, "KILL_SECONDS", 0.0)
    claimed(ledger, "no process at all", stop=True)
    ended = threading.Event()
    thread = guard.start(lambda: ledger, ended)
    try:
        claimed(ledger, worker(child), stop=True)
        until(lambda: child.poll() == -9, "its death")
    finally:
        ended.set()
        thread.join()
