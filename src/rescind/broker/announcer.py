"""The thread that announces tasks, so that a request never waits for a broker."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable

from rescind import failpoints
from rescind.telemetry.logs import log

CAPACITY = 1000
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0


class Announcer:
    """Publishes each id, then marks it as announced in the ledger; one daemon thread per process.

    `publish` and `mark` may raise and take seconds; callers of `announce` notice nothing of it. What is dropped,
    or lost with the process, the sweeper announces again. The thread starts with the first id, and anew in a
    process that was forked.
    """

    def __init__(self, publish: Callable[[str], None], mark: Callable[[str], None], capacity: int = CAPACITY) -> None:
        self._publish = publish
        self._mark = mark
        self._capacity = capacity
        self._thread: threading.Thread | None = None
        self.trouble: str | None = None  #: why the last try failed; None where it did not
        self._reset()
        reset = weakref.WeakMethod(self._reset)  # the interpreter keeps for ever what is registered with it

        def after_fork() -> None:
            if (of_a_living := reset()) is not None:
                of_a_living()

        os.register_at_fork(after_in_child=after_fork)

    def announce(self, task_id: str) -> None:
        """Take the id and return at once. Never raises; the id is dropped when the queue is full or closed."""
        with self._changed:
            if self._closing or len(self._waiting) >= self._capacity:
                return
            self._waiting.append(task_id)
            self._changed.notify()
            if self._thread is None:
                self._start()

    def close(self, timeout: float) -> bool:
        """Take no more ids and publish what waits, for at most `timeout` seconds; whether all of it was."""
        with self._changed:
            self._closing = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return not self._waiting and (thread is None or not thread.is_alive())

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="announcer", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no more threads: the next id tries again
            log.warning("announce.failed", error=str(error))
        else:
            self._thread = thread

    def _run(self) -> None:
        pause = 0.0
        while (task_id := self._next(newest=pause > 0)) is not None:
            if self._announce(task_id, known=pause > 0):
                pause = 0.0
                continue
            pause = min(2 * pause or FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
            if not self._keep(task_id, pause):
                return

    def _next(self, newest: bool) -> str | None:
        """The id to publish; None when closed and empty. In an outage the newest: its caller is likeliest to wait."""
        with self._changed:
            while not self._waiting:
                if self._closing:
                    return None
                self._changed.wait()
            return self._waiting.pop() if newest else self._waiting.popleft()

    def _keep(self, task_id: str, pause: float) -> bool:
        """Put an id back that could not be published, and wait; False when closed: an outage is not waited for."""
        with self._changed:
            if len(self._waiting) < self._capacity:
                self._waiting.appendleft(task_id)
            end = time.monotonic() + pause
            while not self._closing and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)
            return not self._closing

    def _announce(self, task_id: str, known: bool) -> bool:
        # Whatever is raised here: a thread that ended would leave every later task to the sweeper, without a word.
        try:
            failpoints.hit("announce.before")
            self._publish(task_id)
            failpoints.hit("announce.after_publish")
        except Exception as error:
            if not known:
                log.warning("announce.failed", task=task_id, error=str(error))
            self.trouble = str(error)
            return False
        self.trouble = None
        try:
            failpoints.hit("announce.before_mark")
            self._mark(task_id)
        except Exception as error:
            log.warning("announce.not_marked", task=task_id, error=str(error))
        return True

    def _reset(self) -> None:
        # The ids of the parent are published by the parent, and its lock may be held by a thread that is not here.
        self._changed = threading.Condition()
        self._waiting: deque[str] = deque()
        self._thread = None
        self._closing = False
