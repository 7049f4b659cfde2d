"""A held task, between its last PREPARE and a person's word: looked at until then, and once more before the decision.

Whoever has the rights can finish its prepared branches by hand meanwhile. A decision would make half a task of what
is left; before it, what is left can be taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from rescind.domain.states import State
from rescind.domain.task import Task
from rescind.errors import BranchGone, Contradiction
from rescind.ledger import branches, tasks, transitions
from rescind.ledger.branches import Registered
from rescind.ledger.engine import Ledger, clock
from rescind.targets.target import Target
from rescind.transaction import proof


def commit(ledger: Ledger, task: Task, look: Callable[[], None]) -> bool:
    """A person's commit: decided if the look, which is `expect_whole`, finds no fault. False: nobody may commit it now.

    A branch that is finished by hand between the look and the decision is found by whoever carries that out.
    """
    with ledger.read() as connection:
        now = clock(connection)
    if task.state is not State.prepared or task.stop_requested or over(task, now):
        return False
    look()
    with ledger.write() as connection:
        return transitions.commit_held(connection, task)


def over(task: Task, now: datetime) -> bool:
    """Whether its time is over, by the ledger's clock."""
    return task.hold_until is not None and task.hold_until <= now


def expect_whole(ledger: Ledger, targets: Mapping[str, Target], task: Task) -> None:
    """That a held task can commit: every branch is prepared, and no marker of it is there.

    Raises BranchGone for a branch that was rolled back by hand. Raises Contradiction for a marker before the decision,
    and for what the ledger does not know (PROTOCOL R9). Raises Undecided, TargetUnavailable where it cannot be seen.
    """
    try:
        gone = _gone(ledger, targets, task)
        if gone:
            names = " and ".join(f"{branch.id} in target {branch.target}" for branch in gone)
            raise BranchGone(
                f"Somebody rolled back by hand, while the task was held: {names}. The task can no longer commit: "
                "it is taken back, and nothing is changed."
            )
    except (BranchGone, Contradiction):
        if _still_held(ledger, task):
            raise


def _gone(ledger: Ledger, targets: Mapping[str, Target], task: Task) -> list[Registered]:
    """The branches that are neither listed nor marked, seen twice, as after a decision (PROTOCOL, step 8)."""
    name = ledger.identity()[0]
    with ledger.read() as connection:
        registered = branches.of_attempt(connection, task, name)
    if len(registered) != len(task.targets):
        raise Contradiction(f"Task {task.id} is held with {len(registered)} of {len(task.targets)} branches.")
    for branch in registered:
        proof.expect_our_life(ledger, branch.id)
    gone = registered
    for _ in range(2):
        # List first, then read: a branch that commits in between is then seen as marked, not as lost.
        gone = [branch for branch in gone if branch.id not in targets[branch.target].list_prepared(name)]
        for target in dict.fromkeys(task.targets):
            proof.expect_nothing_unknown(ledger, targets[target], task)
        if not gone:
            break
    return gone


def _still_held(ledger: Ledger, task: Task) -> bool:
    """A person's commit, or a stop, may have finished the branches during the look."""
    with ledger.read() as connection:
        current = tasks.get(connection, task.id)
    return current is not None and current.state is State.prepared and current.attempt == task.attempt
