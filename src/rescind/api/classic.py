"""The demo's endpoints, at the root: they submit the same tasks as the rest of the API.

They touch the table `data` only if Rescind made it; the tasks look again inside their transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pyarrow as pa
from apiflask import APIBlueprint
from flask import Response, render_template, request

from rescind.api import answers, schemas
from rescind.api.guards import guard_state_change
from rescind.api.idempotency import body_key
from rescind.api.openapi import problems
from rescind.api.problems import Refusal, answer, status_of
from rescind.api.rows import streamed
from rescind.api.services import services
from rescind.api.waiting import waiting_room
from rescind.domain.schema import Table
from rescind.domain.states import State
from rescind.domain.task import Task
from rescind.encoders import json_text
from rescind.errors import InvalidArguments, NotMadeHere, UnknownTable
from rescind.ledger import pending, tasks
from rescind.settings import DEFAULT_TARGET

blueprint = APIBlueprint("classic", __name__, tag="The demo's endpoints")

TABLE = "data"
NOBODY = ""  #: no task has that id
DEFAULT_ROWS = 100_000
MESSAGE = "Rescind runs long database work that you can take back."
#: When the waiting insert was given up in favour of tasks (RFC 9745: seconds since 1970).
DEPRECATED = {"Deprecation": "@1763942400", "Link": '</v1/tasks>; rel="successor-version"'}

_CHANGES = frozenset({"insert", "insert_and_wait", "stop", "delete_all"})
_ENDED_BADLY = problems(500, 504, 507)


@blueprint.before_request
def guard() -> None:
    """Let through to a view that changes state only what means to."""
    if _changes_state() and request.url_rule is not None:
        guard_state_change(*sorted((request.url_rule.methods or set()) - {"HEAD"}))


@blueprint.after_request
def forbid_storing(response: Response) -> Response:
    """A stored answer would hide that nothing was done the second time."""
    if _changes_state():
        response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/")
@blueprint.output(schemas.Welcome)
@blueprint.doc(responses=problems())
def welcome() -> Response:
    """Say what this is; to a browser with links."""
    if answers.media_type("application/json", "text/html") == "text/html":
        return Response(render_template("welcome.html", message=MESSAGE), content_type="text/html; charset=utf-8")
    return answers.document({"success": True, "message": MESSAGE})


@blueprint.route("/insert", methods=["GET", "POST"])
@blueprint.route("/insert/<num>", methods=["GET", "POST"])
@blueprint.output(schemas.ClassicAccepted, 202)
@blueprint.doc(responses=problems(403, 405, 409))
def insert(num: str | None = None) -> Response:
    """Start a task that inserts rows of random text into `data`."""
    rows = _rows(num)
    return _accepted(_submit("generate", {"rows": rows}), f"Inserting {rows} rows.")


@blueprint.route("/dpd_insert", methods=["GET", "POST"], endpoint="insert_and_wait")
@blueprint.route("/dpd_insert/<num>", methods=["GET", "POST"], endpoint="insert_and_wait")
@blueprint.output(schemas.ClassicAccepted)
@blueprint.doc(responses=problems(403, 405, 409) | _ENDED_BADLY, deprecated=True)
def insert_and_wait(num: str | None = None) -> Response:
    """Insert rows of random text into `data` and wait until they are committed."""
    rows = _rows(num)
    with waiting_room().seat():
        task = _wait(_submit("generate", {"rows": rows}))
    if task.state is not State.committed:
        return _ended_badly(task)
    body = {"success": True, "message": f"{rows} rows were inserted.", "task_id": task.id}
    return answers.document(body, headers=DEPRECATED)


@blueprint.route("/stop/<task_id>", methods=["GET", "POST"])
@blueprint.output(schemas.ClassicAccepted, 202)
@blueprint.doc(responses=problems(403, 404, 405, 409))
def stop(task_id: str) -> Response:
    """Stop a task: it will never commit."""
    answers.ask_to_stop(task_id)
    return _accepted(task_id, "The task will be rolled back.")


@blueprint.get("/status/<task_id>")
@blueprint.output(schemas.ClassicStatus)
@blueprint.doc(responses=problems(404))
def status(task_id: str) -> Response:
    """Show a task's state, in Celery's word and in ours."""
    task = services().submission.get(task_id)
    return answers.document(
        {
            "success": True,
            "task_id": task.id,
            "status": task.state.celery,
            "state": task.state,
            "rows": task.progress.rows,
        }
    )


@blueprint.route("/delete_all", methods=["GET", "DELETE", "POST"])
@blueprint.output(schemas.ClassicDeleted)
@blueprint.doc(responses=problems(403, 405, 409) | _ENDED_BADLY)
def delete_all() -> Response:
    """Delete all rows of `data` and wait until that is committed."""
    with waiting_room().seat():
        task = _wait(_submit("clear", {}))
    if task.state is not State.committed or task.receipt is None:
        return _ended_badly(task)
    deleted = task.receipt["result"]["rows_deleted"]
    body = {"success": True, "message": f"{deleted} rows were deleted.", "num_rows_deleted": deleted}
    return answers.document(body)


@blueprint.get("/get_data")
@blueprint.output(schemas.ClassicRows)
@blueprint.doc(responses=problems(409))
def get_data() -> Response:
    """Read all rows of `data`, streamed."""
    table = _our_table()
    if table is None:
        return answers.document({"success": True, "data": [], "count": 0})
    return streamed(table, lambda _, batches: _rows_and_count(batches), "application/json")


@blueprint.get("/get_data/count")
@blueprint.output(schemas.ClassicCount)
@blueprint.doc(responses=problems(409))
def count() -> Response:
    """Count the rows of `data`."""
    rows = 0 if _our_table() is None else services().catalog().count(TABLE)
    return answers.document({"success": True, "count": rows})


def _changes_state() -> bool:
    return (request.endpoint or "").rpartition(".")[2] in _CHANGES


def _rows(num: str | None) -> int:
    most = services().settings.max_generate_rows
    if num is None:
        return min(DEFAULT_ROWS, most)
    if not (num.isascii() and num.isdecimal() and len(num) <= 20 and 1 <= int(num) <= most):
        problem = {"in": "path", "name": "num", "message": f"1 to {most} is expected"}
        raise InvalidArguments(f"num must be a whole number from 1 to {most}, not {num[:40]!r}.", [problem])
    return int(num)


def _our_table() -> Table | None:
    """The table `data`; None where it does not exist. Raises NotMadeHere where it is not ours."""
    try:
        table = services().table(TABLE)
    except UnknownTable:
        return None
    with services().ledger.read() as connection:
        # Where CREATE TABLE commits by itself the table is seen as long as its task runs, and is owned only then.
        ours = tasks.made_here(connection, DEFAULT_TARGET, TABLE) or pending.by_another(
            connection, DEFAULT_TARGET, TABLE, NOBODY
        )
    if not ours:
        raise NotMadeHere(f"The table {TABLE} was not made by Rescind, so this address does not touch it.")
    return table


def _submit(name: str, args: dict[str, Any]) -> str:
    submission = services().submission
    key = body_key()
    task_id = submission.known(key)
    if task_id is None:
        _our_table()
        task_id, _ = submission.submit(name, {"table": TABLE, "made_by_rescind": True} | args, key=key)
    return task_id


def _wait(task_id: str) -> Task:
    """The task when it has ended. Raises Refusal (504) where that takes too long."""
    task = waiting_room().wait(services().submission, task_id)
    if not task.state.done:
        raise Refusal(
            HTTPStatus.GATEWAY_TIMEOUT,
            "still-running",
            f"Task {task_id} has not ended yet; it goes on.",
            f"Look at /v1/tasks/{task_id}, or stop it there.",
            headers=answers.pointers(task_id),
            details={"task_id": task_id},
        )
    return task


def _accepted(task_id: str, message: str) -> Response:
    body = {"success": True, "message": message, "task_id": task_id}
    return answers.document(body, HTTPStatus.ACCEPTED, answers.pointers(task_id))


def _ended_badly(task: Task) -> Response:
    """The problem that ended the task, as the answer to the request that waited for it."""
    details = {"task_id": task.id, "state": task.state}
    if task.problem is None:
        advice = "Retry the task if you want it after all."
        return answer(HTTPStatus.CONFLICT, "stopped", f"Task {task.id} was stopped.", advice, details, {})
    found = task.problem
    return answer(status_of(found.code), found.code, found.detail, found.advice, found.details | details, {})


def _rows_and_count(batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    """The count comes last: it is that of the rows which were sent, from the same snapshot."""
    rows = 0

    def counted() -> Iterator[pa.RecordBatch]:
        nonlocal rows
        for batch in batches:
            rows += batch.num_rows
            yield batch

    yield b'{"success":true,"data":['
    yield from json_text.json_array((), counted())
    yield b'],"count":%d}\n' % rows
