"""The answers that several endpoints give."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import Any

from flask import Response, json, request, url_for

from rescind.api.documents import task_document
from rescind.api.problems import Refusal
from rescind.api.services import services
from rescind.domain.states import StopAnswer
from rescind.domain.task import Task
from rescind.errors import Finished, TooLate, UnknownId
from rescind.ledger import tasks, transitions

RETRY_AFTER_SECONDS = 1  #: when to look at a task for the first time


def document(body: dict[str, Any], status: int = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Response:
    """A JSON document."""
    return Response(json.dumps(body), status, headers or {}, content_type="application/json")


def accepted(task_id: str) -> Response:
    """202 with the task's document."""
    return document(task_document(services().submission.get(task_id)), HTTPStatus.ACCEPTED, pointers(task_id))


def pointers(task_id: str) -> dict[str, str]:
    """The headers of every 202."""
    return {"Location": url_for("tasks.show", task_id=task_id), "Retry-After": str(RETRY_AFTER_SECONDS)}


def tagged(body: dict[str, Any]) -> Response:
    """A JSON document with an ETag; 304 for a client that has this very document."""
    response = document(body)
    response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:32])
    response.headers["Cache-Control"] = "no-cache"
    response.make_conditional(request)
    return response


def ask_to_stop(task_id: str) -> Task:
    """Ask for a stop; the task as it is after that. Raises UnknownId, TooLate, Finished."""
    ledger = services().ledger
    with ledger.write() as connection:
        answer = transitions.request_stop(connection, task_id)
        task = tasks.get(connection, task_id)
    if task is None:
        raise UnknownId(f"No task has the id {task_id}.")
    if answer is StopAnswer.too_late:
        raise TooLate(f"Task {task_id} is {task.state}: it is decided and can no longer be stopped.")
    if answer is StopAnswer.finished:
        raise Finished(f"Task {task_id} has ended as {task.state}.")
    return task


def media_type(*offered: str) -> str:
    """The offered media type that the client likes best; the first where it does not say."""
    best = request.accept_mimetypes.best_match(offered) if request.accept_mimetypes else offered[0]
    if best is None:
        raise Refusal(
            HTTPStatus.NOT_ACCEPTABLE,
            "not-acceptable",
            f"This can be had as {', '.join(offered)}.",
            "Name one of these in the header Accept.",
        )
    return best
