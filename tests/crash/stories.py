"""Runs about what lies before a task's first attempt and after its end: each returns the violations it saw."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from functools import partial
from typing import Any

from tests.crash import operators, traps
from tests.crash.processes import END_SECONDS, in_child
from tests.crash.run import Run
from tests.crash.scenario import Act, Scenario, Trap
from tests.crash.traps import lines, note
from tests.crash.world import World

from rescind.broker.announcer import Announcer
from rescind.errors import UploadIncomplete, UploadStorageFull
from rescind.ledger import tasks, transitions
from rescind.ledger.engine import now
from rescind.tasks.submission import Key

KEY = Key("once", "0" * 64)
COMMITTED_POINTS = ("submit.after_commit", "submit.before_reply")


def tell(scenario: Scenario, world: World) -> list[str]:
    """Run the scenario's story."""
    assert scenario.story is not None
    return STORIES[scenario.story](scenario, world)


def _submit(scenario: Scenario, world: World) -> list[str]:
    """The API dies while it submits; its client sends the request again with the same Idempotency-Key."""
    trap = _trap(scenario)
    in_child(world.file("log"), partial(_trapped, world, trap, partial(_submit_and_note, world)))
    first = _tasks(world)
    wanted = 1 if trap.point in COMMITTED_POINTS else 0
    found = [] if len(first) == wanted else [f"submit: {len(first)} tasks after the crash instead of {wanted}"]
    for _ in range(2):
        in_child(world.file("log"), partial(_submit_and_note, world))
    answered = set(lines(world.file("ids")))
    after = _tasks(world)
    if len(after) != 1 or answered != set(after) or not set(first) <= set(after):
        found.append(f"submit: {first} before, {after} after the same request, answered {answered}")
    return found + Run(scenario, world, task_id=after[0]).go()[1]


def _upload(scenario: Scenario, world: World) -> list[str]:
    """The API dies while it receives, or its disk is full: no task, no bytes that look whole."""
    trap = _trap(scenario)

    def receive() -> None:
        try:
            world.submit()
        except (UploadIncomplete, UploadStorageFull) as error:
            note(world.file("refused"), error.code)

    in_child(world.file("log"), partial(_trapped, world, trap, receive))
    whole = [path.name for path in world.file("uploads").glob("*") if path.suffix != ".part"]
    found = [f"upload: {whole} look whole"] if whole else []
    if _tasks(world):
        found.append("upload: a task was made of half a file")
    if trap.act is Act.fail and not lines(world.file("refused")):
        found.append("upload: the error was not told")
    return found + Run(scenario, world, task_id=world.submit()).go()[1]


def _announce(scenario: Scenario, world: World) -> list[str]:
    """A process dies while it announces: the next sweep wakes a worker all the same."""
    task_id = world.submit()
    trap = _trap(scenario)
    act = _sweep_once if trap.point.startswith("sweep.") else _announce_once
    in_child(world.file("log"), partial(_trapped, world, trap, partial(act, world, task_id)))
    _age_announcement(world)
    in_child(world.file("log"), partial(_sweep_once, world, task_id))
    found = [] if task_id in lines(world.file("published")) else ["announce: nobody was told of the task"]
    return found + Run(scenario, world, task_id=task_id).go()[1]


def _forget(scenario: Scenario, world: World) -> list[str]:
    """Forgetting dies half-way: afterwards row and markers are gone, and the user's rows are not."""
    run = Run(scenario, world, task_id=world.submit())
    observed, found = run.go()
    in_child(world.file("log"), partial(_trapped, world, _trap(scenario), partial(_forget_all, world)))
    in_child(world.file("log"), partial(_forget_all, world))
    with world.open() as parts:
        with parts.ledger.read() as connection:
            if tasks.get(connection, run.task_id) is not None:
                found.append("forget: the task is still there")
            if connection.exec_driver_sql("SELECT count(*) FROM forgotten").scalar_one():
                found.append("forget: markers are still to be deleted")
        ledger = parts.ledger.identity()[0]
        if any(target.markers(ledger, run.task_id) for target in parts.targets.values()):
            found.append("forget: markers are left")
        if world.contents() != observed.tables:
            found.append("forget: the user's rows have changed")
    return found


def _output(scenario: Scenario, world: World) -> list[str]:
    """Sweeping dies before a file goes: the next sweep takes it."""
    _, found = Run(scenario, world, task_id=world.submit()).go()
    in_child(world.file("log"), partial(_trapped, world, _trap(scenario), partial(_sweep_files, world)))
    if len([*world.file("outputs").iterdir()]) != 1:
        found.append("output: the file was not there when the sweep died")
    in_child(world.file("log"), partial(_sweep_files, world))
    return found + [f"output: {path.name} is left" for path in world.file("outputs").iterdir()]


STORIES: dict[str, Callable[[Scenario, World], list[str]]] = {
    "submit": _submit,
    "upload": _upload,
    "announce": _announce,
    "forget": _forget,
    "output": _output,
} | operators.STORIES


def _trap(scenario: Scenario) -> Trap:
    assert scenario.trap is not None
    return scenario.trap


def _trapped(world: World, trap: Trap, act: Callable[[], None]) -> None:
    traps.arm(trap, world, None)
    act()


def _submit_and_note(world: World) -> None:
    note(world.file("ids"), world.submit(KEY))


def _announce_once(world: World, task_id: str) -> None:
    with world.open() as parts:

        def mark(announced: str) -> None:
            with parts.ledger.write() as connection:
                transitions.mark_announced(connection, announced)

        announcer = Announcer(partial(note, world.file("published")), mark)
        announcer.announce(task_id)
        announcer.close(END_SECONDS)


def _sweep_once(world: World, task_id: str) -> None:
    with world.open() as parts:
        parts.sweeper(1.0, publish=partial(note, world.file("published"))).announce()


def _forget_all(world: World) -> None:
    with world.open() as parts:
        parts.sweeper(1.0, days=0.0).forgetter.forget(now() + timedelta(seconds=1))


def _sweep_files(world: World) -> None:
    with world.open() as parts:
        parts.outputs.sweep(now() + timedelta(days=8))


def _age_announcement(world: World) -> None:
    """As if the announcement had been made long ago, and no worker had come."""
    with closing(sqlite3.connect(world.file("ledger.db"))) as connection:
        connection.execute("UPDATE task SET announced_at = '2000-01-01 00:00:00.000000' WHERE announced_at IS NOT NULL")
        connection.commit()


def _tasks(world: World) -> list[Any]:
    with closing(sqlite3.connect(world.file("ledger.db"))) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM task")]
