"""The states and their transitions, as PROTOCOL states them."""

from __future__ import annotations

import pytest

from rescind.domain.states import STOP_ANSWERS, TRANSITIONS, State, StopAnswer, allowed

CELERY = {
    "queued": "PENDING",
    "running": "STARTED",
    "prepared": "STARTED",
    "committing": "STARTED",
    "aborting": "STARTED",
    "committed": "SUCCESS",
    "checked": "SUCCESS",
    "stopped": "REVOKED",
    "failed": "FAILURE",
    "hazard": "FAILURE",
}


@pytest.mark.parametrize("state", State)
def test_every_state_has_celerys_word_and_an_answer_to_a_stop(state: State) -> None:
    assert state.celery == CELERY[state]
    assert state in STOP_ANSWERS


def test_only_an_operator_leads_out_of_an_end_and_only_out_of_hazard() -> None:
    assert {(t.source, t.who) for t in TRANSITIONS if t.source.done} == {(State.hazard, "operator")}


def test_a_held_task_is_committed_or_taken_back_unless_somebody_has_committed_a_part_of_it() -> None:
    """PROTOCOL R9: a marker that stands before the decision calls an operator."""
    ways = {t.to for t in TRANSITIONS if t.source is State.prepared}
    assert ways == {State.committing, State.aborting, State.hazard}
    assert {t.source for t in TRANSITIONS if t.to is State.checked} == {State.aborting}


def test_every_state_but_the_first_can_be_reached() -> None:
    assert {t.to for t in TRANSITIONS} == set(State)


def test_a_decided_task_never_ends_as_stopped_without_being_taken_back() -> None:
    assert not allowed(State.committing, State.stopped)
    assert not allowed(State.running, State.stopped)
    assert not allowed(State.running, State.committed)
    assert STOP_ANSWERS[State.committing] is StopAnswer.too_late
