"""The branches that may exist in some database: registered before they open, kept as long as their task."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from rescind.domain.branch import BranchId, Protocol
from rescind.domain.task import Task
from rescind.ledger import pending, tables, transitions
from rescind.ledger.engine import now

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
    """Where a branch was registered, and when."""

    target: str
    at: datetime


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
    where = (_b.c.task == branch.task, _b.c.attempt == branch.attempt, _b.c.branch == branch.branch)
    connection.execute(update(_b).where(*where).values(ended_at=now()))


def note_table(connection: Connection, task: Task, branch: BranchId, name: str) -> bool:
    """Before a table is made by a statement that commits by itself (PROTOCOL R12); False as in `register`."""
    if not transitions.hold_attempt(connection, task):
        return False
    pending.note(connection, branch, name)
    return True


def of_attempt(connection: Connection, task: Task, ledger: str) -> list[Registered]:
    """The branches of the task's current attempt, in their order."""
    query = select(_b).where(_b.c.task == task.id, _b.c.attempt == task.attempt).order_by(_b.c.branch)
    return [
        Registered(
            BranchId(ledger, row.incarnation, row.task, row.attempt, row.branch),
            row.target,
            Protocol(row.protocol),
            row.session,
            row.ended_at is not None,
            tuple(pending.names(connection, BranchId(ledger, row.incarnation, row.task, row.attempt, row.branch))),
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
    """What the ledger knows of a branch, if it knows it."""
    where = (_b.c.task == branch.task, _b.c.attempt == branch.attempt, _b.c.branch == branch.branch)
    row = connection.execute(select(_b.c.target, _b.c.registered_at).where(*where)).one_or_none()
    return None if row is None else Entry(row.target, row.registered_at)


def session_of(connection: Connection, branch: BranchId) -> str | None:
    """The session that a branch was registered with, if it is known."""
    where = (_b.c.task == branch.task, _b.c.attempt == branch.attempt, _b.c.branch == branch.branch)
    return connection.execute(select(_b.c.session).where(*where)).scalar_one_or_none()
