"""Step 13: letting go of tasks that ended long ago, ledger row first, markers after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from rescind import failpoints
from rescind.domain.branch import BranchId
from rescind.domain.task import Task
from rescind.errors import RescindError
from rescind.ledger import branches, retention
from rescind.ledger.engine import Ledger
from rescind.targets.target import Target
from rescind.telemetry.logs import log


@dataclass
class Forgetter:
    """Forgets ended tasks older than `days`. May be killed at any line and called again."""

    ledger: Ledger
    targets: Mapping[str, Target]
    days: float

    def forget(self, at: datetime) -> int:
        """How many tasks were forgotten. Tasks in `hazard` stay until an operator has looked."""
        with self.ledger.read() as connection:
            old = retention.ended_before(connection, at - timedelta(days=self.days))
        forgotten = 0
        for task in old:
            try:
                if self._nothing_listed(task) and self._nothing_listed(task):
                    self._delete_row(task)
                    forgotten += 1
            except RescindError as error:
                log.warning("forget.later", task=task.id, error=str(error))
        self._delete_markers()
        return forgotten

    def _nothing_listed(self, task: Task) -> bool:
        """A prepared branch without its ledger row would be in quarantine for ever. Raises Undecided where unproven."""
        with self.ledger.read() as connection:
            prepared_in = branches.that_prepare(connection, task.id)
        return not any(
            branch.task == task.id
            for name in set(task.targets) | prepared_in
            for branch in self._listed(name, proven=name in prepared_in)
        )

    def _listed(self, name: str, *, proven: bool) -> list[BranchId]:
        """Proven: or a user who may not see the list (any more) would forget what is on it."""
        target, ledger = self.targets[name], self.ledger.identity()[0]
        return target.list_prepared(ledger) if proven else target.seen_prepared(ledger)

    def _delete_row(self, task: Task) -> None:
        failpoints.hit("forget.before")
        with self.ledger.write() as connection:
            # The markers' turn is noted in the same transaction: killed here, they would stay for ever.
            retention.forget(connection, task)
        failpoints.hit("forget.between")

    def _delete_markers(self) -> None:
        with self.ledger.read() as connection:
            left = retention.forgotten(connection)
        for task_id, name in left:
            try:
                self.targets[name].forget(self.ledger.identity()[0], task_id)
            except RescindError as error:
                log.warning("forget.markers-later", task=task_id, target=name, error=str(error))
                continue
            failpoints.hit("forget.after")
            with self.ledger.write() as connection:
                retention.done(connection, task_id, name)
