"""The order of the queue: oldest first, one writer at a time in a target that has room for one only."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, and_, exists, false, or_, select

from rescind.domain.states import State
from rescind.ledger import tables
from rescind.ledger.engine import now
from rescind.ledger.transitions import LONGEST_BACKOFF_SECONDS

_t = tables.task
_BUSY = (State.running, State.committing, State.aborting)
ANNOUNCED_SECONDS = 5.0  #: an announcement that nobody followed for so long is made again


def next_task(connection: Connection, exclusive: Collection[str]) -> str | None:
    """The id of the best task that may be claimed now. `exclusive` are the targets with one writer at a time."""
    query = select(_t.c.id).where(*_runnable(exclusive)).order_by(_t.c.created_at, _t.c.id).limit(1)
    return connection.execute(query).scalar_one_or_none()


def unannounced(connection: Connection, exclusive: Collection[str], limit: int = 100) -> list[str]:
    """Ids of tasks that may be claimed, and that no worker was told of lately; oldest first."""
    at = now()
    # A clock that was set back would otherwise keep an announcement "fresh" for as long as it jumped.
    stale = or_(
        _t.c.announced_at.is_(None),
        _t.c.announced_at < at - timedelta(seconds=ANNOUNCED_SECONDS),
        _t.c.announced_at > at,
    )
    query = select(_t.c.id).where(*_runnable(exclusive), stale).order_by(_t.c.created_at, _t.c.id).limit(limit)
    return list(connection.execute(query).scalars())


def _runnable(exclusive: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    at = now()
    due = or_(
        _t.c.not_before.is_(None),
        _t.c.not_before <= at,
        # Never further away than the longest back-off: the clock was set back since.
        _t.c.not_before > at + timedelta(seconds=LONGEST_BACKOFF_SECONDS + 1),
    )
    return _t.c.state == State.queued, _t.c.stop_requested == false(), due, ~_blocked(exclusive)


def _blocked(exclusive: Collection[str]) -> ColumnElement[bool]:
    """Another task is at work in a target of this task that has room for one writer only."""
    mine, theirs, other = tables.task_target.alias(), tables.task_target.alias(), _t.alias()
    return exists().where(
        and_(
            mine.c.task == _t.c.id,
            mine.c.target.in_(exclusive),
            theirs.c.target == mine.c.target,
            theirs.c.task == other.c.id,
            other.c.state.in_(_BUSY),
        )
    )
