"""What an operator does: migrate, recover, look at the targets, delete what is past its time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

from rescind.bootstrap.core import Core, connected_celery, open_core, start
from rescind.bootstrap.readiness import in_a_missing_home
from rescind.bootstrap.working import open_sweeper
from rescind.domain.task import Task
from rescind.errors import RescindError
from rescind.ledger import branches as ledger_branches
from rescind.ledger import migrate as migration
from rescind.ledger.engine import Ledger, now
from rescind.settings import Settings
from rescind.targets.capabilities import Capabilities
from rescind.targets.registry import open_targets
from rescind.telemetry import logs
from rescind.transaction import selftest
from rescind.transaction.operator import Operator
from rescind.transaction.selftest import Step
from rescind.transaction.situation import Observer
from rescind.worker.lease import Unchanged, worker_is_gone

Card = Capabilities | RescindError


def migrate(settings: Settings) -> None:
    """Bring the ledger to this version, and set every target up that was not used before.

    One that was used is only looked at: if its file is missing now, a disk is not mounted, and an empty file in
    its place would prove that committed work never happened.
    """
    # `up` begins with this: a broker that no process could use is refused before they start.
    connected_celery(settings)
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


def cards(settings: Settings) -> dict[str, Card]:
    """What each target can do, or why it does not say."""
    found: dict[str, Card] = {}
    with closing(open_targets(settings.target_urls(), settings.two_phase, settings.lock_seconds)) as targets:
        for name, target in targets.items():
            if name in in_a_missing_home(settings):
                continue
            try:
                found[name] = target.capabilities()
            except RescindError as error:
                found[name] = error
    return found


def self_test(settings: Settings, target: str) -> Iterator[Step]:
    """Prove two-phase commit on that target's server, step by step."""
    url = settings.target_urls()[target]
    return selftest.run(lambda: open_targets({target: url}, settings.two_phase, settings.lock_seconds)[target])


def purge(settings: Settings) -> dict[str, int]:
    """Delete what is past its retention; how many of each."""
    with closing(open_core(settings)) as core:
        migration.check(core.ledger)
        tasks = core.forgetter().forget(now())
        return {"uploads": core.uploads.sweep(now()), "tasks": tasks, "outputs": core.outputs.sweep(now())}
