"""An operator at work in the world of `tests.support.protocol`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import delete
from tests.support.protocol import SHAPES, World

from rescind.domain.branch import BranchId
from rescind.domain.states import State
from rescind.domain.task import Commit, Terms
from rescind.errors import RescindError
from rescind.ledger import events, tables
from rescind.transaction.operator import Operator
from rescind.transaction.situation import Observer, Open

HELD = Terms(commit=Commit.manual, hold_seconds=900)
WHY = "the backup of Monday"


@dataclass
class Desk:
    """An operator at work in a world."""

    w: World
    worker_left: bool = True

    def operator(self, *, dry_run: bool = False) -> Operator:
        observer = Observer(self.w.ledger, self.w.targets, lambda task: self.worker_left, 15.0)
        return Operator(observer, self._sweep, "ann", dry_run)

    def _sweep(self) -> None:
        for task_id in [open_.task.id for open_ in self.operator(dry_run=True).recover().before.tasks]:
            with suppress(RescindError):
                self.w.recover_once(self.w.task(task_id))
        for target in self.w.targets.values():
            with suppress(RescindError):
                self.w.recovery.sweep_target(target)

    def prepared(self, terms: Terms = HELD, shape: str = "two branches") -> str:
        """A task that is held."""
        task_id = self.w.submit(SHAPES[shape], terms)
        assert self.w.attempt(self.w.claim(task_id)) is State.prepared
        return task_id

    def forgotten(self) -> BranchId:
        """A prepared branch whose task the ledger does not know: it was restored from before it."""
        task_id = self.prepared(shape="two-phase")
        with self.w.ledger.write() as connection:
            connection.execute(delete(tables.task).where(tables.task.c.id == task_id))
        (branch,) = self.w.prepared("two")
        return branch

    def hazard(self, *, by_hand: str = "two") -> str:
        """A task in hazard: held, stopped, and one of its branches was committed by hand."""
        task_id = self.prepared()
        branch = next(b for b in self.w.prepared(by_hand) if b.task == task_id)
        self.w.targets[by_hand].commit_prepared(branch)
        self.w.stop(task_id)
        assert self.w.recovery.release(self.w.task(task_id)) is State.hazard
        return task_id

    def kinds(self, task_id: str) -> list[str]:
        with self.w.ledger.read() as connection:
            return [event.kind for event in events.of_task(connection, task_id)]

    def only(self, task_id: str) -> Open:
        return next(each for each in self.operator(dry_run=True).recover().before.tasks if each.task.id == task_id)
