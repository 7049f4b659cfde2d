"""The only place where parts are wired together.

Nothing that is opened here may be carried over a fork: each process opens its own `Core`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.signals import worker_init, worker_process_init, worker_shutting_down

from rescind import failpoints
from rescind.api.application import create_app
from rescind.api.looks import Looks
from rescind.api.server import serve
from rescind.api.services import Services
from rescind.broker.announcer import Announcer
from rescind.broker.application import make_celery
from rescind.broker.command import run_worker as run_celery_worker
from rescind.broker.publisher import ping, publisher
from rescind.domain.task import Task
from rescind.domain.upload import Upload
from rescind.errors import ConfigurationError, RescindError
from rescind.ledger import branches as ledger_branches
from rescind.ledger import migrate as migration
from rescind.ledger import transitions
from rescind.ledger.engine import Ledger, now
from rescind.readers.reader import Reader, Source
from rescind.readers.registry import open_reader
from rescind.settings import DEFAULT_TARGET, Settings
from rescind.targets.capabilities import Capabilities
from rescind.targets.registry import TargetRegistry, open_targets
from rescind.tasks.registry import TaskRegistry
from rescind.tasks.submission import Submission
from rescind.telemetry import logs
from rescind.transaction import selftest
from rescind.transaction.coordinator import Coordinator
from rescind.transaction.forget import Forgetter
from rescind.transaction.operator import Operator
from rescind.transaction.recovery import Recovery
from rescind.transaction.selftest import Step
from rescind.transaction.situation import Observer
from rescind.uploads.outputs import OutputStore
from rescind.uploads.store import UploadStore
from rescind.worker import guard
from rescind.worker.children import Leaving, set_up_child
from rescind.worker.lease import Unchanged, worker_is_gone
from rescind.worker.run import Worker
from rescind.worker.sweeper import Sweeper

if TYPE_CHECKING:
    from flask import Flask

GUARD_BUSY_SECONDS = 1.0  #: forks wait for the guard while it is in the ledger


@dataclass(frozen=True)
class Core:
    """What every kind of process needs."""

    settings: Settings
    ledger: Ledger
    targets: TargetRegistry
    registry: TaskRegistry
    uploads: UploadStore

    def close(self) -> None:
        """Let go of every connection."""
        self.targets.close()
        self.ledger.close()

    @property
    def outputs(self) -> OutputStore:
        return OutputStore(self.settings.outputs_directory(), self.ledger, self.settings.output_days)

    def recovery(self) -> Recovery:
        return Recovery(self.ledger, self.targets)

    def forgetter(self) -> Forgetter:
        return Forgetter(self.ledger, self.targets, self.settings.task_days)

    def open_upload(self, upload: Upload, check: Callable[[], None]) -> Reader:
        source = Source(
            self.uploads.path(upload),
            self.settings.max_record_bytes,
            self.settings.max_expanded_bytes,
            name=upload.filename,
            media_type=upload.content_type,
        )
        return open_reader(source, check)


def open_core(settings: Settings) -> Core:
    """Open the ledger and the targets. Raises ConfigurationError; connects to nothing yet."""
    ledger = Ledger(settings.ledger())
    uploads = UploadStore(
        settings.uploads_directory(), ledger, settings.max_upload_bytes, keep_days=settings.upload_days
    )
    registry = TaskRegistry(settings.tasks, settings.max_generate_rows)
    return Core(settings, ledger, open_targets(settings.target_urls(), settings.two_phase), registry, uploads)


def _celery(settings: Settings, wake: Callable[[str], None] | None = None) -> Celery:
    return make_celery(settings.broker(), settings.home, queue_type=settings.broker_queue, wake=wake)


def start(settings: Settings, process: str) -> None:
    """What each process does first: its log, and the failpoints that a test may have armed."""
    logs.configure(settings.log_level, settings.log_json, process)
    failpoints.arm_from_environment()


def migrate(settings: Settings) -> None:
    """Bring the ledger to this version, and set every target up that was not used before.

    One that was used is only looked at: if its file is missing now, a disk is not mounted, and an empty file in
    its place would prove that committed work never happened.
    """
    _celery(settings)  # `up` begins with this: a broker that no process could use is refused before they start
    with closing(open_core(settings)) as core:
        migration.migrate(core.ledger)
        for target in core.targets.values():
            try:
                if _used(core.ledger, target.name):
                    target.preflight()
                else:
                    target.set_up()
            except RescindError as error:
                logs.log.warning("migrate.target", target=target.name, error=str(error))


def _used(ledger: Ledger, target: str) -> bool:
    with ledger.read() as connection:
        return ledger_branches.used(connection, target)


@contextmanager
def operator(settings: Settings, name: str, *, dry_run: bool = False) -> Iterator[Operator]:
    """What an operator recovers with; `name` is who it is. Log lines go to standard error."""
    start(settings, "recover")
    with closing(open_core(settings)) as core:
        migration.check(core.ledger)
        observer = Observer(core.ledger, core.targets, _worker_left, settings.lease_seconds)
        yield Operator(observer, partial(_sweep_once, core), name, dry_run)


def _worker_left(task: Task) -> bool:
    return task.worker is None or worker_is_gone(task)


def _sweep_once(core: Core) -> None:
    sweeper = open_sweeper(core)
    sweeper.stop_queued()
    sweeper.announce()
    for target in core.targets.values():
        try:
            sweeper.sweep_target(target, Unchanged(), Unchanged())
        except RescindError as error:
            logs.log.warning("sweep.failed", target=target.name, error=str(error))


Card = Capabilities | RescindError


def cards(settings: Settings) -> dict[str, Card]:
    """What each target can do, or why it does not say."""
    found: dict[str, Card] = {}
    with closing(open_targets(settings.target_urls(), settings.two_phase)) as targets:
        for name, target in targets.items():
            if name in _in_a_missing_home(settings):
                continue
            try:
                found[name] = target.capabilities()
            except RescindError as error:
                found[name] = error
    return found


def self_test(settings: Settings, target: str) -> Iterator[Step]:
    """Prove two-phase commit on that target's server, step by step."""
    url = settings.target_urls()[target]
    return selftest.run(lambda: open_targets({target: url}, settings.two_phase)[target])


def purge(settings: Settings) -> dict[str, int]:
    """Delete what is past its retention; how many of each."""
    with closing(open_core(settings)) as core:
        migration.check(core.ledger)
        tasks = core.forgetter().forget(now())
        return {"uploads": core.uploads.sweep(now()), "tasks": tasks, "outputs": core.outputs.sweep(now())}


# --- the API --------------------------------------------------------------------------------------------------


def api_app(settings: Settings) -> Flask:
    """The WSGI application. Make it in the process that serves it."""
    core = open_core(settings)
    migration.check(core.ledger)
    celery = _celery(settings)
    announcer = Announcer(publisher(celery), partial(_mark_announced, core.ledger))
    return create_app(
        Services(
            settings=settings,
            ledger=core.ledger,
            targets=core.targets,
            registry=core.registry,
            uploads=core.uploads,
            outputs=core.outputs,
            submission=Submission(core.ledger, core.registry, announcer.announce),
            readiness=partial(_soon_ready, Looks(), core, celery),
            broker_trouble=lambda: announcer.trouble,
        )
    )


def run_api(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT."""
    start(settings, "api")
    _check_before_forking(settings)
    serve(partial(api_app, settings), settings.host, settings.port, settings.api_threads)
    return 0


def _check_before_forking(settings: Settings) -> None:
    """What a child could only fail at. The connection is closed again, since a child must not inherit it."""
    TaskRegistry(settings.tasks, settings.max_generate_rows)
    with closing(Ledger(settings.ledger())) as ledger:
        migration.check(ledger)


def _soon_ready(looks: Looks, core: Core, celery: Celery) -> dict[str, str | None]:
    """Each part's reason for not being ready, or None, in a short time."""
    return looks.reasons(_readiness(core, celery))


def _readiness(core: Core, celery: Celery) -> dict[str, Callable[[], str | None]]:
    """How each part is asked why it is not ready."""
    checks: dict[str, Callable[[], Any]] = {
        "ledger": partial(migration.check, core.ledger),
        "broker": partial(ping, celery)
        if core.settings.broker()
        else partial(_writable, core.settings.home / "broker"),
        "uploads": partial(_writable, core.settings.uploads_directory()),
    }
    checks |= {f"target:{name}": target.preflight for name, target in core.targets.items()}
    return {part: partial(_reason, check) for part, check in checks.items()}


def checks(settings: Settings) -> dict[str, str | None]:
    """Each part's reason for not being ready, or None, however long it takes to answer.

    Before the first start it is asked of what lies outside the home whether it answers, and nothing is made.
    """
    with closing(open_core(settings)) as core:
        parts = _readiness(core, _celery(settings)) if settings.home.exists() else _outside(core, _celery(settings))
        return {part: reason() for part, reason in parts.items()}


def _outside(core: Core, celery: Celery) -> dict[str, Callable[[], str | None]]:
    """Targets are not registered yet, and the ledger may have no tables: both are the first start's to make."""
    inside = _in_a_missing_home(core.settings)
    checks: dict[str, Callable[[], Any]] = {}
    if core.settings.ledger_url:
        checks["ledger"] = partial(migration.answer, core.ledger)
    if core.settings.broker():
        checks["broker"] = partial(ping, celery)
    checks |= {f"target:{name}": target.capabilities for name, target in core.targets.items() if name not in inside}
    return {part: partial(_reason, check) for part, check in checks.items()}


def _in_a_missing_home(settings: Settings) -> frozenset[str]:
    """The targets whose file the first start would make."""
    missing = settings.database_url is None and not settings.home.exists()
    return frozenset([DEFAULT_TARGET]) if missing else frozenset()


def _reason(check: Callable[[], Any]) -> str | None:
    try:
        check()
    except (RescindError, OSError) as error:
        return str(error)
    return None


def _writable(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigurationError(f"The directory {directory} cannot be written to.")


def _mark_announced(ledger: Ledger, task_id: str) -> None:
    with ledger.write() as connection:
        transitions.mark_announced(connection, task_id)


# --- the worker -----------------------------------------------------------------------------------------------


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
        start(self.settings, "worker-child")
        core = open_core(self.settings)
        announcer = Announcer(publisher(_celery(self.settings)), _no_mark)
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
    return _celery(settings, wake=shift.wake)


def run_worker(settings: Settings) -> int:
    """Run a Celery worker until SIGTERM; its exit status."""
    start(settings, "worker")
    _check_before_forking(settings)
    return run_celery_worker(celery_app(settings), settings.worker_children)


def _no_mark(task_id: str) -> None:
    """A child that passes work on does not mark it: the sweeper may well announce it once more."""


# --- the sweeper ----------------------------------------------------------------------------------------------


def open_sweeper(core: Core) -> Sweeper:
    """A sweeper over every registered target."""
    return Sweeper(
        ledger=core.ledger,
        targets=core.targets,
        recovery=core.recovery(),
        forgetter=core.forgetter(),
        uploads=core.uploads,
        outputs=core.outputs,
        publish=publisher(_celery(core.settings)),
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
