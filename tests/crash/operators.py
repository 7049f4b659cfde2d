"""Runs in which somebody else acts on the databases: an operator by hand, a restored backup, another service."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.crash import traps
from tests.crash.processes import in_child
from tests.crash.run import Run, prepared, sweep, sweep_on, work
from tests.crash.scenario import Held, Scenario, Trap
from tests.crash.world import Contents, World

from rescind import failpoints
from rescind.domain.states import State
from rescind.ledger import incarnation

SWEEP_SECONDS = 0.5  #: some twenty sweeps


def restored(scenario: Scenario, world: World, *, declared: bool = False, dies: bool = False) -> list[str]:
    """The ledger is set back to before the task's attempt, which is prepared (held) or has committed by then.

    Nothing is rolled back, loaded again or committed by itself, whether or not the ledger is `declared` restored;
    nor when the next attempt `dies` before it has looked, so that its number is that of the forgotten one.
    """
    task_id = world.submit()
    _copy(world.file("ledger.db"), world.file("backup.db"))
    _child(world, partial(work, world, task_id, None))
    reached = world.ledger.where(task_id)
    listed, contents = _listed(world), world.contents()
    world.file("ledger.db").unlink()
    _copy(world.file("backup.db"), world.file("ledger.db"))
    if declared:
        with world.open() as parts, parts.ledger.write() as connection:
            incarnation.begin(connection, 1, 2, {})
    _child(world, partial(sweep_on, world, SWEEP_SECONDS))
    if dies:
        _child(world, partial(work, world, task_id, Trap("claim.after_commit")))
        _child(world, partial(sweep_on, world, SWEEP_SECONDS))
    _child(world, partial(work, world, task_id, None))
    _child(world, partial(sweep_on, world, SWEEP_SECONDS))
    found = []
    if reached is None or reached[0] is not (State.prepared if scenario.held else State.committed):
        found.append(f"restored: the attempt had come to {reached}")
    found += _left_alone(world, task_id, listed, contents)
    _end_by_hand(world, commit=False)
    return found


def restored_midway(scenario: Scenario, world: World) -> list[str]:
    """The ledger is set back to the running attempt, as it was before its decision: one branch has committed since.

    It is the last one, and the first is prepared still: whoever takes the branches back in their order comes to it
    before he sees the marker.
    """
    task_id = world.submit()
    _child(world, partial(_work_and_back_up, world))
    world.sites["other"].finish_by_hand(_ledger(world), commit=True)
    reached = world.ledger.where(task_id)
    listed, contents = _listed(world), world.contents()
    world.file("ledger.db").unlink()
    _copy(world.file("backup.db"), world.file("ledger.db"))
    back = world.ledger.where(task_id)
    _child(world, partial(sweep_on, world, SWEEP_SECONDS))
    found = []
    if reached is None or back is None or (reached[0], back[0]) != (State.committing, State.running):
        found.append(f"restored: the attempt had come to {reached}, the backup to {back}")
    found += _left_alone(world, task_id, listed, contents)
    _end_by_hand(world, commit=False)
    return found


def _work_and_back_up(world: World) -> None:
    """A worker that dies between its decision and its first commit; a backup is made before the decision."""
    with world.open() as parts:
        traps.arm(Trap("commit2p.before"), world, None)
        failpoints.arm("decide.before", partial(_copy, world.file("ledger.db"), world.file("backup.db")))
        parts.worker().drain()


def _left_alone(world: World, task_id: str, listed: list[str], contents: Contents) -> Iterator[str]:
    if (now := _listed(world)) != listed:
        yield f"restored: {listed} were prepared, now {now}"
    if world.contents() != contents:
        yield "restored: rows came or went by themselves"
    if (where := world.ledger.where(task_id)) is None or where[0] is not State.hazard:
        yield f"restored: the task is {where}, and nobody is called"


def by_hand(scenario: Scenario, world: World, *, commit: bool, answered: bool = True) -> list[str]:
    """An operator ends the last branch of a held task; then a person commits or stops it, or nobody does.

    What was rolled back can be taken back. What was committed before any decision is a hazard, and all stays as it is:
    also if a person's commit comes before the sweeper's next look.
    """
    task_id = world.submit()
    _child(world, partial(work, world, task_id, None))
    stopped = scenario.held is Held.stop
    first, *others = world.sites
    last = others[-1] if others else first
    world.sites[last].finish_by_hand(_ledger(world), commit=commit)
    listed = _listed(world)
    if answered:
        _child(world, partial(traps.request_stop if stopped else traps.commit, world, task_id))
    _child(world, partial(sweep, world, task_id, queued_is_rest=True))
    wanted = State.hazard if commit else State.stopped if stopped else State.failed
    after = world.before() | {last: world.after()[last]} if commit else world.before()
    found = []
    if (now := world.ledger.where(task_id)) is None or now[0] is not wanted:
        found.append(f"by hand: the task is {now} instead of {wanted}")
    if world.contents() != after:
        found.append("by hand: rows came or went by themselves")
    if _listed(world) != (listed if commit else []):
        found.append(f"by hand: {listed} were prepared, now {_listed(world)}")
    if commit and first != last:
        world.sites[first].finish_by_hand(_ledger(world), commit=False)
    return found


def neighbours(scenario: Scenario, world: World) -> list[str]:
    """Two services with two ledgers use one database: neither touches what is the other's."""
    directory = world.file("other")
    directory.mkdir()
    other = World(replace(scenario, held=None), directory, world.addresses, f"{world.tag}b", world.template)
    other.set_up()
    task_id = world.submit()
    _child(world, partial(work, world, task_id, None))  # it is held
    mine = _listed(world)
    found = [f"neighbours: {violation}" for violation in Run(other.scenario, other).go()[1]]
    _child(other, partial(sweep_on, other, SWEEP_SECONDS))
    if not mine or _listed(world) != mine:
        found.append(f"neighbours: {mine} were prepared, now {_listed(world)}")
    _child(world, partial(traps.commit, world, task_id))
    _child(world, partial(sweep, world, task_id, queued_is_rest=True))
    # The tag of the first is the beginning of the second's: its own table is looked at alone.
    if world.contents()["default"][world.table] != world.after()["default"][world.table]:
        found.append("neighbours: the held task's rows are not there")
    other.clean()
    return found


STORIES: dict[str, Callable[[Scenario, World], list[str]]] = {
    "restored": restored,
    "restored, and its first worker dies": partial(restored, dies=True),
    "restored to its running attempt": restored_midway,
    "restored, and declared so": partial(restored, declared=True),
    "committed by hand": partial(by_hand, commit=True),
    "rolled back by hand": partial(by_hand, commit=False),
    "committed by hand, and nobody answers": partial(by_hand, commit=True, answered=False),
    "rolled back by hand, and nobody answers": partial(by_hand, commit=False, answered=False),
    "neighbours": neighbours,
}


def _child(world: World, act: Callable[[], None]) -> None:
    in_child(world.file("log"), partial(prepared, world.scenario, "story", act))


def _listed(world: World) -> list[str]:
    ledger = _ledger(world)
    return [name for site in world.sites.values() for name in site.prepared(ledger)]


def _end_by_hand(world: World, *, commit: bool) -> None:
    for site in world.sites.values():
        site.finish_by_hand(_ledger(world), commit=commit)


def _ledger(world: World) -> str:
    with world.open() as parts:
        return parts.ledger.identity()[0]


def _copy(source: Path, to: Path) -> None:
    """A backup of an SQLite file, whatever is in its log."""
    for name in ("-wal", "-shm"):
        to.with_name(to.name + name).unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(source, to)
