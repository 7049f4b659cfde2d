"""Versions of the protocol with one guard taken out, for the proof that the suite would notice.

They exist in the processes of a run only: the service has no switch for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from rescind import failpoints
from rescind.domain.branch import Marker, Protocol
from rescind.domain.states import State
from rescind.domain.task import Task
from rescind.ledger import tasks, transitions
from rescind.ledger.branches import Registered
from rescind.transaction import preflight
from rescind.transaction.recovery import Recovery


def apply(name: str | None) -> None:
    """Take the guard of that name out of this process."""
    if name is not None:
        MUTANTS[name]()


def _no_marker_check() -> None:
    """Recovery takes back what it did not see commit, without looking for the marker."""
    _put(Recovery, "_marker", lambda self, branch: None)


def _no_marker_check_at_all() -> None:
    """Neither recovery nor the next attempt looks for the marker."""
    _no_marker_check()
    _put(preflight, "look_before", lambda ledger, targets, task: None)


def _no_attempt_in_the_decision() -> None:
    """The decision names the task only: a zombie decides for the attempt that is at work now."""
    decide = transitions.decide

    def mutant(connection: Connection, task: Task, protocol: Protocol, draft: dict[str, Any]) -> bool:
        current = tasks.get(connection, task.id)
        assert current is not None
        return decide(connection, replace(task, attempt=current.attempt), protocol, draft)

    _put(transitions, "decide", mutant)


def _no_first_mark() -> None:
    """Recovery touches the branches while the ledger still says `running`."""
    take_over = Recovery.take_over

    def mutant(self: Any, task: Task, *, lost: bool) -> State | None:
        for branch in self._registered(task):
            self._end_session(task, branch)
            self._roll_back(branch)
        return take_over(self, task, lost=lost)

    _put(Recovery, "take_over", mutant)


def _no_kind_in_the_tombstone() -> None:
    """Any row under the marker's key counts as the marker."""

    def mutant(self: Any, branch: Registered) -> Marker | None:
        target = self._targets[branch.target]
        key = branch.id.attempt, branch.id.branch
        rows = target.markers(branch.id.ledger, branch.id.task)
        there = next((m for m in rows if (m.branch.attempt, m.branch.branch) == key), None)
        if there is None:
            target.insert_tombstone(branch.id)
            failpoints.hit("recover.after_tombstone")
        return there

    _put(Recovery, "_fence", mutant)


MUTANTS: dict[str, Callable[[], None]] = {
    "no marker check": _no_marker_check,
    "no marker check at all": _no_marker_check_at_all,
    "no attempt in the decision": _no_attempt_in_the_decision,
    "no first mark": _no_first_mark,
    "no kind in the tombstone": _no_kind_in_the_tombstone,
}


def _put(owner: object, name: str, value: object) -> None:
    assert hasattr(owner, name), name  # a renamed guard would leave the control without effect
    setattr(owner, name, value)
