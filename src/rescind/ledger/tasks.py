"""Tasks in the ledger: submitting and reading. What moves them on is in `transitions`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, insert, or_, select, true

from rescind.domain.branch import Protocol
from rescind.domain.states import State
from rescind.domain.task import Commit, Problem, Progress, Task, Terms
from rescind.errors import Retry, UnknownId
from rescind.ledger import tables
from rescind.ledger.engine import now
from rescind.ledger.events import record

AUTOMATIC = Terms()
IDS_PER_QUERY = 500  #: databases bound the number of parameters

_t = tables.task


def insert_task(
    connection: Connection,
    task_id: str,
    name: str,
    args: dict[str, Any],
    targets: Sequence[str],
    *,
    terms: Terms = AUTOMATIC,
    upload: str | None = None,
    retry_of: str | None = None,
) -> None:
    """Step 1. `targets` has a name for each branch, in their order: one that has several branches comes several times.

    Raises IntegrityError where `retry_of` was retried before.
    """
    at = now()
    connection.execute(
        insert(_t).values(
            id=task_id,
            name=name,
            args=args,
            upload=upload,
            state=State.queued,
            attempt=0,
            beat=0,
            stop_requested=False,
            commit=terms.commit,
            dry_run=terms.dry_run,
            hold_seconds=terms.hold_seconds,
            created_at=at,
            changed_at=at,
            retry_of=retry_of,
            errors=0,
            losses=0,
            phase="waiting",
            rows=0,
            bytes=0,
        )
    )
    connection.execute(
        insert(tables.task_target),
        [{"task": task_id, "branch": n, "target": target} for n, target in enumerate(targets)],
    )
    record(connection, task_id, "submitted", 0, {"task": name})


def get(connection: Connection, task_id: str) -> Task | None:
    """The task, or None where the ledger has no such id."""
    row = connection.execute(select(_t).where(_t.c.id == task_id)).one_or_none()
    return None if row is None else _tasks(connection, [row])[0]


def require(connection: Connection, task_id: str) -> Task:
    """The task. Raises UnknownId."""
    task = get(connection, task_id)
    if task is None:
        raise UnknownId(f"No task has the id {task_id}.")
    return task


def of_ids(connection: Connection, ids: Collection[str]) -> list[Task]:
    """Those of the tasks that the ledger knows."""
    wanted = sorted(ids)
    some = (wanted[first : first + IDS_PER_QUERY] for first in range(0, len(wanted), IDS_PER_QUERY))
    return [task for part in some for task in found(connection, select(_t).where(_t.c.id.in_(part)))]


def in_states(connection: Connection, *states: State) -> list[Task]:
    """All tasks in those states, oldest first."""
    query = select(_t).where(_t.c.state.in_(states)).order_by(_t.c.created_at, _t.c.id)
    return found(connection, query)


def stopped_in_queue(connection: Connection) -> list[Task]:
    """Queued tasks that a stop was asked for."""
    query = select(_t).where(_t.c.state == State.queued, _t.c.stop_requested == true())
    return found(connection, query)


def page(
    connection: Connection,
    *,
    state: State | None = None,
    name: str | None = None,
    before: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Task]:
    """Newest first; `before` is the (created_at, id) of the last one seen."""
    query = select(_t).order_by(_t.c.created_at.desc(), _t.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(_t.c.state == state)
    if name is not None:
        query = query.where(_t.c.name == name)
    if before is not None:
        at, task_id = before
        query = query.where(or_(_t.c.created_at < at, and_(_t.c.created_at == at, _t.c.id < task_id)))
    return found(connection, query)


def retry_of(connection: Connection, task_id: str) -> str | None:
    """The id of the task that retries this one, if there is one."""
    return connection.execute(select(_t.c.id).where(_t.c.retry_of == task_id)).scalar_one_or_none()


def made_here(connection: Connection, target: str, table: str) -> bool:
    """Whether Rescind made that table."""
    made = tables.made_table
    query = select(made.c.task).where(made.c.target == target, made.c.name == table)
    return connection.execute(query).first() is not None


def found(connection: Connection, query: Select[Any]) -> list[Task]:
    """The tasks of a query over the task table, in its order."""
    return _tasks(connection, connection.execute(query).all())


def _tasks(connection: Connection, rows: Sequence[Row[Any]]) -> list[Task]:
    """The rows as tasks; their targets are asked for in one query, since each is a journey to the ledger."""
    t = tables.task_target
    targets: dict[str, list[str]] = {row.id: [] for row in rows}
    if rows:
        query = select(t.c.task, t.c.target).where(t.c.task.in_(targets)).order_by(t.c.task, t.c.branch)
        for task_id, target in connection.execute(query):
            targets[task_id].append(target)
    return [_task(row, tuple(targets[row.id])) for row in rows]


def _task(row: Row[Any], targets: tuple[str, ...]) -> Task:
    problem = row.problem
    return Task(
        id=row.id,
        name=row.name,
        args=row.args,
        targets=targets,
        state=State(row.state),
        attempt=row.attempt,
        beat=row.beat,
        stop_requested=row.stop_requested,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        changed_at=row.changed_at,
        not_before=row.not_before,
        waiting_for=row.waiting_for,
        protocol=None if row.protocol is None else Protocol(row.protocol),
        retry_of=row.retry_of,
        errors=row.errors,
        losses=row.losses,
        worker=row.worker,
        progress=Progress(row.phase, row.rows, row.rows_total, row.bytes, row.bytes_total),
        receipt=row.receipt,
        terms=Terms(Commit(row.commit), row.dry_run, row.hold_seconds),
        hold_until=row.hold_until,
        locks=row.locks,
        problem=None if problem is None else Problem(**(problem | {"retry": Retry(problem["retry"])})),
    )
