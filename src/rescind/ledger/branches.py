"""The branches that may exist in some database: registered before they open, kept as long as their task."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from rescind.domain.branch import BranchId, Protocol
from rescind.domain.task import Task
from rescind.ledger import pending, tables, transitions
from rescind.ledger.engine import now
from rescind.ledger.keys import of_branch

_b = tables.branch


@dataclass(frozen=True)
class Registered:
    """One registered branch. `ended`: its own worker has closed its session.

    `tables` are those that it may have made by statements which commit by themselves.
    """

    id: BranchId
    target: str
    protocol: Protocol
    session: str
    ended: bool
    tables: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """Where a branch was registered, when, and by which session."""

    target: str
    at: datetime
    session: str


def register(
    connection: Connection, task: Task, branch: BranchId, target: str, protocol: Protocol, session: str
) -> bool:
    """The guarded UPDATE first, then the INSERT; False: this attempt is not at work any more.

    An INSERT … WHERE EXISTS would slip past a recovery that runs at the same time (PROTOCOL R6).
    """
    if not transitions.hold_attempt(connection, task):
        return False
    connection.execute(
        insert(_b).values(
            task=branch.task,
            attempt=branch.attempt,
            branch=branch.branch,
            target=target,
            protocol=protocol,
            session=session,
            incarnation=branch.incarnation,
            registered_at=now(),
        )
    )
    return True


def mark_ended(connection: Connection, branch: BranchId) -> None:
    """The owner has closed the session, so that nobody needs to end it."""
    connection.execute(update(_b).where(*of_branch(_b, branch)).values(ended_at=now()))


def note_table(connection: Connection, task: Task, branch: BranchId, name: str) -> bool:
    """Before a table is made by a statement that commits by itself (PROTOCOL R12); False as in `register`."""
    if not transitions.hold_attempt(connection, task):
        return False
    pending.note(connection, branch, name)
    return True


def of_attempt(connection: Connection, task: Task, ledger: str) -> list[Registered]:
    """The branches of the task's current attempt, in their order."""
    made = pending.of_attempt(connection, task)
    query = select(_b).where(_b.c.task == task.id, _b.c.attempt == task.attempt).order_by(_b.c.branch)
    return [
        Registered(
            BranchId(ledger, row.incarnation, row.task, row.attempt, row.branch),
            row.target,
            Protocol(row.protocol),
            row.session,
            row.ended_at is not None,
            tuple(made.get(row.branch, ())),
        )
        for row in connection.execute(query)
    ]


def used(connection: Connection, target: str) -> bool:
    """Whether any branch was ever registered in that target, as far as the ledger remembers."""
    forgotten = tables.forgotten
    seen = select(_b.c.task).where(_b.c.target == target).limit(1)
    gone = select(forgotten.c.task).where(forgotten.c.target == target).limit(1)
    made = select(tables.made_table.c.name).where(tables.made_table.c.target == target).limit(1)
    return any(connection.execute(query).first() is not None for query in (seen, gone, made))


def find(connection: Connection, branch: BranchId) -> Entry | None:
    """What the ledger knows of a branch; None for one that it never registered."""
    # One of an earlier life of the ledger may have the same key.
    where = (*of_branch(_b, branch), _b.c.incarnation == branch.incarnation)
    row = connection.execute(select(_b.c.target, _b.c.registered_at, _b.c.session).where(*where)).one_or_none()
    return None if row is None else Entry(*row)


def that_prepare(connection: Connection, task_id: str) -> set[str]:
    """The targets in which a branch of the task may ever have been prepared, in whichever attempt."""
    where = (_b.c.task == task_id, _b.c.protocol == Protocol.two_phase)
    return set(connection.execute(select(_b.c.target).where(*where)).scalars())
