"""What every transition is made of: one UPDATE that names the state and the attempt that it expects."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from rescind.domain.states import State, allowed
from rescind.domain.task import Problem, Task
from rescind.ledger import tables
from rescind.ledger.engine import now
from rescind.ledger.events import record

_t = tables.task


def hold_row(connection: Connection, task_id: str) -> None:
    """Nobody else moves the task until this transaction ends: what is read next is how it stands."""
    connection.execute(select(_t.c.id).where(_t.c.id == task_id).with_for_update())


def guarded(connection: Connection, task: Task, source: State, *more: ColumnElement[bool], **values: Any) -> bool:
    """Whether the task was in that state and attempt, and `more` held; it has the values then."""
    where = (_t.c.id == task.id, _t.c.state == source, _t.c.attempt == task.attempt, *more)
    return connection.execute(update(_t).where(*where).values(**values)).rowcount == 1


def move(
    connection: Connection,
    task: Task,
    source: State,
    to: State,
    *more: ColumnElement[bool],
    detail: dict[str, Any] | None = None,
    **values: Any,
) -> bool:
    """The same from state to state, with its line in the history."""
    assert allowed(source, to), (source, to)
    if not guarded(connection, task, source, *more, state=to, changed_at=now(), **values):
        return False
    record(connection, task.id, to, task.attempt, detail or {})
    return True


def problem_document(problem: Problem) -> dict[str, Any]:
    """As JSON, for the task's row."""
    return {
        "code": problem.code,
        "detail": problem.detail,
        "advice": problem.advice,
        "retry": problem.retry,
        "details": problem.details,
    }
