"""`clear`: delete all rows of a table."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rescind.errors import NotMadeHere, UnknownTable
from rescind.tasks.transactional import Transaction, transactional


@transactional(name="clear")
def clear(
    tx: Transaction, table: Annotated[str, Field(min_length=1, max_length=255)], made_by_rescind: bool = False
) -> dict[str, int]:
    """Delete all rows of a table; the table stays.

    With `made_by_rescind` a table that Rescind did not make is refused, and a missing one has no rows.
    """
    try:
        tx.table(table)
    except UnknownTable:
        if made_by_rescind:
            return {"rows_deleted": 0}
        raise
    if made_by_rescind and not tx.made_here(table):
        raise NotMadeHere(f"Table {table} was not made by Rescind; nothing was changed.")
    tx.progress(phase="deleting")
    deleted = tx.clear_table(table)
    tx.counted("before", deleted)
    tx.counted("after", 0)
    return {"rows_deleted": deleted}
