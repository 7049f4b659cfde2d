"""Over how many branches the rows of a load go where its request leaves that open (`writers=auto`).

The number is chosen once, when the task is accepted: its branches are registered data, and a retry has the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from rescind.domain.schema import Table
from rescind.errors import TargetBusy, TargetUnavailable, UnknownTable
from rescind.targets.capabilities import Capabilities
from rescind.tasks.load import How

SEVERAL = 2  #: more were not measured
#: Length of an upload as it is kept, compressed or not. Below it a second session and the preparing of two branches
#: cost about what the second branch gains, or more (docs/decisions/0006).
PAYS_FROM_BYTES = 64 * 1024**2


def writers(
    how: How,
    targets: Sequence[str],
    length: int,
    cores: int,
    filled: Collection[str] | None,
    ask: Callable[[str], tuple[Capabilities, Table]],
) -> int:
    """SEVERAL where that is known to pay, else 1; also where the target, which `ask` asks, does not answer.

    `length` is the upload's, `cores` are this machine's. `filled` are the columns that the file has values for; None
    where they are not known yet.
    """
    if len(targets) > 1 or how.mode != "append" or how.on_error != "abort":
        return 1
    if length < PAYS_FROM_BYTES or cores < SEVERAL:
        return 1
    try:
        card, table = ask(targets[0])
    except (TargetUnavailable, TargetBusy, UnknownTable):  # a table that one branch makes is not seen by the other
        return 1
    if not card.two_phase or not card.several_branches or _may_meet(table, filled):
        return 1
    return SEVERAL


def _may_meet(table: Table, filled: Collection[str] | None) -> bool:
    """Whether rows of the file may have one key: two branches with one each would wait for each other in vain.

    The load would end by a lock, after all its attempts, and the row would not be named.
    """
    keys = {column.name for column in table.key}.union(*table.unique)
    return bool(keys) if filled is None else not keys.isdisjoint(filled)
