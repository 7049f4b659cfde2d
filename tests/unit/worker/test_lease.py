"""Judging from outside whether somebody is still at work."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

from rescind.domain.states import State
from rescind.domain.task import Task
from rescind.ledger.engine import now
from rescind.process import Life, ProcessId
from rescind.worker.lease import Unchanged, worker_is_gone


def task(worker: ProcessId | None) -> Task:
    return Task(
        "id",
        "load",
        {},
        ("default",),
        State.running,
        1,
        0,
        False,
        now(),
        worker=None if worker is None else str(worker),
    )


def test_time_counts_from_the_last_change() -> None:
    clock = iter([0.0, 10.0, 12.0, 20.0])
    seen = Unchanged(lambda: next(clock))
    assert [seen.seconds("t", beat) for beat in (1, 1, 2, 2)] == [0.0, 10.0, 0.0, 8.0]


def test_what_is_not_kept_begins_anew() -> None:
    clock = iter([0.0, 10.0])
    seen = Unchanged(lambda: next(clock))
    seen.seconds("t", 1)
    seen.keep(set())
    assert seen.seconds("t", 1) == 0.0


def test_a_process_that_ended_is_gone_and_a_living_one_is_not() -> None:
    child = subprocess.Popen(["sleep", "60"])
    me = ProcessId.current()
    started = int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19])
    other = replace(me, pid=child.pid, started=started)
    assert not worker_is_gone(task(other))
    assert other.kill() in (Life.alive, Life.gone)
    child.wait()
    assert worker_is_gone(task(other))
    assert not worker_is_gone(task(None))


def test_a_recycled_number_is_another_process_and_is_not_killed() -> None:
    child = subprocess.Popen(["sleep", "60"])
    recycled = replace(ProcessId.current(), pid=child.pid, started=1)
    assert recycled.kill() is Life.gone
    assert child.poll() is None
    child.kill()
    child.wait()


def test_nothing_is_known_of_another_machine_whatever_its_name() -> None:
    me = ProcessId.current()
    assert replace(me, host="elsewhere").life() is Life.unknown
    assert replace(me, namespace="pid:[1]").life() is Life.unknown
    clone = replace(me, boot="another")
    assert clone.life() is Life.unknown
    assert not worker_is_gone(task(clone))  # its worker is at work there
    assert ProcessId.parse(str(me)) == me
    assert me.pid == os.getpid()
