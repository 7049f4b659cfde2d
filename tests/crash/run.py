"""One run: submit, kill, recover until the task rests, and look."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from tests.crash import mutants, traps
from tests.crash.deaths import Deaths
from tests.crash.invariants import violations
from tests.crash.observe import observe, sample, seen, served
from tests.crash.observed import BranchSeen, Contents, Observed
from tests.crash.processes import END_SECONDS, Process, fork, wait_for
from tests.crash.scenario import Held, Scenario, Trap, Wake
from tests.crash.world import World
from tests.support.servers.server import Server

from rescind.domain.states import DONE, State
from rescind.ledger import tasks
from rescind.telemetry import logs

REST_SECONDS = 25.0  #: a task that has not come to rest by then is stuck
SETTLED_SECONDS = 0.5  #: what a recoverer that was woken has done by then
UNDECIDED = frozenset({State.queued, State.running, State.prepared})
PASS_SECONDS = 0.3  #: how long the last sweep goes on where branches can appear late


@dataclass
class Run:
    """A run under way. All processes are children of this one, which opens nothing while it forks."""

    scenario: Scenario
    world: World
    servers: Mapping[str, Server] = field(default_factory=dict)  #: the runner's own, to be killed
    task_id: str = ""
    processes: list[Process] = field(default_factory=list)
    committing: list[BranchSeen] = field(default_factory=list)
    seen: list[Contents] = field(default_factory=list)
    seen_early: list[Contents] = field(default_factory=list)
    served: list[str] = field(default_factory=list)
    alive: list[str] = field(default_factory=list)
    hung_since: dict[int, tuple[float, State, int]] = field(default_factory=dict)
    answered: bool = False  #: a person has answered the held task

    def __post_init__(self) -> None:
        self.deaths = Deaths(self.world, self.servers, self.scenario.deaths)

    def go(self) -> tuple[Observed, list[str]]:
        """What was found, and every violation."""
        self.task_id = self.task_id or self.world.submit()
        try:
            self._begin()
            if not wait_for(self._rested, REST_SECONDS * (3 if self.scenario.outages else 1)):
                self.alive.append(f"the task ({self.world.ledger.where(self.task_id)})")
            self.deaths.over()
            self._end()
        finally:
            for process in self.processes:
                process.end()
        observed = observe(self.world, self.task_id, self.committing, self.alive)
        seen_early, served = tuple(self.seen_early), tuple(self.served)
        observed = replace(observed, seen=tuple(self.seen), seen_early=seen_early, served=served)
        return observed, violations(observed)

    def _begin(self) -> None:
        scenario = self.scenario
        for _ in range(scenario.beside):
            self._fork("sweeper", partial(_sweep, self.world, self.task_id, None, queued_is_rest=False))
        self._traps = iter(scenario.workers)
        self._recoverer_traps = iter(scenario.recoverers)
        for _ in range(scenario.together):
            self._worker()
        if scenario.pause_after is not None:
            time.sleep(scenario.pause_after)
            next(p for p in self.processes if p.name == "worker").signal(signal.SIGSTOP)
        if scenario.stop_after is not None:
            time.sleep(scenario.stop_after)
            self._fork("person", partial(traps.request_stop, self.world, self.task_id))

    def _rested(self) -> bool:
        """Take one look; start whom the task needs next. True once it has ended."""
        self.deaths.look()
        for process in self.processes:
            process.look()
        where = self.world.ledger.where(self.task_id)
        if where is None:
            return False
        state, attempt = where
        self._wake(state, attempt)
        if state is State.prepared and not self.answered:
            self._answer()
        if state not in DONE and not any(p.at_work and p.name != "sweeper" for p in self.processes):
            self._next(state, attempt)
        return state in DONE and (self.scenario.wake is not Wake.ended or not self._at_work())

    def _at_work(self) -> bool:
        return any(process.at_work for process in self.processes)

    def _next(self, state: State, attempt: int) -> None:
        """Nobody but sweepers beside is at work: start whom that state needs."""
        if not self._looking_would_fail():
            self.committing += sample(self.world, self.task_id) if state is State.committing else ()
            looked = seen(self.world)
            self.seen += looked
            undecided = state in UNDECIDED and self.world.ledger.where(self.task_id) == (state, attempt)
            self.seen_early += looked if undecided else ()
        with mutants.applied(self.scenario.mutant):
            self.served += served(self.world, self.task_id)
        if state is State.queued:
            if self.scenario.outages and not self._at_work():
                # MariaDB killed after its answer to XA ROLLBACK may list the branch again, which holds its locks: as in
                # service a sweeper is there beside the next worker, and takes it back once more.
                self._fork("sweeper", partial(_sweep, self.world, self.task_id, None, queued_is_rest=False))
            self._worker()
        elif not self._at_work():
            trap = next(self._recoverer_traps, None)
            self._fork("recoverer", partial(_sweep, self.world, self.task_id, trap, queued_is_rest=True))

    def _answer(self) -> None:
        """A person commits or stops the held task, or does neither."""
        self.answered = True
        act = {Held.commit: traps.commit, Held.stop: traps.request_stop}.get(self.scenario.held or Held.expiry)
        if act is not None:
            self._fork("person", partial(act, self.world, self.task_id))

    def _looking_would_fail(self) -> bool:
        """Where a server is about to fail, or may die, a look at it proves nothing."""
        fault = self.scenario.fault
        return self.scenario.outages or (fault is not None and fault.verb in ("list_prepared", "read_markers"))

    def _wake(self, state: State, attempt: int) -> None:
        for process in self.processes:
            if not process.hung:
                continue
            hung = self.hung_since.setdefault(process.pid, (time.monotonic(), state, attempt))
            if self._due(process, hung, (state, attempt)):
                process.wake()

    def _due(self, process: Process, hung: tuple[float, State, int], now: tuple[State, int]) -> bool:
        """Whether a process that hangs since then is to go on."""
        seconds, (state, attempt) = time.monotonic() - hung[0], now
        taken_over = now != hung[1:]
        is_worker = process.name == "worker"
        others = {other.name for other in self.processes if other.hung}
        settled = "recoverer" not in others and seconds > SETTLED_SECONDS
        due = {
            Wake.taken_over: taken_over,
            Wake.recovery_hangs: taken_over or (is_worker and "recoverer" in others),
            Wake.worker_hangs: settled if is_worker else "worker" in others,
            Wake.retried: attempt > hung[2] or state in DONE,
            Wake.ended: state in DONE and not self._at_work(),
        }[self.scenario.wake]
        return due or seconds > self.scenario.lease_seconds + self.scenario.hang_seconds

    def _end(self) -> None:
        """Let everybody come to an end; then one more sweep, for what landed late."""
        for process in self.processes:
            process.wake()
        if not wait_for(self._all_gone, END_SECONDS):
            self.alive += [p.name for p in self.processes if p.code is None]
        self.deaths.over()
        self.world.calm()
        if self.scenario.fault is not None and self.scenario.two_phase:
            self._fork("recoverer", partial(sweep_on, self.world, PASS_SECONDS))
            wait_for(self._all_gone, END_SECONDS)

    def _all_gone(self) -> bool:
        self.deaths.look()  # a trap at the very end, when the task rests already, waits for its server's death
        for process in self.processes:
            process.look()
            process.wake()
        return all(process.code is not None for process in self.processes)

    def _worker(self) -> None:
        trap = next(self._traps, None)
        self._fork("worker", partial(work, self.world, self.task_id, trap))

    def _fork(self, name: str, act: Callable[[], None]) -> None:
        self.processes.append(fork(name, partial(prepared, self.scenario, name, act), self.world.file("log")))


def prepared(scenario: Scenario, name: str, act: Callable[[], None]) -> None:
    logs.configure("INFO", json=True, process=f"{name}-{os.getpid()}")
    mutants.apply(scenario.mutant)
    act()


def work(world: World, task_id: str, trap: Trap | None) -> None:
    """A worker: claim and run until nothing is left."""
    with world.open() as parts:
        traps.arm(trap, world, task_id)
        try:
            parts.worker().drain()
        except Exception as error:
            logs.log.warning("worker.raised", error=repr(error))
            if world.scenario.lingers:
                # A pool's child outlives an error in its task: its process is no proof of a dead attempt.
                wait_for(lambda: not _running(parts.ledger, task_id), END_SECONDS)


def _running(ledger: Any, task_id: str) -> bool:
    with ledger.read() as connection:
        task = tasks.get(connection, task_id)
    return task is not None and task.state is State.running


def _sweep(world: World, task_id: str, trap: Trap | None, *, queued_is_rest: bool) -> None:
    traps.arm(trap, world, task_id)
    sweep(world, task_id, queued_is_rest=queued_is_rest)


def sweep(world: World, task_id: str, *, queued_is_rest: bool) -> None:
    """The sweeper as it is, until the task rests."""
    looker = world.look_at_ledger()
    with world.open() as parts:
        sweeper = parts.sweeper(world.scenario.lease_seconds)

        def watch() -> None:
            def rests() -> bool:
                where = looker.where(task_id)
                return where is not None and (where[0].done or (queued_is_rest and where[0] is State.queued))

            wait_for(rests, REST_SECONDS)
            sweeper.ended.set()

        watcher = threading.Thread(target=watch)
        watcher.start()
        sweeper.run()
        watcher.join()
    looker.close()


def sweep_on(world: World, seconds: float) -> None:
    with world.open() as parts:
        sweeper = parts.sweeper(world.scenario.lease_seconds)
        timer = threading.Timer(seconds, sweeper.ended.set)
        timer.start()
        sweeper.run()
