"""The guarded transitions of a task.

Each names the state and the attempt that it expects and answers whether it found them: False is an answer (somebody
else was first), not an accident. Sources: PROTOCOL, steps 2 to 12.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, false, true, update

from rescind.domain.branch import Protocol
from rescind.domain.states import STOP_ANSWERS, State, StopAnswer
from rescind.domain.task import EXPIRED, Problem, Progress, Task, after_abort
from rescind.errors import Retry
from rescind.ledger import pending, tables
from rescind.ledger.engine import clock, now
from rescind.ledger.events import record
from rescind.ledger.guarded import guarded, hold_row, move, problem_document
from rescind.ledger.incarnation import was_restored
from rescind.ledger.made import own_made
from rescind.ledger.tasks import get

LONGEST_BACKOFF_SECONDS = 60.0

_t = tables.task


def claim(connection: Connection, task_id: str, worker: str) -> Task | None:
    """Step 2: make the next attempt of a queued task; None where somebody else was first."""
    found = connection.execute(
        update(_t)
        .where(_t.c.id == task_id, _t.c.state == State.queued, _t.c.stop_requested == false())
        .values(
            state=State.running,
            attempt=_t.c.attempt + 1,
            beat=0,
            worker=worker,
            started_at=now(),
            changed_at=now(),
            not_before=None,
            waiting_for=None,
            problem=None,
            receipt=None,
            hold_until=None,
            locks=None,
            phase="starting",
            rows=0,
            rows_total=None,
            bytes=0,
            bytes_total=None,
        )
    )
    if found.rowcount != 1:
        return None
    task = get(connection, task_id)
    assert task is not None
    record(connection, task_id, State.running, task.attempt, {"worker": worker})
    return task


def beat(connection: Connection, task: Task, progress: Progress) -> bool:
    """Step 5: the heartbeat, and the progress with it. False: fenced, or not running any more."""
    return guarded(
        connection,
        task,
        State.running,
        beat=_t.c.beat + 1,
        phase=progress.phase,
        rows=progress.rows,
        rows_total=progress.rows_total,
        bytes=progress.bytes,
        bytes_total=progress.bytes_total,
    )


def beat_commit(connection: Connection, task: Task) -> bool:
    """The heartbeat of an attempt whose decision is being carried out."""
    return guarded(connection, task, State.committing, beat=_t.c.beat + 1)


def beat_abort(connection: Connection, task: Task, left: int) -> bool:
    """The heartbeat of a rollback that comes on: `left` rows are still to be taken back."""
    return guarded(connection, task, State.aborting, beat=_t.c.beat + 1, rows=left)


def let_go(connection: Connection, task: Task) -> None:
    """The attempt's worker has left the rest to the sweeper, which would otherwise wait for the end of its lease."""
    for state in (State.committing, State.aborting):
        guarded(connection, task, state, worker=None)


def hold_attempt(connection: Connection, task: Task) -> bool:
    """Touch the task's row, guarded: the first half of registering a branch (PROTOCOL, registering a branch)."""
    return guarded(connection, task, State.running, beat=_t.c.beat + 1)


def decide(connection: Connection, task: Task, protocol: Protocol, draft: dict[str, Any]) -> bool:
    """Step 7: the decision. Names the attempt and refuses where a stop was asked for (PROTOCOL R5)."""
    return move(
        connection,
        task,
        State.running,
        State.committing,
        _t.c.stop_requested == false(),
        protocol=protocol,
        receipt=draft,
        waiting_for=None,
        phase="committing",
    )


def hold(connection: Connection, task: Task, protocol: Protocol, draft: dict[str, Any], locks: dict[str, str]) -> bool:
    """Step 6, held: every branch is prepared and closed. The expiry is on the ledger's clock."""
    until = clock(connection) + timedelta(seconds=task.terms.hold_seconds or 0)
    return move(
        connection,
        task,
        State.running,
        State.prepared,
        _t.c.stop_requested == false(),
        protocol=protocol,
        receipt=draft,
        hold_until=until,
        locks=locks,
        waiting_for=None,
        worker=None,  # its child is free for other work: whatever comes now is the sweeper's to carry out
        phase="held",
    )


def commit_held(connection: Connection, task: Task) -> bool:
    """A person's commit of a held task: refused once a stop was asked for, or its time is over."""
    hold_row(connection, task.id)  # the clock is read after that wait: a commit would come late by it
    return move(
        connection,
        task,
        State.prepared,
        State.committing,
        _t.c.stop_requested == false(),
        _t.c.hold_until > clock(connection),
        waiting_for=None,
        phase="committing",
    )


def take_held_back(connection: Connection, task: Task, broken: Problem | None = None) -> bool:
    """The end of a hold: a stop was asked for, or its time is over and nobody has committed, or it is `broken`."""
    hold_row(connection, task.id)
    expired = _t.c.hold_until <= clock(connection)
    problem = broken or (None if task.stop_requested else EXPIRED)
    over = _t.c.stop_requested == true() if task.stop_requested else expired
    return move(
        connection,
        task,
        State.prepared,
        State.aborting,
        *(() if broken else (over,)),
        problem=None if problem is None else problem_document(problem),
        receipt=None,
        waiting_for=None,
        phase="rolling back",
        detail={} if problem is None else {"code": problem.code, "detail": problem.detail},
    )


def pass_check(connection: Connection, task: Task, protocol: Protocol, draft: dict[str, Any]) -> bool:
    """A dry run has written everything and found no fault: now it is taken back. The receipt tells the two apart.

    A stop that has come meanwhile wins in the end (`after_abort`).
    """
    return move(
        connection,
        task,
        State.running,
        State.aborting,
        protocol=protocol,
        receipt=draft,
        phase="rolling back",
        detail={"dry_run": True},
    )


def finish(connection: Connection, task: Task, receipt: dict[str, Any]) -> bool:
    """Step 9: all markers were seen. The tables that the task made become known as ours."""
    if not move(
        connection,
        task,
        State.committing,
        State.committed,
        receipt=receipt,
        finished_at=now(),
        waiting_for=None,
        phase="done",
        rows=receipt["rows_written"],
    ):
        return False
    own_made(connection, task, receipt)
    pending.settle(connection, task)
    return True


def begin_abort(
    connection: Connection,
    task: Task,
    source: State,
    problem: Problem | None,
    *,
    lost: bool = False,
    silent_since: int | None = None,
) -> bool:
    """Step 10's first mark: `running → aborting`, or `committing → aborting` after a tombstone.

    `silent_since` is the beat at which the worker fell silent: one that has beaten since is alive after all.
    Nothing may touch a branch before this has answered True (PROTOCOL R1).
    """
    counted = problem is not None and problem.retry is Retry.counted and not lost
    return move(
        connection,
        task,
        source,
        State.aborting,
        *(() if silent_since is None else (_t.c.beat == silent_since,)),
        errors=_t.c.errors + int(counted),
        losses=_t.c.losses + int(lost),
        waiting_for=None,
        problem=None if problem is None else problem_document(problem),
        phase="rolling back",
        detail={} if problem is None else {"code": problem.code, "detail": problem.detail},
    )


def end_abort(connection: Connection, task: Task, to: State, back_off_seconds: float) -> State | None:
    """Step 10's last mark: the task goes from `aborting` to where it was seen to go, which is proven by now.

    None where that is not so any more: somebody else was first, or a stop came while branches were rolled back.
    """
    hold_row(connection, task.id)
    current = get(connection, task.id)
    if current is None or current.state is not State.aborting or current.attempt != task.attempt:
        return None
    if after_abort(current) is not to:
        return None
    again = to is State.queued
    waiting = current.problem.detail if again and current.problem and current.problem.retry is Retry.free else None
    delay = timedelta(seconds=min(back_off_seconds, LONGEST_BACKOFF_SECONDS))
    moved = move(
        connection,
        task,
        State.aborting,
        to,
        not_before=now() + delay if again and back_off_seconds else None,
        waiting_for=waiting,
        finished_at=None if again else now(),
        announced_at=None,
        phase="waiting" if again else "done",
        rows=current.progress.rows if to is State.checked else 0,
        receipt=current.receipt if to is State.checked else None,
        hold_until=None,
        locks=None,
    )
    if moved:
        pending.settle(connection, task)
    return to if moved else None


def request_stop(connection: Connection, task_id: str) -> StopAnswer | None:
    """Ask for a stop; None for an unknown id. `accepted` promises that the task never commits.

    The flag is raised by one guarded UPDATE, so that it cannot fall behind the decision: the decision refuses
    where the flag is up, and the flag is refused where the decision was made.
    """
    hold_row(connection, task_id)  # or it could turn back from the decision, unflagged, between the two statements
    raised = connection.execute(
        update(_t)
        .where(
            _t.c.id == task_id,
            _t.c.stop_requested == false(),
            _t.c.state.in_([State.queued, State.running, State.prepared, State.aborting]),
        )
        .values(stop_requested=True)
    )
    task = get(connection, task_id)
    if task is None:
        return None
    if raised.rowcount == 1:
        record(connection, task_id, "stop-requested", task.attempt, {})
    if task.state is State.queued:
        stop_queued(connection, task)
    return STOP_ANSWERS[task.state]


def stop_queued(connection: Connection, task: Task) -> bool:
    """A stop of a task that is not at work. Where nothing was ever begun, nothing is to be taken back.

    After an attempt, or in a ledger that was restored, that is only so when every target has been looked at: such a
    ledger may not know of an attempt that committed (PROTOCOL R9).
    """
    asked = _t.c.stop_requested == true()
    if task.attempt or was_restored(connection):
        # The worker of its last attempt has left it: the next sweep goes on.
        return move(connection, task, State.queued, State.aborting, asked, worker=None, phase="rolling back")
    return move(connection, task, State.queued, State.stopped, asked, finished_at=now(), phase="done", waiting_for=None)


def wait_for(connection: Connection, task: Task, what: str | None) -> None:
    """Say in words what the task waits for, as long as it stands where it was seen; None: for nothing more."""
    guarded(connection, task, task.state, waiting_for=what)


def mark_announced(connection: Connection, task_id: str) -> None:
    connection.execute(update(_t).where(_t.c.id == task_id).values(announced_at=now()))
