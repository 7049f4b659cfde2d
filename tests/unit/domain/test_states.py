"""The states and their transitions, as PROTOCOL states them."""

from __future__ import annotations

import pytest

from rescind.domain.states import STOP_ANSWERS, TRANSITIONS, State, StopAnswer, allowed

CELERY = {
    "queued": "PENDING",
    "running": "STARTED",
    "committing": "STARTED",
    "aborting": "STARTED",
    "committed": "SUCCESS",
    "stopped": "REVOKED",
    "failed": "FAILURE",
    "hazard": "FAILURE",
}


@pytest.mark.parametrize("state", State)
def test_every_state_has_celerys_word_and_an_answer_to_a_stop(state: State) -> None:
    assert state.celery == CELERY[state]
    assert state in STOP_ANSWERS


def test_nothing_leads_out_of_an_end() -> None:
    assert not [t for t in TRANSITIONS if t.source.done]


def test_every_state_but_the_first_can_be_reached() -> None:
    assert {t.to for t in TRANSITIONS} == set(State)


def test_a_decided_task_never_ends_as_stopped_without_being_taken_back() -> None:
    assert not allowed(State.committing, State.stopped)
    assert not allowed(State.running, State.stopped)
    assert not allowed(State.running, State.committed)
    assert STOP_ANSWERS[State.committing] is StopAnswer.too_late
