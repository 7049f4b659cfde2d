"""The transitions into `hazard` and, by an operator, out of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from rescind.domain.states import State
from rescind.domain.task import Problem, Task
from rescind.ledger import pending
from rescind.ledger.engine import now
from rescind.ledger.guarded import move, problem_document
from rescind.ledger.made import own_made


def mark(connection: Connection, task: Task, problem: Problem) -> bool:
    """The database contradicts the decision: nothing more is done by itself."""
    return move(
        connection,
        task,
        task.state,
        State.hazard,
        problem=problem_document(problem),
        finished_at=now(),
        phase="done",
        detail={"detail": problem.detail},
    )


def settle(connection: Connection, task: Task, to: State, operator: str, why: str, evidence: dict[str, Any]) -> bool:
    """An operator's word on a task in hazard: `committed` or `failed`. Kept with the task for ever, with who said it.

    `evidence` is what the targets showed then. Nothing is done in any database: the operator has seen to that.
    """
    said = {"operator": operator, "why": why, "evidence": evidence}
    detail = said | {"hazard": task.problem.detail if task.problem else None}
    if not move(connection, task, State.hazard, to, detail=detail, finished_at=now()):
        return False
    if to is State.committed and task.receipt is not None:
        own_made(connection, task, task.receipt)
    pending.settle(connection, task)
    return True
