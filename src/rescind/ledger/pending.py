"""Tables that an attempt is about to make by a statement which commits by itself (PROTOCOL R12)."""

from __future__ import annotations

from sqlalchemy import Connection, and_, delete, insert, select

from rescind.domain.branch import BranchId
from rescind.domain.task import Task
from rescind.ledger import tables
from rescind.ledger.engine import now
from rescind.ledger.keys import of_branch

_p = tables.pending_table


def note(connection: Connection, branch: BranchId, name: str) -> None:
    """Before the table is made. The caller has the attempt's row in hand (`transitions.hold_attempt`)."""
    there = select(_p.c.name).where(*of_branch(_p, branch), _p.c.name == name)
    if connection.execute(there).first() is not None:
        return  # a function that tries again after an error
    values = {"task": branch.task, "attempt": branch.attempt, "branch": branch.branch, "name": name, "at": now()}
    connection.execute(insert(_p).values(**values))


def of_attempt(connection: Connection, task: Task) -> dict[int, list[str]]:
    """The tables that may have been made in the task's current attempt, by the branch's number."""
    mine = select(_p.c.branch, _p.c.name).where(_p.c.task == task.id, _p.c.attempt == task.attempt)
    found: dict[int, list[str]] = {}
    for branch, name in connection.execute(mine.order_by(_p.c.branch, _p.c.name)):
        found.setdefault(branch, []).append(name)
    return found


def by_another(connection: Connection, target: str, name: str, task_id: str) -> bool:
    """Whether another task may have made that table, and may still take it back."""
    b = tables.branch
    same = and_(b.c.task == _p.c.task, b.c.attempt == _p.c.attempt, b.c.branch == _p.c.branch)
    query = select(_p.c.task).join(b, same).where(b.c.target == target, _p.c.name == name, _p.c.task != task_id)
    return connection.execute(query.limit(1)).first() is not None


def settle(connection: Connection, task: Task) -> None:
    """They are undone, or the task's for good: goes with the transition that says so."""
    connection.execute(delete(_p).where(_p.c.task == task.id))
