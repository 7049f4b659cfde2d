"""Which task runs next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from tests.support.ledgers import on_every_ledger

from rescind.domain.states import State
from rescind.ledger import tables, tasks
from rescind.ledger.engine import Ledger, now
from rescind.scheduling.queue import next_task, unannounced
from rescind.tasks.submission import new_id

pytestmark = on_every_ledger

ONE_WRITER = frozenset({"default"})


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with closing(Ledger(ledger_url)) as opened:
        yield opened


def submit(ledger: Ledger, *targets: str) -> str:
    task_id = new_id()
    with ledger.write() as connection:
        tasks.insert_task(connection, task_id, "load", {}, targets or ("default",))
    return task_id


def put(ledger: Ledger, task_id: str, **values: Any) -> None:
    with ledger.write() as connection:
        connection.execute(update(tables.task).where(tables.task.c.id == task_id).values(**values))


def best(ledger: Ledger, exclusive: frozenset[str] = ONE_WRITER) -> str | None:
    with ledger.read() as connection:
        return next_task(connection, exclusive)


def test_the_oldest_comes_first(ledger: Ledger) -> None:
    assert best(ledger) is None
    first = submit(ledger)
    submit(ledger)
    assert best(ledger) == first


@pytest.mark.parametrize("state", [State.running, State.committing, State.aborting])
def test_a_target_with_room_for_one_writer_has_one(ledger: Ledger, state: State) -> None:
    busy, waits, elsewhere = submit(ledger), submit(ledger), submit(ledger, "other")
    put(ledger, busy, state=state)
    assert best(ledger) == elsewhere
    assert best(ledger, frozenset()) == waits


def test_a_task_waits_if_any_of_its_targets_is_busy(ledger: Ledger) -> None:
    put(ledger, submit(ledger, "default"), state=State.running)
    submit(ledger, "other", "default")
    assert best(ledger) is None


def test_a_task_that_ended_holds_up_nobody(ledger: Ledger) -> None:
    put(ledger, submit(ledger), state=State.failed)
    waits = submit(ledger)
    assert best(ledger) == waits


def test_a_task_is_not_run_before_its_time(ledger: Ledger) -> None:
    task_id = submit(ledger)
    put(ledger, task_id, not_before=now() + timedelta(seconds=30))
    assert best(ledger) is None
    put(ledger, task_id, not_before=now() - timedelta(seconds=1))
    assert best(ledger) == task_id


def test_a_clock_that_was_set_back_an_hour_keeps_no_task_waiting(ledger: Ledger) -> None:
    task_id = submit(ledger)
    put(ledger, task_id, not_before=now() + timedelta(hours=1), announced_at=now() + timedelta(hours=1))
    assert best(ledger) == task_id
    with ledger.read() as connection:
        assert unannounced(connection, ONE_WRITER) == [task_id]


def test_a_task_that_was_stopped_is_not_run(ledger: Ledger) -> None:
    put(ledger, submit(ledger), stop_requested=True)
    assert best(ledger) is None


def test_only_what_nobody_was_told_of_lately_is_announced(ledger: Ledger) -> None:
    fresh, stale, never = submit(ledger), submit(ledger), submit(ledger)
    put(ledger, fresh, announced_at=now())
    put(ledger, stale, announced_at=now() - timedelta(seconds=6))
    with ledger.read() as connection:
        assert unannounced(connection, ONE_WRITER) == [stale, never]
