"""What a target proves about the branches of a task."""

from __future__ import annotations

import time
from collections.abc import Callable

from rescind.domain.branch import BranchId, Marker, MarkerKind
from rescind.domain.task import Task
from rescind.errors import Contradiction
from rescind.ledger import branches
from rescind.ledger.engine import Ledger
from rescind.targets.target import Target

SESSION_SECONDS = 5.0  #: how long one call waits for a session to be gone, unless told otherwise
_PAUSE_SECONDS = 0.02


def marker_of(target: Target, branch: BranchId) -> Marker | None:
    """The proof that the branch committed; a tombstone under its key is none (PROTOCOL R3)."""
    found = target.markers(branch.ledger, branch.task)
    return next((marker for marker in found if marker.kind is MarkerKind.marker and marker.branch == branch), None)


def end_session(
    target: Target, session: str, seconds: float | None = None, meanwhile: Callable[[], None] = lambda: None
) -> bool:
    """End the session and wait until it is gone; False: it is still there. `meanwhile` is called while it is."""
    deadline = time.monotonic() + (SESSION_SECONDS if seconds is None else seconds)
    while not target.end_session(session):
        if time.monotonic() > deadline:
            return False
        meanwhile()
        time.sleep(_PAUSE_SECONDS)
    return True


def expect_nothing_unknown(ledger: Ledger, target: Target, task: Task) -> None:
    """Raise Contradiction if the target shows a marker of the task, or a prepared branch that was never registered.

    Whichever attempt they are of: a ledger that was restored from before them counts its attempts again, and would
    roll back what was decided, write it once more, or tell of a task that committed that it was stopped (PROTOCOL R9).
    """
    name = ledger.identity()[0]
    # A user who may not see the list prepares nothing either.
    listed = target.list_prepared(name) if target.capabilities().two_phase else target.seen_prepared(name)
    for branch in listed:
        if branch.task == task.id and not registered(ledger, branch):
            raise Contradiction(f"Target {target.name} shows that {branch} is prepared already.")
    for marker in target.markers(name, task.id):
        if marker.kind is MarkerKind.marker:
            raise Contradiction(f"Target {target.name} shows that {marker.branch} committed already.")


def expect_our_life(ledger: Ledger, branch: BranchId) -> None:
    """A branch of an earlier life of the ledger, from before it was restored, may have been decided since then."""
    if branch.incarnation != ledger.incarnation():
        raise Contradiction(f"{branch} was prepared before this ledger was restored; it may have been decided.")


def registered(ledger: Ledger, branch: BranchId) -> bool:
    """Whether the ledger knows the branch: every one is registered before it opens (PROTOCOL R6)."""
    with ledger.read() as connection:
        return branches.find(connection, branch) is not None
