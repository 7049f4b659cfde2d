"""Following a task until it has ended, or waits for a person."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rescind.cli.exits import Exit, Failure
from rescind.cli.progress import View
from rescind.cli.service import Service, Unanswered, path

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 0.5  #: a task's progress is written that often
ABSENCE_SECONDS = 30.0  #: a service that is being started again is waited for this long


def follow(service: Service, task: Mapping[str, Any], view: View, *, or_held: bool = False) -> dict[str, Any]:
    """The task's document when it has ended; with `or_held` also when it waits for a commit.

    The task does not depend on being followed. Ctrl-C, or a service that stays away, ends only the waiting, as
    a Failure that says so.
    """
    try:
        return _follow(service, str(task["id"]), view, or_held)
    except KeyboardInterrupt:
        advice = f"Stop it with: rescind stop {task['id']}"
        raise Failure("Not waiting any longer; the task goes on.", "", advice, Exit.interrupted) from None


def _follow(service: Service, task_id: str, view: View, or_held: bool) -> dict[str, Any]:
    pause = FIRST_PAUSE_SECONDS
    answered = time.monotonic()
    while True:
        try:
            document: dict[str, Any] = service.get(path("tasks", task_id))
        except Unanswered as failure:
            if time.monotonic() - answered > ABSENCE_SECONDS:
                advice = f"It is safe in the ledger. When the service is back: rescind show {task_id}"
                raise Failure(failure.what, f"Task {task_id} was accepted.", advice, Exit.unreachable) from None
        else:
            answered = time.monotonic()
            view.task(document)
            if document["done"] or (or_held and "commit" in document["links"]):
                return document
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
