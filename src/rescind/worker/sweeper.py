"""The loop that recovers, announces and releases, for ever.

One thread for each target, so that a target that is down holds up nobody else; one for what concerns the
ledger alone, one for the broker. Several sweepers may run at once: every step is guarded in the ledger.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from rescind import failpoints
from rescind.domain.states import State
from rescind.domain.task import Task
from rescind.errors import BrokerUnavailable, LedgerUnavailable, TargetBusy, TargetUnavailable, Undecided
from rescind.ledger import branches, tasks, transitions
from rescind.ledger.engine import Ledger, now
from rescind.ledger.engine import clock as ledger_clock
from rescind.scheduling.queue import unannounced
from rescind.targets.registry import TargetRegistry
from rescind.targets.target import Target
from rescind.telemetry.logs import log
from rescind.transaction import held
from rescind.transaction.forget import Forgetter
from rescind.transaction.problem import places, problem_of, said
from rescind.transaction.recovery import Recovery
from rescind.uploads.outputs import OutputStore
from rescind.uploads.store import UploadStore
from rescind.worker.lease import Unchanged, worker_is_gone

STOP_SECONDS = 10.0  #: a stop that the worker does not obey for so long is carried out by the sweeper
TENDING_SECONDS = 60.0  #: pause between two looks for tasks and files that are past their retention

_NOT_YET = (TargetUnavailable, TargetBusy, Undecided)


@dataclass
class Sweeper:
    """`publish` announces one task and raises BrokerUnavailable; `sweep_seconds` is the pause between sweeps."""

    ledger: Ledger
    targets: TargetRegistry
    recovery: Recovery
    forgetter: Forgetter
    uploads: UploadStore
    outputs: OutputStore
    publish: Callable[[str], None]
    lease_seconds: float
    sweep_seconds: float
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Sweep until `ended` is set."""
        # A frozen broker takes seconds for each announcement, and must not keep a queued task from being stopped.
        loops = [self._ledger_loop(), self.announce]
        loops += [self._target_loop(target) for target in self.targets.values()]
        threads = [threading.Thread(target=self._forever, args=(loop,), daemon=True) for loop in loops]
        for thread in threads:
            thread.start()
        self.ended.wait()
        for thread in threads:
            thread.join(timeout=2.0)

    def _forever(self, sweep: Callable[[], None]) -> None:
        while not self.ended.is_set():
            try:
                sweep()
            except Exception as error:
                # A sweeper that dies of one surprise would leave every later task undecided.
                log.warning("sweep.failed", error=said(error), where=places(error))
            self.ended.wait(self.sweep_seconds)

    def _ledger_loop(self) -> Callable[[], None]:
        tended = time.monotonic() - TENDING_SECONDS
        beats, stops = Unchanged(), Unchanged()

        def sweep() -> None:
            nonlocal tended
            self.stop_queued()
            self.sweep_tasks(lambda task: task.targets[0] not in self.targets, beats, stops)
            self.uploads.sweep(now())
            if time.monotonic() - tended >= TENDING_SECONDS:
                self.forgetter.forget(now())
                self.outputs.sweep(now())
                tended = time.monotonic()

        return sweep

    def _target_loop(self, target: Target) -> Callable[[], None]:
        beats, stops = Unchanged(), Unchanged()
        return lambda: self.sweep_target(target, beats, stops)

    def stop_queued(self) -> None:
        """End the queued tasks that a stop was asked for."""
        with self.ledger.read() as connection:
            stopped = tasks.stopped_in_queue(connection)
        for task in stopped:
            with self.ledger.write() as connection:
                transitions.stop_queued(connection, task)

    def announce(self) -> None:
        """Announce the tasks that may run and that no worker was told of lately."""
        failpoints.hit("sweep.before_announce")
        exclusive = self.targets.exclusive()
        with self.ledger.read() as connection:
            waiting = unannounced(connection, exclusive)
        try:
            for task_id in waiting:
                self.publish(task_id)
                with self.ledger.write() as connection:
                    transitions.mark_announced(connection, task_id)
        except BrokerUnavailable as error:
            log.warning("announce.failed", error=str(error))

    def sweep_target(self, target: Target, beats: Unchanged, stops: Unchanged) -> None:
        """Tasks whose first branch is in that target, then its prepared branches, then who waits for a lock there."""
        self.sweep_tasks(lambda task: task.targets[0] == target.name, beats, stops)
        failpoints.hit("sweep.before_orphans")
        self.recovery.sweep_target(target)
        self.tell_locks(target)

    def tell_locks(self, target: Target) -> None:
        """Say of every task at work whether it waits for somebody's lock in that target, and no more when it has it."""
        ledger = self.ledger.identity()[0]
        with self.ledger.read() as connection:
            running = tasks.in_states(connection, State.running)
            found = [(task, branches.of_attempt(connection, task, ledger)) for task in running]
        for task, registered in found:
            here = [branch for branch in registered if branch.target == target.name and not branch.ended]
            lock = next(filter(None, (target.blocked(branch.session) for branch in here)), None)
            words = f"Target {target.name}:"
            if lock is not None:
                self._tell(task, f"{words} it waits for {lock}.")
            elif (task.waiting_for or "").startswith(words):
                self._tell(task, None)

    def sweep_tasks(self, mine: Callable[[Task], bool], beats: Unchanged, stops: Unchanged) -> None:
        """Take over from workers that are dead, or do not obey a stop. `beats` and `stops` are kept between sweeps."""
        failpoints.hit("sweep.before_dead")
        if not self._others_can_write():
            beats.restart()
        with self.ledger.read() as connection:
            active = tasks.in_states(connection, State.running, State.prepared, State.committing, State.aborting)
            clock = ledger_clock(connection)
        tasks_of_mine = sorted((task for task in active if mine(task)), key=_turn)
        down: set[str] = set()
        for task in tasks_of_mine:
            if down.isdisjoint(task.targets) and not self._tend(task, clock, beats, stops):
                down.update(task.targets[1:])
        names = {task.id for task in tasks_of_mine}
        beats.keep(names)
        stops.keep(names)

    def _others_can_write(self) -> bool:
        """Whether the ledger takes writes at once. Where it does not, healthy workers are silent too."""
        begun = time.monotonic()
        try:
            with self.ledger.write():
                return time.monotonic() - begun < self.lease_seconds / 2
        except LedgerUnavailable:
            return False

    def _tend(self, task: Task, clock: datetime, beats: Unchanged, stops: Unchanged) -> bool:
        """Do what the task needs; False where one of its targets does not answer.

        Whatever is in the way, a fault of our own too, is told with the task, and costs no other task its turn.
        """
        try:
            if task.state is State.prepared:
                self._release(task, clock)
            else:
                self._step(task, beats, stops)
        except Exception as error:
            problem = problem_of(error)
            if not isinstance(error, _NOT_YET):
                where = places(error)
                log.warning("sweep.undecided", task=task.id, attempt=task.attempt, error=problem.detail, where=where)
            self._tell(task, problem.detail)
            return not isinstance(error, TargetUnavailable)
        return True

    def _tell(self, task: Task, what: str | None) -> None:
        with suppress(LedgerUnavailable), self.ledger.write() as connection:
            transitions.wait_for(connection, task, what)

    def _release(self, task: Task, clock: datetime) -> None:
        """A held task that somebody wants stopped, or that nobody has committed in time; every other is looked at."""
        if not task.stop_requested and not held.over(task, clock):
            if self.recovery.watch(task) is None and task.waiting_for:
                self._tell(task, None)  # for a target that was away
            return
        log.info("sweep.releases", task=task.id, attempt=task.attempt, stop=task.stop_requested)
        self.recovery.release(task)

    def _step(self, task: Task, beats: Unchanged, stops: Unchanged) -> None:
        silent = beats.seconds(task.id, (task.state, task.attempt, task.beat)) >= self.lease_seconds
        # A rollback that comes on obeys: InnoDB's may take as long as the rows took to write.
        undoing = task.beat if task.state is State.aborting else None
        asked = stops.seconds(task.id, (task.attempt, task.stop_requested, undoing))
        dead = silent or worker_is_gone(task) or task.worker is None  # that of a held task has left it
        disobeys = task.stop_requested and asked >= STOP_SECONDS
        if not dead and not disobeys:
            return
        log.info("sweep.takes-over", task=task.id, attempt=task.attempt, state=task.state, dead=dead)
        match task.state:
            case State.running:
                self.recovery.take_over(task, lost=dead)
            case State.committing:
                self.recovery.commit(task)
            case _:
                self.recovery.abort(task)


def _turn(task: Task) -> tuple[bool, int]:
    """Those of one target first: they need nobody else, and a target that is down is to hold up nobody.

    Held ones last: they may be looked at for hours while a target is down.
    """
    return task.state is State.prepared and not task.stop_requested, len(set(task.targets))
