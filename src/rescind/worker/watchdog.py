"""The thread beside an attempt: heartbeat, progress, the stop flag, and the cancel in the database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rescind import failpoints
from rescind.domain.states import State
from rescind.domain.task import Task
from rescind.errors import Fenced, Interruption, LedgerUnavailable, ShuttingDown, Stopped
from rescind.ledger import tasks, transitions
from rescind.ledger.engine import Ledger
from rescind.telemetry.logs import log
from rescind.transaction.control import Control

LOOK_SECONDS = 0.25  #: a stop is heard within this time
LOOKS_PER_BEAT = 2  #: progress in the ledger is at most two looks old
#: A commit of many rows on a slow disk takes longer than a lease, and a healthy worker must not be killed for it.
#: One that takes longer than this is believed to hang.
COMMIT_SECONDS = 600.0


class Watchdog:
    """Runs while the attempt does. `leaving` says whether this worker is told to shut down."""

    def __init__(self, ledger: Ledger, task: Task, control: Control, leaving: Callable[[], bool]) -> None:
        self._ledger = ledger
        self._task = task
        self._control = control
        self._leaving = leaving
        self._ended = threading.Event()
        self._committing_since: float | None = None
        self._left: int | None = None  #: rows to take back, when last seen
        self._thread = threading.Thread(target=self._run, name=f"watchdog-{task.id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        looks = 0
        while not self._ended.wait(LOOK_SECONDS):
            looks += 1
            try:
                why = self._look(beat=looks % LOOKS_PER_BEAT == 0)
            except (LedgerUnavailable, failpoints.Injected, failpoints.ReplyLost) as error:
                # Without the ledger nothing can be decided, so the attempt may go on: the decision waits too.
                log.warning("watchdog.no-ledger", task=self._task.id, error=str(error))
                continue
            if why is not None:
                # Again at every look until the attempt has ended: a cancel between two statements is lost.
                self._control.interrupt(why)

    def _look(self, *, beat: bool) -> Interruption | None:
        if beat:
            failpoints.hit("heartbeat.late")
            failpoints.hit("heartbeat.skip")
            with self._ledger.write() as connection:
                transitions.beat(connection, self._task, self._control.progress)
        with self._ledger.read() as connection:
            current = tasks.get(connection, self._task.id)
        if current is None or current.attempt != self._task.attempt:
            return Fenced(f"Attempt {self._task.attempt} of task {self._task.id} was taken over.")
        if current.state is State.running:
            return self._asked(current)
        if current.state is State.committing:
            self._beat_commit()
        if current.state is State.aborting:
            return self._undoing()
        return None

    def _undoing(self) -> Interruption | None:
        """A rollback of our own beats as long as it comes on: InnoDB's takes as long as the rows took to write."""
        left = self._control.left_to_undo()
        if left is not None:
            if left != self._left:
                with self._ledger.write() as connection:
                    transitions.beat_abort(connection, self._task, left)
            self._left = left
        elif self._control.interruption is None and not self._task.terms.dry_run:
            return Fenced(f"Attempt {self._task.attempt} of task {self._task.id} is being taken back.")
        return None

    def _beat_commit(self) -> None:
        now = time.monotonic()
        self._committing_since = self._committing_since or now
        if now - self._committing_since < COMMIT_SECONDS:
            with self._ledger.write() as connection:
                transitions.beat_commit(connection, self._task)

    def _asked(self, current: Task) -> Interruption | None:
        if current.stop_requested:
            return Stopped("The task was stopped; nothing was changed.")
        if self._leaving():
            return ShuttingDown("The worker is shutting down; the task starts again.")
        return None
