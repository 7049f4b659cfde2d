"""Which commit a task gets, and what is checked before it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rescind.domain.branch import MarkerKind, Protocol
from rescind.domain.task import Task
from rescind.errors import Contradiction, TargetRefused
from rescind.ledger.engine import Ledger
from rescind.targets.target import Target


def plan(targets: Sequence[Target]) -> dict[str, Protocol]:
    """The protocol of each branch, by target. Raises TargetRefused where all-or-none cannot be had.

    One branch: as its target says. Several: all must be able to prepare, but one (PROTOCOL R8).
    """
    if len(targets) == 1:
        return {targets[0].name: targets[0].protocol()}
    plans = {t.name: Protocol.two_phase if t.capabilities().two_phase else Protocol.one_phase for t in targets}
    unable = [name for name, protocol in plans.items() if protocol is Protocol.one_phase]
    if len(unable) > 1:
        names = " and ".join(unable)
        raise TargetRefused(f"One task cannot write to {names}: at most one of its targets may lack two-phase commit.")
    return plans


def of_task(plans: Mapping[str, Protocol]) -> Protocol:
    """The word for the task as a whole."""
    return Protocol.one_phase if set(plans.values()) == {Protocol.one_phase} else Protocol.two_phase


def look_before(ledger: Ledger, targets: Sequence[Target], task: Task) -> None:
    """Step 3: durability, engines, and that no earlier attempt is marked as committed.

    Raises Contradiction for a marker, or a branch of this or a later attempt: this ledger was restored from before.
    """
    for target in targets:
        target.preflight()
        for marker in target.markers(ledger.identity()[0], task.id):
            # Of this very attempt too: it has no branch yet, so a ledger restored from before it counts again.
            if marker.kind is MarkerKind.marker:
                raise Contradiction(f"Target {target.name} shows that {marker.branch} committed already.")
        for branch in target.list_prepared(ledger.identity()[0]):
            if branch.task == task.id and branch.attempt >= task.attempt:
                raise Contradiction(f"Target {target.name} shows that {branch} is prepared already.")
