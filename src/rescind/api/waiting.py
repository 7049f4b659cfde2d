"""Requests that wait for a task: few at a time, and not for ever."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from threading import BoundedSemaphore

from flask import current_app, request

from rescind.api.problems import Refusal
from rescind.domain.states import State
from rescind.domain.task import Task
from rescind.errors import LedgerUnavailable
from rescind.tasks.submission import Submission

EXTENSION = "rescind-waiting"
POLL_SECONDS = 0.1
FULL_RETRY_SECONDS = 5

_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?=$|[,;])", re.IGNORECASE)


class WaitingRoom:
    """A quarter of the threads may wait; all others stay free to answer at once."""

    def __init__(self, threads: int, longest_seconds: float) -> None:
        self._seats = BoundedSemaphore(max(1, threads // 4))
        self.longest_seconds = longest_seconds

    @contextmanager
    def seat(self) -> Iterator[None]:
        """A place to wait in. Raises Refusal (503) where all are taken."""
        if not self._seats.acquire(blocking=False):
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "too-many-waiting",
                "Too many requests are waiting for a task already.",
                "Ask without waiting, or again in a moment.",
                headers={"Retry-After": str(FULL_RETRY_SECONDS)},
            )
        try:
            yield
        finally:
            self._seats.release()

    def wait(
        self, submission: Submission, task_id: str, seconds: float | None = None, *, or_held: bool = False
    ) -> Task:
        """The task once it has ended, or as it is after `seconds` (at most the longest). Raises UnknownId.

        With `or_held` a task that waits for a person is answered too: nothing happens to it by itself.
        A ledger that is away for a moment is waited for: the task has been accepted, and its id is not yet told.
        """
        longest = self.longest_seconds if seconds is None else min(seconds, self.longest_seconds)
        until = time.monotonic() + longest
        while True:
            try:
                task = submission.get(task_id)
                held = or_held and task.state is State.prepared and not task.stop_requested
                if task.state.done or held or time.monotonic() >= until:
                    return task
            except LedgerUnavailable:
                if time.monotonic() >= until:
                    raise
            time.sleep(POLL_SECONDS)


def waiting_room() -> WaitingRoom:
    """That of the application that serves the current request."""
    found = current_app.extensions[EXTENSION]
    assert isinstance(found, WaitingRoom)
    return found


def preferred_wait() -> int | None:
    """Seconds of `Prefer: wait=N` (RFC 7240); None where the client does not ask for it."""
    found = _WAIT.search(request.headers.get("Prefer", ""))
    return None if found is None else int(found[1])
