"""What a worker child does when it is woken: claim the best task, run it, and again until none is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from rescind import failpoints
from rescind.domain.receipt import Draft
from rescind.domain.states import State
from rescind.domain.task import Task
from rescind.domain.upload import Upload
from rescind.errors import LedgerUnavailable, RescindError, TaskRaised
from rescind.ledger import transitions
from rescind.ledger.engine import Ledger
from rescind.process import ProcessId
from rescind.readers.options import Options
from rescind.readers.reader import Opener, Reader
from rescind.scheduling.queue import next_task
from rescind.targets.registry import TargetRegistry
from rescind.tasks.registry import TaskRegistry
from rescind.tasks.transaction import Transaction
from rescind.telemetry.logs import log
from rescind.transaction.control import Control
from rescind.transaction.coordinator import Coordinator
from rescind.transaction.problem import places, said
from rescind.transaction.work import Work
from rescind.uploads.outputs import OutputStore
from rescind.uploads.store import UploadStore
from rescind.worker.watchdog import Watchdog

MOST_TASKS = 20  #: tasks that one wake-up may run; bounded so that the child can be recycled
MOST_SECONDS = 60.0


@dataclass(frozen=True)
class Worker:
    """Everything that running tasks needs. `announce` wakes another worker; `leaving` says "shut down"."""

    ledger: Ledger
    targets: TargetRegistry
    registry: TaskRegistry
    uploads: UploadStore
    outputs: OutputStore
    open_upload: Callable[[Upload, Options, Callable[[], None], Opener], Reader]
    coordinator: Coordinator
    announce: Callable[[str], None]
    leaving: Callable[[], bool]

    def drain(self) -> int:
        """Run tasks until none may be claimed or a bound is reached; how many were run."""
        until = time.monotonic() + MOST_SECONDS
        ran = 0
        while not self.leaving() and (task := self.claim()):
            self.run(task)
            ran += 1
            if ran >= MOST_TASKS or time.monotonic() > until:
                break
        self._pass_on()
        return ran

    def claim(self) -> Task | None:
        """Make the next attempt of the best runnable task; of the next best where another worker was first."""
        exclusive = self.targets.exclusive()  # not inside: who asks a server that hangs must not hold the ledger
        for _ in range(MOST_TASKS):
            failpoints.hit("claim.before")
            with self.ledger.write() as connection:
                task_id = next_task(connection, exclusive)
                if task_id is None:
                    return None
                task = transitions.claim(connection, task_id, str(ProcessId.current()))
                failpoints.hit("claim.after_update")
            failpoints.hit("claim.after_commit")
            if task is not None:
                return task
        return None

    def run(self, task: Task) -> State | None:
        """Run one claimed attempt to its end; the state it leaves, or None where recovery finishes it."""
        log.info("attempt.begun", task=task.id, name=task.name, attempt=task.attempt)
        control = Control()
        with Watchdog(self.ledger, task, control, self.leaving):
            state = self.coordinator.run(task, lambda work: self._body(task, work), control)
        log.info("attempt.done", task=task.id, attempt=task.attempt, state=state)
        if state is None:
            self._let_go(task)
        return state

    def _let_go(self, task: Task) -> None:
        """The next sweep goes on. It takes a task from a worker that lives only after a lease, or a stop's patience."""
        with suppress(LedgerUnavailable), self.ledger.write() as connection:
            transitions.let_go(connection, task)

    def _body(self, task: Task, work: Work) -> Draft:
        definition = self.registry[task.name]
        tx = Transaction(work, self.ledger, self.uploads, self.outputs, self.open_upload)
        try:
            result: Any = definition.call(tx, task.args)
        except RescindError:
            raise
        except Exception as error:
            raise self._translate(task, error) from error
        except SystemExit as error:
            # Taken for a shutdown it would be tried again at once, for ever, ahead of every other task.
            raise TaskRaised(f"Task {task.name} raised SystemExit({error.code}).") from error
        return tx.draft(result)

    def _translate(self, task: Task, error: Exception) -> RescindError:
        """A database's error keeps its meaning (a deadlock is retried); any other is the function's own."""
        for name in task.targets:
            if translated := self.targets[name].translate(error):
                return translated
        log.warning("task.raised", task=task.id, attempt=task.attempt, error=said(error), where=places(error))
        return TaskRaised(f"Task {task.name} raised {said(error)}.")

    def _pass_on(self) -> None:
        """A child that leaves while work is runnable wakes another, or the rest would wait for the sweeper."""
        exclusive = self.targets.exclusive()
        with self.ledger.read() as connection:
            left = next_task(connection, exclusive)
        if left is not None:
            self.announce(left)
