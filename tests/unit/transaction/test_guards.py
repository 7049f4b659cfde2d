"""Negative controls: with one guard taken away, what is checked after every other test fails.

Each guard has a pair of tests: the scenario passes as the code is, and fails once the guard is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection
from tests.support.ledgers import on_every_ledger
from tests.support.protocol import SHAPES, World

from rescind import failpoints
from rescind.domain.branch import Marker, MarkerKind, Protocol
from rescind.domain.states import State
from rescind.domain.task import Task
from rescind.ledger import tasks, transitions
from rescind.ledger.branches import Registered
from rescind.testing.memory import Fault
from rescind.transaction.recovery import Recovery
from rescind.transaction.work import Work

pytestmark = on_every_ledger

TIMEOUT_SECONDS = 30

guard = pytest.mark.parametrize("kept", [True, False], ids=["guard kept", "guard gone"])


def verdict(kept: bool) -> AbstractContextManager[Any]:
    """The invariants hold with the guard, and do not without it."""
    return nullcontext() if kept else pytest.raises(AssertionError)


@guard
def test_the_marker_and_not_the_answer_is_the_proof(w: World, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    def believe(self: Recovery, branch: Registered) -> Marker:
        return Marker(branch.id, MarkerKind.marker, 0, "", datetime.now(UTC))

    if not kept:
        monkeypatch.setattr(Recovery, "_marker", believe)
    task_id = w.submit(SHAPES["one-phase"])
    w.operators["one"].arm("commit", Fault.hollow)
    w.finish(task_id)
    with verdict(kept):
        w.check(task_id)


@guard
def test_the_decision_names_its_attempt(w: World, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    decide = transitions.decide

    def decide_for_anyone(connection: Connection, task: Task, protocol: Protocol, draft: dict[str, Any]) -> bool:
        current = tasks.get(connection, task.id)
        assert current is not None
        return decide(connection, replace(task, attempt=current.attempt), protocol, draft)

    if not kept:
        monkeypatch.setattr(transitions, "decide", decide_for_anyone)
    task_id = w.submit(SHAPES["two-phase"])
    reached, go = w.hang("decide.before")
    zombie = w.beside(w.attempt, w.claim(task_id))
    assert reached.wait(TIMEOUT_SECONDS)
    w.recover(task_id)
    second, _ = w.hang("branch.mid_data")
    w.beside(w.attempt, w.claim(task_id))
    assert second.wait(TIMEOUT_SECONDS)
    go.set()
    zombie.join(TIMEOUT_SECONDS)
    w.finish(task_id)
    w.join()
    with verdict(kept):
        w.check(task_id)


@guard
def test_recovery_marks_before_it_touches(w: World, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    task_id = w.submit(SHAPES["two-phase"])
    reached, go = w.hang("decide.before")
    worker = w.beside(w.attempt, w.claim(task_id))
    assert reached.wait(TIMEOUT_SECONDS)

    def go_on() -> None:
        """The worker that only looked dead goes on while recovery is at work."""
        go.set()
        worker.join(TIMEOUT_SECONDS)

    if kept:
        failpoints.arm("abort.before_final", go_on)
    else:
        monkeypatch.setattr(Recovery, "take_over", _touch_first(go_on, Recovery.take_over))
    w.finish(task_id)
    with verdict(kept):
        w.check(task_id)


def _touch_first(go_on: Callable[[], None], take_over: Callable[..., State | None]) -> Callable[..., State | None]:
    def touch_first(self: Recovery, task: Task, *, lost: bool) -> State | None:
        for branch in self._registered(task):
            self._end_session(task, branch)
            self._roll_back(branch)
        go_on()
        return take_over(self, task, lost=lost)

    return touch_first


@guard
def test_a_tombstone_is_told_from_a_marker(w: World, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    def any_kind(self: Recovery, branch: Registered) -> Marker | None:
        found = self._targets[branch.target].markers(branch.id.ledger, branch.id.task)
        return next((marker for marker in found if marker.branch == branch.id), None)

    if not kept:
        monkeypatch.setattr(Recovery, "_marker", any_kind)
    task_id = w.submit(SHAPES["one-phase"])
    reached, _ = w.hang("commit1p.before")
    w.beside(w.attempt, w.claim(task_id))
    assert reached.wait(TIMEOUT_SECONDS)
    failpoints.arm("recover.after_tombstone", failpoints.Action.fail)  # the first recoverer dies here
    w.recover(task_id)
    w.finish(task_id)
    w.join()
    with verdict(kept):
        w.check(task_id)


@guard
def test_prepared_is_what_is_listed(w: World, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    def trust(self: Work) -> None:
        for _, branch in self._of(Protocol.two_phase):
            branch.prepare()

    if not kept:
        monkeypatch.setattr(Work, "prepare", trust)
    task_id = w.submit(SHAPES["two branches"])
    w.operators["three"].arm("prepare", Fault.hollow)
    w.finish(task_id)
    with verdict(kept):
        w.check(task_id)


@guard
def test_the_one_phase_marker_is_seen_before_others_commit(
    w: World, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    if not kept:
        monkeypatch.setattr(Work, "_prove", lambda *_: None)
    task_id = w.submit(SHAPES["mixed"])
    w.operators["one"].arm("commit", Fault.hollow)
    w.finish(task_id)
    with verdict(kept):
        w.check(task_id)
