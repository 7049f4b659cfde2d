"""`/v1/tasks`: start, list, look at, stop and retry tasks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from apiflask import APIBlueprint
from flask import Response
from pydantic import Field

from rescind.api import answers, cursors, schemas
from rescind.api.body import json_only
from rescind.api.checks import check_at_once
from rescind.api.documents import task_document, time
from rescind.api.idempotency import body_key
from rescind.api.openapi import problems
from rescind.api.query import Cursor, Number, Query, takes
from rescind.api.services import services
from rescind.api.terms import Wanted, targets, terms
from rescind.api.waiting import preferred_wait, waiting_room
from rescind.domain.states import State
from rescind.domain.task import Task
from rescind.ledger import events, tasks

blueprint = APIBlueprint("tasks", __name__, url_prefix="/v1/tasks", tag="Tasks")

MOST_A_PAGE = 500


class TasksQuery(Query):
    """Which tasks to list."""

    state: State | None = None
    task: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    cursor: Cursor | None = None
    limit: Annotated[Number, Field(ge=1, le=MOST_A_PAGE)] = 50


@blueprint.post("")
@json_only
@blueprint.input(schemas.TaskRequest, arg_name="wanted")
@blueprint.output(schemas.TaskDocument, 202)
@blueprint.doc(responses=problems(400, 404, 409, 413, 415, 422))
def submit(wanted: schemas.TaskRequest) -> Response:
    """Start a task."""
    submission = services().submission
    key = body_key()
    first = submission.known(key)
    if first is not None:
        return answers.accepted(first)
    how = Wanted(targets(wanted.targets), terms(wanted.commit, wanted.hold_seconds, dry_run=wanted.dry_run))
    args = check_at_once(wanted.task, wanted.args, how)
    task_id, _ = submission.submit(wanted.task, args, targets=how.targets, terms=how.terms, key=key)
    return answers.accepted(task_id)


@blueprint.get("")
@takes(blueprint, TasksQuery)
@blueprint.output(schemas.TaskPage)
@blueprint.doc(responses=problems(422))
def page(query: TasksQuery) -> Response:
    """List tasks, newest first."""
    before = None if query.cursor is None else _place(query.cursor)
    with services().ledger.read() as connection:
        found = tasks.page(connection, state=query.state, name=query.task, before=before, limit=query.limit + 1)
    shown, more = found[: query.limit], len(found) > query.limit
    last = cursors.encode([time(shown[-1].created_at), shown[-1].id]) if more else None
    return answers.document({"tasks": [task_document(task) for task in shown], "next": last})


@blueprint.get("/<task_id>")
@blueprint.output(schemas.TaskDocument)
@blueprint.doc(responses=problems(404) | {304: {"description": "The client has this very document."}})
def show(task_id: str) -> Response:
    """Show a task. `Prefer: wait=N` answers when it has ended or is held, or after N seconds."""
    seconds = preferred_wait()
    if seconds is None:
        return answers.tagged(task_document(services().submission.get(task_id)))
    task = _wait(task_id, seconds, or_held=True)
    return _applied(answers.tagged(task_document(task)), seconds)


@blueprint.post("/<task_id>/stop")
@blueprint.output(schemas.TaskDocument, 202)
@blueprint.doc(responses=problems(404, 409))
def stop(task_id: str) -> Response:
    """Stop a task: it will never commit. `Prefer: wait=N` answers when its rollback is proven."""
    answers.ask_to_stop(task_id)
    seconds = preferred_wait()
    if seconds is None:
        return answers.accepted(task_id)
    _wait(task_id, seconds)
    return _applied(answers.accepted(task_id), seconds)


@blueprint.post("/<task_id>/commit")
@blueprint.output(schemas.TaskDocument, 202)
@blueprint.doc(responses=problems(404, 409))
def commit(task_id: str) -> Response:
    """Commit a held task. `Prefer: wait=N` answers when every marker was seen."""
    answers.ask_to_commit(task_id)
    seconds = preferred_wait()
    if seconds is None:
        return answers.accepted(task_id)
    _wait(task_id, seconds)
    return _applied(answers.accepted(task_id), seconds)


@blueprint.post("/<task_id>/retry")
@blueprint.output(schemas.TaskDocument, 202)
@blueprint.doc(responses=problems(404, 409, 422))
def retry(task_id: str) -> Response:
    """Start a failed or stopped task again, as a new task; asking twice makes one."""
    submission = services().submission
    key = body_key()
    first = submission.known(key)
    if first is None:
        first, _ = submission.retry(task_id, key)
    return answers.accepted(first)


@blueprint.get("/<task_id>/events", endpoint="events")
@blueprint.output(schemas.Events)
@blueprint.doc(responses=problems(404))
def events_of(task_id: str) -> Response:
    """Show a task's history."""
    services().submission.get(task_id)
    with services().ledger.read() as connection:
        found = events.of_task(connection, task_id)
    listed = [{"at": time(e.at), "kind": e.kind, "attempt": e.attempt, "detail": e.detail} for e in found]
    return answers.document({"events": listed})


def _place(cursor: str) -> tuple[datetime, str]:
    at, task_id = cursors.decode(cursor, 2)
    try:
        return datetime.fromisoformat(at).astimezone(UTC), str(task_id)
    except (TypeError, ValueError, OverflowError):
        raise cursors.unusable() from None


def _wait(task_id: str, seconds: int, *, or_held: bool = False) -> Task:
    with waiting_room().seat():
        return waiting_room().wait(services().submission, task_id, seconds, or_held=or_held)


def _applied(response: Response, seconds: int) -> Response:
    applied = min(seconds, int(waiting_room().longest_seconds))
    response.headers["Preference-Applied"] = f"wait={applied}"
    return response
