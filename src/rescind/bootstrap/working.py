"""The worker and the sweeper as processes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.signals import worker_init, worker_process_init, worker_shutting_down

from rescind.bootstrap.core import Core, check_before_forking, connected_celery, open_core, start
from rescind.broker.announcer import Announcer
from rescind.broker.command import run_worker as run_celery_worker
from rescind.broker.publisher import publisher
from rescind.ledger import migrate as migration
from rescind.ledger.engine import Ledger
from rescind.settings import Settings
from rescind.transaction.coordinator import Coordinator
from rescind.worker import guard
from rescind.worker.children import Leaving, set_up_child
from rescind.worker.run import Worker
from rescind.worker.sweeper import Sweeper

#: How long a thread keeps the interpreter from the others. With Python's 5 ms the one that feeds the database waited
#: for those that read and encode, and the database for it.
SWITCH_SECONDS = 0.0005
GUARD_BUSY_SECONDS = 1.0  #: forks wait for the guard while it is in the ledger


class Shift:
    """What a Celery worker holds for Rescind: the word to leave in the parent, a Worker in each child."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.leaving = Leaving()
        self.worker: Worker | None = None
        self.parent = os.getpid()

    def wake(self, hint: str) -> None:
        """The body of the only Celery task. The id is a hint: the ledger says which task is the best."""
        assert self.worker is not None
        self.worker.drain()

    def begin_parent(self, **_: Any) -> None:
        self.parent = os.getpid()
        start(self.settings, "worker")
        guard.start(lambda: Ledger(self.settings.ledger(), GUARD_BUSY_SECONDS))

    def begin_child(self, **_: Any) -> None:
        set_up_child(self.parent)
        sys.setswitchinterval(SWITCH_SECONDS)
        start(self.settings, "worker-child")
        core = open_core(self.settings)
        announcer = Announcer(publisher(connected_celery(self.settings)), _no_mark)
        self.worker = open_worker(core, announcer.announce, self.leaving)

    def leave(self, **_: Any) -> None:
        self.leaving.say()


def open_worker(core: Core, announce: Callable[[str], None], leaving: Callable[[], bool]) -> Worker:
    """A worker for this process."""
    return Worker(
        ledger=core.ledger,
        targets=core.targets,
        registry=core.registry,
        uploads=core.uploads,
        outputs=core.outputs,
        open_upload=core.open_upload,
        coordinator=Coordinator(core.ledger, core.targets, core.recovery()),
        announce=announce,
        leaving=leaving,
    )


def celery_app(settings: Settings) -> Celery:
    """The Celery application of a worker."""
    shift = Shift(settings)
    worker_init.connect(shift.begin_parent, weak=False)
    worker_process_init.connect(shift.begin_child, weak=False)
    worker_shutting_down.connect(shift.leave, weak=False)
    return connected_celery(settings, wake=shift.wake)


def run_worker(settings: Settings) -> int:
    """Run a Celery worker until SIGTERM; its exit status."""
    start(settings, "worker")
    check_before_forking(settings)
    return run_celery_worker(celery_app(settings), settings.worker_children)


def _no_mark(task_id: str) -> None:
    """A child that passes work on does not mark it: the sweeper may well announce it once more."""


def open_sweeper(core: Core) -> Sweeper:
    """A sweeper over every registered target."""
    return Sweeper(
        ledger=core.ledger,
        targets=core.targets,
        recovery=core.recovery(),
        forgetter=core.forgetter(),
        uploads=core.uploads,
        outputs=core.outputs,
        publish=publisher(connected_celery(core.settings)),
        lease_seconds=core.settings.lease_seconds,
        sweep_seconds=core.settings.sweep_seconds,
    )


def run_sweeper(settings: Settings) -> None:
    """Sweep until SIGTERM or SIGINT."""
    start(settings, "sweeper")
    core = open_core(settings)
    migration.check(core.ledger)
    sweeper = open_sweeper(core)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sweeper.ended.set())
    sweeper.run()
