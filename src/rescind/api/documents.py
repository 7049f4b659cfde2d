"""Tasks as documents."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import url_for

from rescind.api.problems import problem
from rescind.api.services import services
from rescind.domain.moments import rfc3339
from rescind.domain.receipt import outputs_of
from rescind.domain.states import State
from rescind.domain.task import Commit, Problem, Task
from rescind.errors import Contradiction
from rescind.ledger import events
from rescind.ledger.engine import now

CLASSIC_ONLY = "made_by_rescind"  #: the argument with which the demo's endpoints guard other people's tables
A_PERSON = "a commit or a stop"  #: what a held task waits for
SETTLED = "An operator has settled it, and has said why; nothing more is done."


time = rfc3339


def task_document(task: Task) -> dict[str, Any]:
    """What the API says of a task."""
    document: dict[str, Any] = {
        "id": task.id,
        "task": task.name,
        "args": {name: value for name, value in task.args.items() if name != CLASSIC_ONLY},
        "state": task.state,
        "done": task.state.done,
        "stop_requested": task.stop_requested,
        "attempt": task.attempt,
        "targets": list(dict.fromkeys(task.targets)),  # one with several branches is one target
        "progress": _progress(task),
        "created_at": time(task.created_at),
        "started_at": None if task.started_at is None else time(task.started_at),
        "finished_at": None if task.finished_at is None else time(task.finished_at),
        "links": _links(task),
    }
    more = _optional(task) | _word(task) | {"last_error": _last_error(task)}
    return document | {name: value for name, value in more.items() if value is not None}


def error_document(found: Problem, task_id: str) -> dict[str, Any]:
    """Why a task ended, as a problem."""
    return problem(found.code, found.detail, found.advice.replace("{id}", task_id), found.details)


def _optional(task: Task) -> dict[str, Any]:
    ended_badly = task.state in (State.failed, State.hazard)
    return {
        "commit": task.terms.commit if task.terms.commit is not Commit.auto else None,
        "dry_run": task.terms.dry_run or None,
        "waiting_for": task.waiting_for or _waits_for(task),
        "hold": _hold(task) if task.state is State.prepared else None,
        "not_before": None if task.not_before is None else time(task.not_before),
        "protocol": task.protocol,
        "retry_of": task.retry_of,
        "receipt": task.receipt if task.state in (State.committed, State.checked) else None,
        "error": error_document(task.problem, task.id) if ended_badly and task.problem is not None else None,
    }


def _word(task: Task) -> dict[str, Any]:
    """An operator's word on a task that was in hazard; what was to be done about it is done."""
    if task.problem is None or task.problem.code != Contradiction.code or task.state is State.hazard:
        return {}
    with services().ledger.read() as connection:
        said = [event for event in events.of_task(connection, task.id) if event.detail.get("operator")]
    if not said:
        return {}
    last = said[-1]
    word = {"as": last.kind, "operator": last.detail["operator"], "why": last.detail.get("why"), "at": time(last.at)}
    if task.state is not State.failed:
        return {"settled": word}
    return {"settled": word, "error": error_document(replace(task.problem, advice=SETTLED), task.id)}


def _last_error(task: Task) -> dict[str, Any] | None:
    """Why there is another attempt: an attempt's own error is forgotten when the next one begins."""
    if task.state.done or not (task.errors or task.losses):
        return None
    with services().ledger.read() as connection:
        ended = [e for e in events.of_task(connection, task.id) if e.kind == State.aborting and "code" in e.detail]
    return {"attempt": ended[-1].attempt, "at": time(ended[-1].at), **ended[-1].detail} if ended else None


def _progress(task: Task) -> dict[str, Any]:
    progress = task.progress
    rate = _rows_per_second(task)
    document: dict[str, Any] = {
        "phase": progress.phase,
        "rows": progress.rows,
        "bytes": progress.bytes,
        "rows_per_second": round(rate, 1),
    }
    if progress.rows_total is not None:
        document["rows_total"] = progress.rows_total
    if progress.bytes_total is not None:
        document["bytes_total"] = progress.bytes_total
    if task.state is State.running and rate and progress.rows_total is not None:
        document["eta_seconds"] = round(max(progress.rows_total - progress.rows, 0) / rate, 1)
    return document


def _rows_per_second(task: Task) -> float:
    """Over the whole attempt; 0.0 before it has begun, and while it is taken back or held."""
    if task.started_at is None or task.state in (State.queued, State.aborting, State.prepared):
        return 0.0
    seconds = ((task.finished_at or now()) - task.started_at).total_seconds()
    return task.progress.rows / seconds if seconds > 0 else 0.0


def _links(task: Task) -> dict[str, str]:
    names = ["stop", "retry", "events", *(["commit"] if _is_held(task) else [])]
    links = {link: url_for(f"tasks.{link}", task_id=task.id) for link in names}
    if task.state is State.committed and outputs_of(task.receipt):
        links["download"] = url_for("outputs.download", task_id=task.id)
    links["rejects"] = url_for("rejects.show", task_id=task.id)
    return {"self": url_for("tasks.show", task_id=task.id)} | links


def _is_held(task: Task) -> bool:
    """Whether it waits for a person."""
    return task.state is State.prepared and not task.stop_requested


def _waits_for(task: Task) -> str | None:
    """What nobody has written into the ledger: without a broker no worker would have been told of the task."""
    if _is_held(task):
        return A_PERSON
    return services().broker_trouble() if task.state is State.queued else None


def _hold(task: Task) -> dict[str, Any]:
    until = None if task.hold_until is None else time(task.hold_until)
    return {"until": until, "locks": task.locks or {}}
