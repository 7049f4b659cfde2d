"""The history of a task: one row per transition, written in the transaction that makes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from rescind.ledger import tables
from rescind.ledger.engine import now


@dataclass(frozen=True)
class Event:
    """`kind` is the state that was reached, or `submitted` or `stop-requested`."""

    at: datetime
    kind: str
    attempt: int
    detail: dict[str, Any]


def record(connection: Connection, task_id: str, kind: str, attempt: int, detail: dict[str, Any]) -> None:
    values = {"task": task_id, "at": now(), "kind": str(kind), "attempt": attempt, "detail": detail}
    connection.execute(insert(tables.event).values(**values))


def of_task(connection: Connection, task_id: str) -> list[Event]:
    """Oldest first."""
    e = tables.event
    query = select(e.c.at, e.c.kind, e.c.attempt, e.c.detail).where(e.c.task == task_id).order_by(e.c.id)
    return [Event(*row) for row in connection.execute(query)]
