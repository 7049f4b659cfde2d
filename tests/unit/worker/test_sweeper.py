"""What the sweeper makes of an outage of the ledger, and of what is in the way of one task."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.inprocess import InProcess, in_process
from tests.support.surface import ITEMS, surface
from tests.support.waiting import until

from rescind import bootstrap, failpoints
from rescind.domain.branch import BranchId, Protocol
from rescind.domain.states import State
from rescind.errors import LedgerUnavailable, TargetRefused, Undecided
from rescind.ledger import transitions
from rescind.ledger.engine import Ledger
from rescind.targets.registry import TargetRegistry
from rescind.worker.lease import Unchanged
from rescind.worker.sweeper import Sweeper


def test_a_ledger_that_was_away_makes_no_worker_dead(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Healthy workers could not beat either: their leases begin anew."""
    clock = iter([0.0, 100.0, 200.0])
    beats = Unchanged(lambda: next(clock))
    none: Any = None

    @contextmanager
    def away(self: Ledger) -> Iterator[Any]:
        raise LedgerUnavailable("away")
        yield

    with closing(Ledger(ledger_url)) as ledger:
        sweeper = Sweeper(ledger, TargetRegistry({}), none, none, none, none, lambda _: None, 15.0, 2.0)
        beats.seconds("task", 1)
        assert beats.seconds("task", 1) == 100
        monkeypatch.setattr(Ledger, "write", away)
        monkeypatch.setattr(Unchanged, "keep", lambda *_: None)
        sweeper.sweep_tasks(lambda _: True, beats, Unchanged())
        assert beats.seconds("task", 1) == 0


def aborting(rescind: InProcess) -> str:
    """A task that a worker elsewhere has left to be taken back."""
    task_id = rescind.submit("generate", rows=1)
    with rescind.core.ledger.write() as connection:
        task = transitions.claim(connection, task_id, "elsewhere|x|x|1|1")
        assert task is not None
        assert transitions.begin_abort(connection, task, State.running, None)
        transitions.let_go(connection, task)
    return task_id


@pytest.mark.parametrize(
    "error",
    [TargetRefused("You are not the owner of thread 7 (1095)."), Undecided("It is alive."), ValueError("123@None")],
    ids=lambda error: type(error).__name__,
)
def test_what_is_in_the_way_of_one_task_is_told_and_costs_no_other_its_turn(error: Exception, tmp_path: Path) -> None:
    def stumble() -> None:
        raise error

    with in_process(tmp_path / "home") as rescind:
        left = [aborting(rescind) for _ in range(2)]
        failpoints.arm("recover.before_scan", stumble)
        bootstrap.open_sweeper(rescind.core).sweep_tasks(lambda _: True, Unchanged(), Unchanged())
        stumbled, other = sorted(map(rescind.get, left), key=lambda task: task.state)
        assert (stumbled.state, other.state) == (State.aborting, State.queued)
        assert stumbled.waiting_for is not None
        assert str(error) in stumbled.waiting_for


def test_a_task_that_waits_for_a_lock_says_so_until_it_has_it(tmp_path: Path) -> None:
    with surface(tmp_path) as s:
        holder = s.core.targets["default"].open_branch(
            BranchId("abcdefabcdef", 1, "somebody else", 1, 0), Protocol.one_phase
        )
        holder.start()
        holder.clear_table(ITEMS.name)
        reached, go_on = threading.Event(), threading.Event()

        def stay() -> None:
            reached.set()
            go_on.wait(30)

        failpoints.arm("branch.after_data", stay)
        task_id = s.accepted()

        def told() -> Any:
            s.sweep()
            return s.task(task_id).get("waiting_for")

        with ThreadPoolExecutor(1) as pool:
            pool.submit(s.work)
            words = until(told, "it says what it waits for")
            assert words == "Target default: it waits for a lock that another session holds."
            holder.rollback()
            assert reached.wait(30)
            s.sweep()
            assert (s.state(task_id), s.task(task_id).get("waiting_for")) == (State.running, None)
            go_on.set()
        holder.close()
        assert s.state(task_id) is State.committed
