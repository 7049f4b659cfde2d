"""A prepared branch that an operator ends: in quarantine, or of a task in hazard."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from tests.support.desk import WHY, Desk
from tests.support.protocol import SHAPES

from rescind.domain.branch import BranchId
from rescind.domain.states import State
from rescind.errors import InvalidRequest, TargetUnavailable, Undecided
from rescind.ledger import events, incarnation
from rescind.testing.memory import Fault, MemoryTarget
from rescind.transaction import operator as operators
from rescind.transaction.operator import BranchEnd
from rescind.transaction.situation import Observer
from rescind.transaction.verdict import Verdict


@pytest.mark.parametrize("how", list(BranchEnd))
def test_a_branch_in_quarantine_ends_by_an_operators_word_only(desk: Desk, how: BranchEnd) -> None:
    branch = desk.forgotten()
    (listed,) = desk.operator().recover().after.branches
    assert (listed.branch, listed.target, listed.verdict) == (branch, "two", Verdict.quarantine)
    assert "knows no such task" in listed.why
    assert {seen.target: len(seen.prepared) for seen in listed.seen} == {"one": 0, "two": 1, "three": 0}
    desk.operator().end_branch(str(branch), how, WHY)
    assert desk.w.prepared("two") == []
    assert desk.w.rows("two") == (3 if how is BranchEnd.commit else 0)


def test_a_branch_of_an_earlier_life_is_in_quarantine(desk: Desk) -> None:
    task_id = desk.prepared(shape="two-phase")
    desk.operator().restored()
    desk.w.ledger._identity = None  # as in a process that began after it
    (listed,) = desk.operator(dry_run=True).recover().before.branches
    assert listed.verdict is Verdict.quarantine
    assert "an earlier life" in listed.why
    assert listed.since is not None
    desk.operator().end_branch(str(listed.branch), BranchEnd.rollback, WHY)
    with desk.w.ledger.read() as connection:
        event = next(e for e in events.of_task(connection, task_id) if e.kind == operators.BRANCH_ENDED)
    assert (event.detail["operator"], event.detail["why"], event.detail["how"]) == ("ann", WHY, "rollback")
    assert str(listed.branch) in event.detail["evidence"]["two"]["prepared"]


def test_a_dry_run_ends_no_branch(desk: Desk) -> None:
    branch = desk.forgotten()
    desk.operator(dry_run=True).end_branch(str(branch), BranchEnd.commit, WHY)
    assert desk.w.prepared("two") == [branch]


def test_a_branch_that_ends_by_itself_is_not_an_operators(desk: Desk) -> None:
    desk.prepared(shape="two-phase")
    (branch,) = desk.w.prepared("two")
    with pytest.raises(InvalidRequest, match="ends by itself"):
        desk.operator().end_branch(str(branch), BranchEnd.commit, WHY)
    assert desk.w.prepared("two") == [branch]


@pytest.mark.parametrize("gid", ["anything", "rescind:1:000000000000:1:t:1:0"])
def test_a_branch_of_somebody_else_is_nobodys_business(desk: Desk, gid: str) -> None:
    with pytest.raises(InvalidRequest, match="of this ledger"):
        desk.operator().end_branch(gid, BranchEnd.commit, WHY)


def test_a_branch_that_is_not_prepared(desk: Desk) -> None:
    branch = desk.forgotten()
    desk.w.targets["two"].rollback_prepared(branch)
    with pytest.raises(InvalidRequest, match="lists"):
        desk.operator().end_branch(str(branch), BranchEnd.commit, WHY)


@pytest.mark.parametrize(
    ("fault", "proven"), [(Fault.lost, True), (Fault.refused_after, True), (Fault.refused, False), (Fault.cut, False)]
)
def test_how_a_branch_ended_is_read_from_the_database(desk: Desk, fault: Fault, proven: bool) -> None:
    branch = desk.forgotten()
    desk.w.operators["two"].arm("commit_prepared", fault)
    if proven:
        desk.operator().end_branch(str(branch), BranchEnd.commit, WHY)
    else:
        with pytest.raises(Undecided):
            desk.operator().end_branch(str(branch), BranchEnd.commit, WHY)
    assert desk.w.rows("two") == (3 if proven else 0)


@pytest.mark.parametrize(("fault", "proven"), [(Fault.lost, True), (Fault.refused, False)])
def test_a_branch_that_is_still_listed_has_not_ended(desk: Desk, fault: Fault, proven: bool) -> None:
    """No marker of it before and after: only the list tells that it was not rolled back."""
    branch = desk.forgotten()
    desk.w.operators["two"].arm("rollback_prepared", fault)
    with nullcontext() if proven else pytest.raises(Undecided):
        desk.operator().end_branch(str(branch), BranchEnd.rollback, WHY)
    assert desk.w.prepared("two") == ([] if proven else [branch])


def test_the_session_of_a_branch_is_ended_before_the_branch(desk: Desk) -> None:
    """While it is there nobody else can end the branch."""
    reached, _ = desk.w.hang("decide.before")
    desk.w.beside(desk.w.attempt, desk.w.claim(desk.w.submit(SHAPES["two-phase"])))
    assert reached.wait(30)
    (branch,) = desk.w.prepared("two")
    with desk.w.ledger.write() as connection:
        assert incarnation.begin(connection, 1, 2, {})
    desk.operator().end_branch(str(branch), BranchEnd.rollback, WHY)
    assert desk.w.prepared("two") == []


class Blind(MemoryTarget):
    """Its user may not see what is prepared, any more."""

    def list_prepared(self, ledger: str) -> list[BranchId]:
        raise Undecided("What is prepared cannot be seen.")

    def seen_prepared(self, ledger: str) -> list[BranchId]:
        return []


def test_what_cannot_be_seen_is_not_taken_for_ended(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id, (branch, *_) = desk.hazard(), desk.w.prepared("three")
    desk.w.targets["three"] = Blind("three", desk.w.operators["three"].address)
    with pytest.raises(TargetUnavailable, match="cannot be seen"):
        desk.operator().settle(task_id, State.committed, WHY)
    with pytest.raises(InvalidRequest, match="lists"):
        desk.operator().end_branch(str(branch), BranchEnd.commit, WHY)
    assert desk.operator().recover().before.away == {}
    assert desk.w.task(task_id).state is State.hazard


def test_a_branch_that_cannot_be_seen_after_its_end_is_not_proven(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    branch = desk.forgotten()
    found = desk.operator().observer.listed(branch)
    monkeypatch.setattr(Observer, "listed", lambda self, branch: found)
    desk.w.targets["two"] = Blind("two", desk.w.operators["two"].address)
    with pytest.raises(Undecided):
        desk.operator().end_branch(str(branch), BranchEnd.rollback, WHY)
