"""What is to become of a prepared branch, by the ledger alone."""

from __future__ import annotations

from enum import StrEnum

from rescind.domain.branch import BranchId
from rescind.domain.states import TAKEN_BACK, State
from rescind.ledger import branches, tasks
from rescind.ledger.engine import Ledger


class Verdict(StrEnum):
    """What is to become of a prepared branch."""

    roll_back = "roll back"  #: its attempt was taken back
    commit = "commit"  #: its task committed
    leave = "leave"  #: its task is at work on it, and finishes it by itself
    quarantine = "quarantine"  #: the ledger does not know it: an operator decides


def judge(ledger: Ledger, branch: BranchId) -> Verdict:
    """The verdict on a branch that a target lists.

    One that the ledger has not registered, or of another incarnation, is left alone and reported: a ledger that was
    restored from a backup would otherwise roll back decided work (PROTOCOL R9). The attempt's number tells nothing of
    that, since such a ledger counts its attempts again.
    """
    with ledger.read() as connection:
        task = tasks.get(connection, branch.task)
        known = branches.find(connection, branch)
    # As it is now: a process that ran on while the ledger was declared restored would still know the earlier life.
    if task is None or known is None or branch.incarnation != ledger.incarnation():
        return Verdict.quarantine
    if branch.attempt < task.attempt or task.state is State.queued or task.state in TAKEN_BACK:
        return Verdict.roll_back
    return Verdict.commit if task.state is State.committed else Verdict.leave
