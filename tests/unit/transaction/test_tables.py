"""Tables that a task makes by a statement which commits by itself: on record before, and undone (PROTOCOL R12)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pyarrow as pa
import pytest
from sqlalchemy import Connection, select
from tests.support.protocol import CHECKSUM, ROWS, World

from rescind import failpoints
from rescind.domain.branch import BranchId, Protocol
from rescind.domain.receipt import Draft
from rescind.domain.schema import Column, Table, Type
from rescind.domain.states import State
from rescind.domain.task import Task
from rescind.errors import RescindError, TaskRaised, UnknownTable
from rescind.ledger import branches, pending, tables
from rescind.ledger.branches import Registered
from rescind.testing.memory import Fault, MemoryTarget
from rescind.transaction.recovery import Recovery
from rescind.transaction.work import Work

MADE = Table("made", (Column("id", Type.integer, "", nullable=False, key=1),))
TIMEOUT_SECONDS = 30

guard = pytest.mark.parametrize("kept", [True, False], ids=["guard kept", "guard gone"])


@pytest.fixture(autouse=True)
def _by_itself(w: World) -> None:
    """CREATE TABLE commits by itself in target `two`."""
    w.targets["two"] = MemoryTarget("two", w.operators["two"].address, transactional_ddl=False)


def making(work: Work) -> Draft:
    """Make the table if it is not there, and put ROWS rows into it."""
    if not there(work.target("two")):
        work.create_table("two", MADE)
    writer = work.branch("two").writer(MADE, ["id"])
    work.written[0] += writer.write(pa.RecordBatch.from_pydict({"id": list(range(ROWS))}))
    writer.close()
    failpoints.hit("branch.mid_data")
    return Draft(rows_read=ROWS, rows_written=ROWS, checksum=CHECKSUM, made=(("two", MADE.name),))


def failing(work: Work) -> Draft:
    making(work)
    raise TaskRaised("The function raised.")


def there(target: object) -> bool:
    assert isinstance(target, MemoryTarget)
    try:
        target.catalog().table(MADE.name)
    except UnknownTable:
        return False
    return True


def rows(w: World) -> int | None:
    """Rows of the table; None where it is not there."""
    return w.targets["two"].catalog().count(MADE.name) if there(w.targets["two"]) else None


def on_record(w: World) -> list[str]:
    with w.ledger.read() as connection:
        return list(connection.execute(select(tables.pending_table.c.name)).scalars())


def finish(w: World, task_id: str, body: Callable[[Work], Draft] = making) -> State:
    for _ in range(10):
        state = w.recover(task_id)
        if state.done:
            break
        w.attempt(w.claim(task_id), body)
    return w.task(task_id).state


def somebody(w: World) -> None:
    """A table of the same name that somebody else makes."""
    branch = w.targets["two"].open_branch(BranchId("0" * 12, 1, "somebody", 1, 0), Protocol.one_phase)
    branch.create_table(MADE)
    branch.close()


def fill(w: World, key: int) -> None:
    """A row of somebody else's, committed."""
    branch = w.targets["two"].open_branch(BranchId("0" * 12, 1, "somebody", 1, 1), Protocol.one_phase)
    branch.start()
    branch.writer(MADE, ["id"]).write(pa.RecordBatch.from_pydict({"id": [key]}))
    branch.commit()
    branch.close()


def test_a_committed_task_keeps_its_table(w: World) -> None:
    task_id = w.submit(("two",))
    assert w.attempt(w.claim(task_id), making) is State.committed
    assert (rows(w), on_record(w)) == (ROWS, [])


def test_a_failed_task_leaves_no_table(w: World) -> None:
    task_id = w.submit(("two",))
    assert w.attempt(w.claim(task_id), failing) is State.failed
    assert (rows(w), on_record(w)) == (None, [])


@pytest.mark.parametrize(
    "point",
    [
        "ddl.before_record",
        "ddl.after_record",
        "ddl.after_ddl",
        "branch.after_start",
        "branch.mid_data",
        "prepare.after_list",
        "decide.before",
    ],
)
def test_a_worker_that_dies_leaves_no_table_behind(w: World, point: str) -> None:
    task_id = w.submit(("two",))
    failpoints.arm(point, failpoints.Action.fail)
    w.attempt(w.claim(task_id), making)
    assert w.recover(task_id) is State.queued
    assert (rows(w), on_record(w)) == (None, [])
    assert finish(w, task_id) is State.committed
    assert (rows(w), on_record(w)) == (ROWS, [])


@pytest.mark.parametrize("point", ["ddl.before_undo", "ddl.after_undo", "abort.before_final", "finish.sent_no_reply"])
def test_an_undo_that_dies_is_done_again(w: World, point: str) -> None:
    task_id = w.submit(("two",))
    failpoints.arm(point, failpoints.Action.fail)
    w.attempt(w.claim(task_id), failing)
    assert w.recover(task_id) is State.failed
    assert (rows(w), on_record(w)) == (None, [])


def test_a_table_that_somebody_made_just_before_stays(w: World) -> None:
    task_id = w.submit(("two",))
    failpoints.arm("ddl.after_record", lambda: somebody(w))
    w.attempt(w.claim(task_id), making)
    w.stop(task_id)
    assert finish(w, task_id) is State.stopped
    assert (rows(w), on_record(w)) == (0, [])


def test_somebodys_rows_keep_the_table(w: World) -> None:
    task_id = w.submit(("two",))
    failpoints.arm("ddl.after_ddl", lambda: fill(w, 77))
    assert w.attempt(w.claim(task_id), failing) is State.failed
    assert (rows(w), on_record(w)) == (1, [])


def test_a_table_cannot_be_made_after_writing_has_begun(w: World) -> None:
    def late(work: Work) -> Draft:
        work.branch("two")
        work.create_table("two", MADE)
        raise AssertionError

    task_id = w.submit(("two",))
    assert w.attempt(w.claim(task_id), late) is State.failed
    assert (rows(w), on_record(w)) == (None, [])


@guard
def test_a_zombies_table_lands_before_the_undo_or_never(w: World, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    """A session that is not ended first makes its table after the undo (PROTOCOL R6)."""
    if not kept:
        monkeypatch.setattr(Recovery, "_end_session", lambda *_: None)
    task_id = w.submit(("two",))
    reached, go = w.hang("ddl.after_record")
    zombie = w.beside(w.attempt, w.claim(task_id), making)
    assert reached.wait(TIMEOUT_SECONDS)
    w.stop(task_id)
    assert w.recover(task_id) is State.stopped
    go.set()
    zombie.join(TIMEOUT_SECONDS)
    assert (rows(w) is None) is kept


@guard
def test_the_record_comes_before_the_table(w: World, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    def later(connection: Connection, task: Task, branch: BranchId, name: str) -> bool:
        failpoints.arm("ddl.after_ddl", lambda: _note(w, branch, name))
        return True

    if not kept:
        monkeypatch.setattr(branches, "note_table", later)
    task_id = w.submit(("two",))
    if kept:
        failpoints.arm("ddl.after_ddl", failpoints.Action.fail)
    w.attempt(w.claim(task_id), making)
    w.stop(task_id)
    w.recover(task_id)
    assert (rows(w) is None) is kept


def _note(w: World, branch: BranchId, name: str) -> None:
    """The process dies between the table and its record."""
    raise failpoints.Injected("ddl.after_ddl")


@guard
def test_the_undo_is_part_of_the_abort(w: World, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    def forget(self: Recovery, branch: Registered) -> None:
        return None

    if not kept:
        monkeypatch.setattr(Recovery, "_undo_tables", forget)
    task_id = w.submit(("two",))
    assert w.attempt(w.claim(task_id), failing) is State.failed
    assert (rows(w) is None) is kept
    with w.ledger.read() as connection:
        assert pending.of_attempt(connection, w.task(task_id)) == {}


def test_a_branch_that_holds_anothers_table_goes_before_the_table(w: World) -> None:
    """Two branches in one target: the first makes the table, the second writes to it; the worker dies."""

    def both(work: Work) -> Draft:
        work.create_table("two", MADE)
        for number in work.numbers("two"):
            writer = work.begun(number).writer(MADE, ["id"])
            work.written[number] += writer.write(pa.RecordBatch.from_pydict({"id": [number]}))
            writer.close()
        return Draft(rows_read=2, rows_written=2, checksum=CHECKSUM)

    task_id = w.submit(("two", "two"))
    failpoints.arm("prepare.after_list", failpoints.Action.fail, 2)
    w.attempt(w.claim(task_id), both)
    assert w.recover(task_id) is State.queued
    assert (rows(w), on_record(w)) == (None, [])


def test_a_table_that_is_being_made_is_known_to_be_anothers(w: World) -> None:
    task_id = w.submit(("two",))
    seen: list[tuple[bool, bool, bool]] = []

    def look() -> None:
        with w.ledger.read() as connection:
            whose = (("two", "somebody"), ("two", task_id), ("three", "somebody"))
            first, second, third = (pending.by_another(connection, name, MADE.name, task) for name, task in whose)
        seen.append((first, second, third))

    failpoints.arm("ddl.after_ddl", look)
    assert w.attempt(w.claim(task_id), making) is State.committed
    look()
    assert seen == [(True, False, False), (False, False, False)]


@pytest.mark.parametrize("fault", [Fault.lost, Fault.cut])
def test_a_lost_answer_to_the_making_ends_the_branch_whatever_the_function_does(w: World, fault: Fault) -> None:
    """Otherwise the task commits, and its table, if it landed, is taken for nobody's."""

    def hiding(work: Work) -> Draft:
        with suppress(RescindError):
            work.create_table("two", MADE)
        work.branch("two")
        return Draft(checksum=CHECKSUM)

    task_id = w.submit(("two",))
    w.operators["two"].arm("make_table", fault)
    assert w.attempt(w.claim(task_id), hiding) is State.queued
    assert (rows(w), on_record(w)) == (None, [])
