"""Tables that are Rescind's own making, from the moment that their task has committed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert

from rescind.domain.task import Task
from rescind.ledger import tables
from rescind.ledger.engine import now


def own_made(connection: Connection, task: Task, receipt: dict[str, Any]) -> None:
    """The tables that the receipt names are the task's, whoever made one of that name before."""
    for made in receipt["tables_made"]:
        _own(connection, made["target"], made["table"], task.id)


def _own(connection: Connection, target: str, table: str, task_id: str) -> None:
    made = tables.made_table
    connection.execute(made.delete().where(made.c.target == target, made.c.name == table))
    connection.execute(insert(made).values(target=target, name=table, task=task_id, at=now()))
