"""The states of a task, and every way from one to another.

The transitions are data: the ledger's guarded UPDATEs check against them, and the diagram in the docs is made
from them. Source of the rules: PROTOCOL, the steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a task stands."""

    #: May be claimed, from `not_before` on. A worker's claim moves it on; if nobody claims it the sweeper
    #: announces it again, for ever.
    queued = "queued"

    #: An attempt is at work. Its worker moves it on; if the worker dies or hangs, recovery does.
    running = "running"

    #: Held: every branch is prepared, and no connection is open. A commit or a stop by a person moves it on; if
    #: neither comes until `hold_until`, the sweeper takes it back, as it does when a branch was rolled back by hand.
    prepared = "prepared"

    #: Decided and being carried out; stop is closed. The worker moves it on; if it dies, recovery does. With a
    #: one-phase branch it may still turn to `aborting`, after a tombstone has proven that nothing committed.
    committing = "committing"

    #: The attempt is being taken back, or it is proven that nothing is left of a stopped task's. Whoever moved it
    #: here finishes it; if they die, the sweeper does.
    aborting = "aborting"

    #: Done; every marker was seen. For ever.
    committed = "committed"

    #: A dry run that passed; its rollback is proven. For ever.
    checked = "checked"

    #: A stop was asked for, and the rollback is proven. For ever.
    stopped = "stopped"

    #: An error ended it, and the rollback is proven. For ever.
    failed = "failed"

    #: The database contradicts the decision. An operator must look; nothing is done by itself.
    hazard = "hazard"

    @property
    def done(self) -> bool:
        """Whether nothing moves the task on any more."""
        return self in DONE

    @property
    def celery(self) -> str:
        """Celery's word for the state, which the demo's `/status` answers."""
        return _CELERY[self]


DONE = frozenset({State.committed, State.checked, State.stopped, State.failed, State.hazard})
TAKEN_BACK = frozenset({State.checked, State.stopped, State.failed})  #: nothing of the task is left in any target

_CELERY = {
    State.queued: "PENDING",
    State.running: "STARTED",
    State.prepared: "STARTED",
    State.committing: "STARTED",
    State.aborting: "STARTED",
    State.committed: "SUCCESS",
    State.checked: "SUCCESS",
    State.stopped: "REVOKED",
    State.failed: "FAILURE",
    State.hazard: "FAILURE",
}


class StopAnswer(StrEnum):
    """What a stop request is told."""

    accepted = "accepted"  #: it will never commit
    too_late = "too-late"  #: it will commit, or has
    finished = "finished"  #: it has ended another way


STOP_ANSWERS = {
    State.queued: StopAnswer.accepted,
    State.running: StopAnswer.accepted,
    State.prepared: StopAnswer.accepted,
    State.committing: StopAnswer.too_late,
    State.aborting: StopAnswer.accepted,
    State.committed: StopAnswer.too_late,
    State.checked: StopAnswer.finished,
    State.stopped: StopAnswer.accepted,
    State.failed: StopAnswer.finished,
    State.hazard: StopAnswer.finished,
}


@dataclass(frozen=True)
class Transition:
    """One arrow: `source` → `to`, who draws it, and when."""

    source: State
    to: State
    who: str
    when: str


TRANSITIONS = (
    Transition(State.queued, State.running, "worker", "claimed: the attempt's number goes up"),
    Transition(State.queued, State.stopped, "sweeper or stop", "a stop was asked for before any claim"),
    Transition(State.queued, State.aborting, "sweeper or stop", "a stop was asked for between two attempts"),
    Transition(State.running, State.committing, "worker", "decided, unless a stop was asked for"),
    Transition(State.running, State.prepared, "worker", "held for a person's commit, unless a stop was asked for"),
    Transition(State.running, State.aborting, "worker or recovery", "error, stop, shutdown, dead worker or dry run"),
    Transition(State.prepared, State.committing, "commit", "a person commits in time, and no stop was asked for"),
    Transition(State.prepared, State.aborting, "sweeper", "stopped, not committed in time, or a branch of it is gone"),
    Transition(State.prepared, State.hazard, "sweeper", "a marker or an unknown branch was found before a commit"),
    Transition(State.committing, State.committed, "worker or recovery", "every marker was seen"),
    Transition(State.committing, State.aborting, "recovery", "a tombstone proves that the one-phase branch is gone"),
    Transition(State.committing, State.hazard, "worker or recovery", "a decided branch is neither listed nor marked"),
    Transition(State.aborting, State.queued, "worker or recovery", "taken back; another attempt follows"),
    Transition(State.aborting, State.stopped, "worker or recovery", "taken back, and a stop was asked for"),
    Transition(State.aborting, State.checked, "worker or recovery", "taken back, and it was a dry run that passed"),
    Transition(State.aborting, State.failed, "worker or recovery", "taken back, and no attempt follows"),
    Transition(State.aborting, State.hazard, "worker or recovery", "what was to be taken back is marked, or unknown"),
    Transition(State.running, State.hazard, "worker", "a marker or an unknown branch was found before writing"),
    Transition(State.hazard, State.committed, "operator", "an operator has seen to it that all of it is there"),
    Transition(State.hazard, State.failed, "operator", "an operator has seen to it that nothing of it is there"),
)

_ALLOWED = frozenset((t.source, t.to) for t in TRANSITIONS)


def allowed(source: State, to: State) -> bool:
    """Whether a task may go from `source` to `to`."""
    return (source, to) in _ALLOWED
