"""The answers that several endpoints give."""

from __future__ import annotations

import hashlib
from functools import partial
from http import HTTPStatus
from typing import Any

from flask import Response, json, request, url_for

from rescind.api.documents import task_document
from rescind.api.problems import Refusal
from rescind.api.services import Services, services
from rescind.domain.states import State, StopAnswer
from rescind.domain.task import EXPIRED, Commit, Task
from rescind.errors import Finished, HoldExpired, NotHeld, RescindError, Stopped, TooLate
from rescind.ledger import tasks, transitions
from rescind.transaction import held

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
        task = tasks.require(connection, task_id)
    if answer is StopAnswer.too_late:
        raise TooLate(f"Task {task_id} is {task.state}: it is decided and can no longer be stopped.")
    if answer is StopAnswer.finished:
        raise Finished(f"Task {task_id} has ended as {task.state}.")
    return task


def ask_to_commit(task_id: str) -> None:
    """Commit a held task; again and again, if it is asked for so often.

    Raises UnknownId, NotHeld, Stopped, HoldExpired, Finished; BranchGone, Contradiction, and TargetUnavailable where it
    cannot be seen that all of it is still prepared: nothing is decided then.
    """
    ledger = services().ledger
    with ledger.read() as connection:
        task = tasks.require(connection, task_id)
    if held.commit(ledger, task, partial(_expect_whole, services(), task)):
        return
    with ledger.read() as connection:
        found = tasks.get(connection, task_id) or task  # as it stands now: another process may have been first
    if found.state not in (State.committing, State.committed):
        raise _not_committed(found)


def _expect_whole(s: Services, task: Task) -> None:
    names = list(dict.fromkeys(task.targets))
    called = f"Target {names[0]}" if len(names) == 1 else f"One of the targets {' and '.join(names)}"
    s.looks.at(called, lambda: held.expect_whole(s.ledger, s.targets, task))


def _not_committed(task: Task) -> RescindError:
    expired = task.problem is not None and task.problem.code == EXPIRED.code
    if expired and task.state.done:
        return HoldExpired(f"The time of task {task.id} is over; it was taken back.")
    if task.state.done:
        return Finished(f"Task {task.id} has ended as {task.state}; there is nothing to commit.")
    if task.stop_requested:
        return Stopped(f"Task {task.id} was asked to stop, so it will never commit.")
    if expired or task.state is State.prepared:
        return HoldExpired(f"The time of task {task.id} is over; it is being taken back.")
    if task.terms.commit is Commit.manual:
        return NotHeld(f"Task {task.id} is {task.state}: not everything is written yet.")
    return NotHeld(f"Task {task.id} is {task.state}, and commits by itself.")


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
