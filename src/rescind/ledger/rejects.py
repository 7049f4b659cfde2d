"""The rejects of a task's last attempt that had any."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select

from rescind.domain.rejects import Reject
from rescind.ledger import tables

_r = tables.reject


def replace(connection: Connection, task_id: str, rejects: Sequence[Reject]) -> None:
    """Keep these instead of what an earlier attempt left."""
    connection.execute(delete(_r).where(_r.c.task == task_id))
    rows = [
        {
            "task": task_id,
            "ordinal": n,
            "record": reject.record,
            "column_name": reject.column,
            "value": reject.value,
            "reason": reject.reason,
        }
        for n, reject in enumerate(rejects)
    ]
    if rows:
        connection.execute(insert(_r), rows)


def of_task(connection: Connection, task_id: str) -> list[Reject]:
    """In the order of their records."""
    query = select(_r.c.record, _r.c.column_name, _r.c.value, _r.c.reason)
    return [Reject(*row) for row in connection.execute(query.where(_r.c.task == task_id).order_by(_r.c.ordinal))]
