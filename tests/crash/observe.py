"""Finding the facts of a run after it, from fresh connections."""

from __future__ import annotations

from sqlalchemy import select
from tests.crash.modes import FAILING, FILING, MODES
from tests.crash.observed import BranchSeen, Contents, MarkerSeen, Observed
from tests.crash.scenario import Act, Held, Job
from tests.crash.sites import BEFORE
from tests.crash.traps import lines
from tests.crash.world import Parts, World

from rescind.domain.states import State
from rescind.domain.task import Task
from rescind.errors import NoOutput, NotCommitted
from rescind.ledger import events, tables, tasks, uploads
from rescind.ledger.engine import now
from rescind.targets.target import Target
from rescind.testing.memory.faults import Fault


def observe(world: World, task_id: str, committing: list[BranchSeen], alive: list[str]) -> Observed:
    """Look at everything, by connections opened for it."""
    with world.open() as parts:
        with parts.ledger.read() as connection:
            task = tasks.get(connection, task_id)
            history = events.of_task(connection, task_id)
        assert task is not None
        ledger = parts.ledger.identity()[0]
        there = _upload_there(world, parts, task) if world.uploads else None
        return Observed(
            state=task.state,
            attempt=task.attempt,
            events=tuple((event.kind, event.attempt) for event in history),
            stops=tuple(lines(world.file("stops"))),
            markers=tuple(marker for target in parts.targets.values() for marker in _markers(target, ledger, task_id)),
            prepared=_prepared(world, parts, ledger),
            committing=tuple(committing),
            before=world.before(),
            after=world.after(),
            tables=world.contents(),
            targets=task.targets,
            rows=world.rows(),
            checksum=world.checksum(task.args, _digests(parts, task)),
            receipt=task.receipt,
            may_end=_may_end(world),
            one_phase=world.scenario.one_phase,
            upload_there=there,
            task_id=task_id,
            files=_files(world, parts),
            file_bytes=world.file_bytes(),
            left_out=MODES[world.scenario.job].left_out or None if world.scenario.job in MODES else None,
            counts=world.counts(),
            told=len(BEFORE) if world.scenario.job is Job.export else None,
            waits=tuple(wait for site in world.sites.values() for wait in site.waits(world.table)),
            alive=tuple(alive),
            finished=task.finished_at is not None,
            problem=task.problem.code if task.problem else None,
        )


def sample(world: World, task_id: str) -> list[BranchSeen]:
    """The two-phase branches of a task that is `committing`; empty if it is not, or not any more."""
    with world.open() as parts:
        before = _task(parts, task_id)
        if before.state is not State.committing:
            return []
        ledger = _ledger_id(parts)
        found = []
        for number, name in enumerate(before.targets):
            if name in world.scenario.two_phase:
                # List first: a branch that commits in between is then seen as marked, not as lost.
                listed = {(b.attempt, b.branch) for b in parts.targets[name].list_prepared(ledger) if b.task == task_id}
                marked = {(m.attempt, m.branch) for m in _markers(parts.targets[name], ledger, task_id)}
                key = before.attempt, number
                found.append(BranchSeen(*key, listed=key in listed, marked=key in marked))
        after = _task(parts, task_id)
        return found if after.state in (State.committing, State.committed) and after.attempt == before.attempt else []


def seen(world: World) -> list[Contents]:
    """What everybody sees in the user's table, where a load in a mode changes it."""
    if world.scenario.job not in MODES:
        return []
    return [{target: {world.table: tables[world.table]} for target, tables in world.contents().items()}]


def served(world: World, task_id: str) -> list[str]:
    """The state of the task, if a file of it is given out now."""
    if world.scenario.job not in FILING:
        return []
    with world.open() as parts:
        task = _task(parts, task_id)
        try:
            parts.outputs.open(task, parts.outputs.find(task)).close()
        except (NotCommitted, NoOutput):
            return []
        return [str(task.state)]


def _ledger_id(parts: Parts) -> str:
    """Without writing: a process that hangs may hold the ledger's lock, and only this one will wake it."""
    with parts.ledger.read() as connection:
        return str(connection.exec_driver_sql("SELECT ledger FROM identity").scalar_one())


def _task(parts: Parts, task_id: str) -> Task:
    with parts.ledger.read() as connection:
        task = tasks.get(connection, task_id)
    assert task is not None
    return task


def _markers(target: Target, ledger: str, task_id: str) -> list[MarkerSeen]:
    return [
        MarkerSeen(target.name, m.branch.attempt, m.branch.branch, str(m.kind), m.rows, m.checksum)
        for m in target.markers(ledger, task_id)
    ]


def _prepared(world: World, parts: Parts, ledger: str) -> tuple[str, ...]:
    """As Rescind lists them, and as the database does."""
    ours = {str(branch) for target in parts.targets.values() for branch in target.list_prepared(ledger)}
    return tuple(sorted(ours)) or tuple(name for site in world.sites.values() for name in site.prepared(ledger))


def _may_end(world: World) -> frozenset[str]:
    """How this task ends if nobody stops it: rightly, not somehow."""
    scenario = world.scenario
    broken = scenario.fault is not None and scenario.fault.fault == Fault.hollow  #: a transaction that is not there
    if scenario.job in FAILING or broken:
        return frozenset({State.failed})
    if scenario.dry_run:
        right = State.checked
    else:
        ends = {None: State.committed, Held.commit: State.committed, Held.stop: State.stopped}
        right = ends.get(scenario.held, State.failed)
    changed = any(t.point == "upload.changed_file" and t.act is Act.fail for t in scenario.traps())
    return frozenset({State.failed, right} if changed else {right})  # another process may fall before it comes there


def _digests(parts: Parts, task: Task) -> list[str]:
    """The upload's digest as it was received. It stands in the ledger even when the bytes are gone."""
    if (upload := task.args.get("upload")) is None:
        return []
    with parts.ledger.read() as connection:
        return [connection.execute(select(tables.upload.c.sha256).where(tables.upload.c.id == upload)).scalar_one()]


def _files(world: World, parts: Parts) -> dict[str, bytes]:
    """What outlives a sweep."""
    parts.outputs.sweep(now())
    return {path.name: path.read_bytes() for path in world.file("outputs").glob("*")}


def _upload_there(world: World, parts: Parts, task: Task) -> bool:
    """Whether the bytes outlive a sweep, in the ledger and on disk alike."""
    parts.uploads.sweep(now())
    upload = str(task.args["upload"])
    with parts.ledger.read() as connection:
        known = uploads.get(connection, upload)
    on_disk = (world.file("uploads") / upload).exists()
    assert (known is not None) == on_disk, (known, on_disk)
    return on_disk
