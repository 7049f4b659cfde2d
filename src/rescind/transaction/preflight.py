"""Which commit a task gets, and what is checked before it writes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rescind.domain.branch import Protocol
from rescind.domain.task import Commit, Task, Terms
from rescind.errors import LedgerOutdated, TargetRefused
from rescind.ledger.engine import Ledger
from rescind.targets.target import Target
from rescind.transaction import proof


def plan(targets: Sequence[Target], terms: Terms) -> tuple[Protocol, ...]:
    """The protocol of each branch, in their order; a target with several branches comes several times.

    One branch: as its target says. Several: all must be able to prepare, but one (PROTOCOL R8). Held: all must be,
    since a branch that cannot prepare ends with its connection. Raises TargetRefused where all-or-none cannot be had.
    """
    if terms.commit is Commit.manual:
        return tuple(_prepared(target, "be held for a manual commit") for target in targets)
    if len(targets) == 1:
        return (targets[0].protocol(),)
    for target in targets:
        if [t.name for t in targets].count(target.name) > 1:
            _prepared(target, "be written to by several branches of one task")
    plans = tuple(Protocol.two_phase if t.capabilities().two_phase else Protocol.one_phase for t in targets)
    unable = [t.name for t, protocol in zip(targets, plans, strict=True) if protocol is Protocol.one_phase]
    if len(unable) > 1:
        names = " and ".join(unable)
        raise TargetRefused(f"One task cannot write to {names}: at most one of its targets may lack two-phase commit.")
    return plans


def _prepared(target: Target, what: str) -> Protocol:
    ability = target.capabilities().two_phase
    if not ability:
        raise TargetRefused(f"Target {target.name} cannot {what}: {ability.reason}")
    return Protocol.two_phase


def of_task(plans: Collection[Protocol]) -> Protocol:
    """The word for the task as a whole."""
    return Protocol.one_phase if set(plans) == {Protocol.one_phase} else Protocol.two_phase


def look_before(ledger: Ledger, targets: Collection[Target], task: Task) -> None:
    """Step 3: that nothing of the task is there which the ledger does not know; durability, engines.

    Raises Contradiction for a marker of whichever attempt, this one too: it has no branch yet, so a ledger restored
    from before it counts again. Raises LedgerOutdated for an incarnation that is not the ledger's last.
    """
    name, incarnation = ledger.identity()
    if ledger.incarnation() != incarnation:
        raise LedgerOutdated("The ledger was declared restored after this process began; restart it.")
    for target in targets:
        proof.expect_nothing_unknown(ledger, target, task)
        target.preflight()
        if (newest := target.newest_incarnation(name)) > incarnation:
            raise LedgerOutdated(
                f"Target {target.name} shows incarnation {newest} of this ledger, which is at {incarnation}."
            )
