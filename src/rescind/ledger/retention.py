"""Forgetting tasks: which may go, and whose markers are still to be deleted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from rescind.domain.states import TAKEN_BACK, State
from rescind.domain.task import Task
from rescind.ledger import tables, tasks

_t, _f = tables.task, tables.forgotten


def ended_before(connection: Connection, at: datetime, limit: int = 1_000) -> list[Task]:
    """Tasks that committed, or were taken back for good, before `at`; the oldest first."""
    ended = (State.committed, *TAKEN_BACK)
    query = select(_t).where(_t.c.state.in_(ended), _t.c.finished_at < at).order_by(_t.c.finished_at).limit(limit)
    return tasks.found(connection, query)


def forget(connection: Connection, task: Task) -> bool:
    """Delete the task with all that hangs on it, and note that its markers may go. False: another sweep was first."""
    if connection.execute(delete(_t).where(_t.c.id == task.id, _t.c.state == task.state)).rowcount != 1:
        return False
    connection.execute(insert(_f), [{"task": task.id, "target": name} for name in dict.fromkeys(task.targets)])
    return True


def forgotten(connection: Connection) -> list[tuple[str, str]]:
    """(task, target) pairs whose markers are still to be deleted."""
    return [(row.task, row.target) for row in connection.execute(select(_f))]


def done(connection: Connection, task_id: str, target: str) -> None:
    """The markers are deleted."""
    connection.execute(delete(_f).where(_f.c.task == task_id, _f.c.target == target))
