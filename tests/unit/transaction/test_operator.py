"""What an operator is told and may decide: quarantine, hazard, a restored ledger."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import delete, update
from tests.support.desk import WHY, Desk
from tests.support.protocol import SHAPES, World

from rescind import failpoints
from rescind.domain.branch import BranchId, Protocol
from rescind.domain.states import State
from rescind.errors import InvalidRequest, TargetUnavailable, UnknownId
from rescind.ledger import events, tables
from rescind.ledger.engine import Ledger
from rescind.testing.memory import Fault, MemoryTarget
from rescind.transaction.operator import BranchEnd
from rescind.transaction.verdict import Verdict


def test_nothing_is_undecided(desk: Desk) -> None:
    found = desk.operator().recover()
    assert (found.before.branches, found.before.tasks, found.before.away) == ((), (), {})


def test_what_a_sweep_would_do_is_explained_and_done_once(desk: Desk) -> None:
    task_id = desk.prepared()
    desk.w.stop(task_id)
    found = desk.operator().recover()
    assert [listed.verdict for listed in found.before.branches] == [Verdict.leave, Verdict.leave]
    assert "a stop was asked for" in found.before.tasks[0].plan
    assert (found.states, found.after.branches, found.after.tasks) == ({task_id: State.stopped}, (), ())


def test_a_dry_run_only_explains(desk: Desk) -> None:
    task_id = desk.prepared()
    desk.w.stop(task_id)
    found = desk.operator(dry_run=True).recover()
    assert found.states == {task_id: State.prepared}
    assert len(desk.w.prepared("two")) == 1


def test_a_held_task_is_left_to_its_person(desk: Desk) -> None:
    task_id = desk.prepared()
    assert desk.operator().recover().states == {task_id: State.prepared}
    assert "held until" in desk.only(task_id).plan
    desk.w.expire(task_id)
    assert "time is over" in desk.only(task_id).plan


@pytest.mark.parametrize(
    ("point", "state", "words"),
    [
        ("branch.after_marker", State.running, "the attempt is taken back, and another one follows"),
        ("decide.after", State.committing, "every branch of it is committed"),
        ("abort.before_rollback", State.aborting, "It is taken back"),
    ],
)
def test_a_task_is_explained_by_its_state(desk: Desk, point: str, state: State, words: str) -> None:
    task_id = desk.w.submit(SHAPES["two branches"])
    failpoints.arm(point, failpoints.Action.fail)
    if state is State.aborting:
        desk.w.operators["two"].arm("write_marker", Fault.refused)
    desk.w.attempt(desk.w.claim(task_id))
    with desk.w.ledger.write() as connection:
        connection.execute(update(tables.task).where(tables.task.c.id == task_id).values(state=state))
    assert words in desk.only(task_id).plan
    desk.worker_left = False
    assert "15 s later" in desk.only(task_id).plan


def test_branches_that_end_by_themselves_are_explained(desk: Desk) -> None:
    task_id = desk.prepared(shape="two-phase")

    def listed(**values: object) -> tuple[Verdict, str]:
        with desk.w.ledger.write() as connection:
            connection.execute(update(tables.task).where(tables.task.c.id == task_id).values(values))
        (found,) = desk.operator(dry_run=True).recover().before.branches
        return found.verdict, found.why

    verdict, why = listed(state=State.committed)
    assert (verdict, "committed" in why) == (Verdict.commit, True)
    verdict, why = listed(state=State.stopped)
    assert (verdict, "taken back" in why) == (Verdict.roll_back, True)
    verdict, why = listed(state=State.running, attempt=2)
    assert (verdict, "at attempt 2" in why) == (Verdict.roll_back, True)
    with desk.w.ledger.write() as connection:
        connection.execute(delete(tables.branch))
    verdict, why = listed(state=State.queued)
    assert (verdict, "never heard of it" in why) == (Verdict.quarantine, True)


def test_a_target_that_does_not_answer_is_named_and_the_others_are_looked_at(desk: Desk) -> None:
    task_id = desk.prepared(shape="two-phase")
    desk.w.targets["three"] = MemoryTarget("three", "/nowhere/socket")
    found = desk.operator().recover()
    assert found.before.away.keys() == {"three"}
    assert [listed.branch.task for listed in found.before.branches] == [task_id]


def test_hazard_shows_what_the_targets_show(desk: Desk) -> None:
    task_id = desk.hazard()
    found = desk.operator().recover()
    assert found.states == {task_id: State.hazard}
    (task,) = found.before.tasks
    shown = {seen.target: (len(seen.markers), len(seen.prepared)) for seen in task.seen}
    assert shown["two"] == (1, 0)
    assert shown["three"] == (0, 1)


def test_hazard_is_settled_when_nothing_is_prepared_any_more(desk: Desk) -> None:
    task_id = desk.hazard()
    with pytest.raises(InvalidRequest, match="still prepared"):
        desk.operator().settle(task_id, State.committed, WHY)
    assert desk.w.task(task_id).state is State.hazard
    (branch,) = desk.w.prepared("three")
    desk.operator().end_branch(str(branch), BranchEnd.commit, WHY)
    settled = desk.operator().settle(task_id, State.committed, WHY)
    assert settled.warnings == ()
    assert desk.w.task(task_id).state is State.committed
    with desk.w.ledger.read() as connection:
        last = events.of_task(connection, task_id)[-1]
    assert (last.kind, last.detail["operator"], last.detail["why"]) == ("committed", "ann", WHY)
    assert len(last.detail["evidence"]["two"]["markers"]) == 1


@pytest.mark.parametrize(
    ("to", "against"), [(State.committed, "Branch 1 (target three) has no marker"), (State.failed, "is there")]
)
def test_what_speaks_against_the_word_is_told(desk: Desk, to: State, against: str) -> None:
    task_id = desk.hazard()
    (branch,) = desk.w.prepared("three")
    desk.operator().end_branch(str(branch), BranchEnd.rollback, WHY)
    for dry_run in (True, False):
        (warning,) = desk.operator(dry_run=dry_run).settle(task_id, to, WHY).warnings
        assert against in warning
    assert desk.w.task(task_id).state is to


def test_rows_of_two_attempts_are_told(desk: Desk) -> None:
    """The ledger was restored from between the two attempts of a task, and both committed."""
    task_id = desk.hazard()
    (branch,) = desk.w.prepared("three")
    desk.operator().end_branch(str(branch), BranchEnd.commit, WHY)
    again = desk.w.targets["two"].open_branch(replace(branch, attempt=2, branch=0), Protocol.two_phase)
    again.start()
    again.write_marker(0, "x")
    again.prepare()
    again.commit()
    again.close()
    (warning,) = desk.operator().settle(task_id, State.committed, WHY).warnings
    assert "2 attempts" in warning


def test_settling_needs_every_target_of_the_task(desk: Desk) -> None:
    task_id = desk.hazard()
    desk.w.targets["two"] = MemoryTarget("two", "/nowhere/socket")
    with pytest.raises(TargetUnavailable, match="two"):
        desk.operator().settle(task_id, State.failed, WHY)


def test_only_hazard_is_settled(desk: Desk) -> None:
    with pytest.raises(InvalidRequest, match="is prepared"):
        desk.operator().settle(desk.prepared(), State.committed, WHY)
    with pytest.raises(UnknownId):
        desk.operator().settle("nothing", State.committed, WHY)


def test_a_restored_ledger_begins_a_life_that_no_target_has_seen(desk: Desk, w: World) -> None:
    ledger, _ = w.ledger.identity()
    ahead = BranchId(ledger, 7, "t", 1, 0)
    branch = w.targets["three"].open_branch(ahead, Protocol.two_phase)
    branch.start()
    branch.prepare()
    branch.close()
    task_id = w.submit(SHAPES["two-phase"])
    assert desk.operator().recover().before.later == {"three": 7}
    assert desk.operator(dry_run=True).restored().new == 8
    assert w.ledger.incarnation() == 1
    found = desk.operator().restored()
    assert (found.last, found.new, found.waiting) == (1, 8, {State.queued: 1})
    assert (found.seen["three"], w.ledger.incarnation()) == (7, 8)
    assert desk.kinds(task_id) == ["submitted", "ledger-restored"]
    assert desk.operator().restored().new == 9


def test_every_target_must_answer_before_a_new_life(desk: Desk, w: World) -> None:
    w.targets["three"] = MemoryTarget("three", "/nowhere/socket")
    with pytest.raises(TargetUnavailable, match="three"):
        desk.operator().restored()
    assert w.ledger.incarnation() == 1


def test_no_new_life_while_a_worker_beats(desk: Desk, w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = w.claim(w.submit(SHAPES["two-phase"])).id

    def beat(seconds: float) -> None:
        with w.ledger.write() as connection:
            values = {"beat": tables.task.c.beat + 1}
            connection.execute(update(tables.task).where(tables.task.c.id == task_id).values(values))

    monkeypatch.setattr("rescind.transaction.operator.time.sleep", beat)
    with pytest.raises(InvalidRequest, match=task_id):
        desk.operator().restored()
    assert w.ledger.incarnation() == 1
    monkeypatch.setattr("rescind.transaction.operator.time.sleep", lambda seconds: None)
    assert desk.operator().restored().new == 2


def test_of_two_at_once_one_begins_the_new_life(desk: Desk, w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = w.ledger.incarnation()
    desk.operator().restored()
    monkeypatch.setattr(Ledger, "incarnation", lambda self: first)
    with pytest.raises(InvalidRequest, match="Somebody else"):
        desk.operator().restored()


@pytest.mark.parametrize(
    ("commit", "words", "ends"),
    [(False, "rolled back by hand", State.failed), (True, "committed already", State.hazard)],
    ids=["rolled back", "committed"],
)
def test_a_held_task_that_cannot_commit_any_more_is_told_of_and_ended(
    desk: Desk, commit: bool, words: str, ends: State
) -> None:
    task_id = desk.prepared()
    target = desk.w.targets["three"]
    (target.commit_prepared if commit else target.rollback_prepared)(*desk.w.prepared("three"))
    plan = desk.only(task_id).plan
    assert words in plan
    assert "held until" not in plan
    assert ("hazard" in plan) is commit
    assert desk.operator().recover().states == {task_id: ends}


def test_a_held_task_is_explained_while_a_target_is_away(desk: Desk) -> None:
    task_id = desk.prepared()
    desk.w.operators["three"].down()
    assert "cannot be committed until" in desk.only(task_id).plan
