"""`clear`: delete all rows of a table."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rescind.errors import NotMadeHere, UnknownTable
from rescind.tasks.transaction import Transaction
from rescind.tasks.transactional import transactional


@transactional(name="clear", anywhere=True)
def clear(
    tx: Transaction, table: Annotated[str, Field(min_length=1, max_length=255)], made_by_rescind: bool = False
) -> dict[str, int]:
    """Delete all rows of a table; the table stays.

    With `made_by_rescind` a table that Rescind did not make is refused, and a missing one has no rows. With several
    targets it is cleared in each.
    """
    present = [target for target in tx.targets if _is_there(tx, table, target, may_miss=made_by_rescind)]
    for target in present:
        if made_by_rescind and not tx.made_here(table, target):
            raise NotMadeHere(f"Table {table} was not made by Rescind; nothing was changed.")
    tx.progress(phase="deleting")
    deleted = {target: tx.clear_table(table, target) for target in present}
    for target, rows in deleted.items():
        tx.counted("before", rows, target)
        tx.counted("after", 0, target)
    return {"rows_deleted": sum(deleted.values())}


def _is_there(tx: Transaction, table: str, target: str, *, may_miss: bool) -> bool:
    try:
        tx.table(table, target)
    except UnknownTable:
        if not may_miss:
            raise
        return False
    return True
