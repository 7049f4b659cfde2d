"""The proof of two-phase commit: every step, what is said of one that fails, and that nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.support.memory import socket_path
from tests.support.waiting import until

from rescind.domain.branch import BranchId, Marker
from rescind.testing.memory import Fault, MemoryTarget, Operator, in_thread
from rescind.transaction import selftest
from rescind.transaction.selftest import Step


@pytest.fixture
def server() -> Iterator[Operator]:
    with socket_path() as path, in_thread(path) as operator:
        yield operator


class Watched(MemoryTarget):
    """Remembers which ledger was used; answers wrongly where a test says so."""

    ledgers: set[str]
    wrong: dict[str, object]

    def list_prepared(self, ledger: str) -> list[BranchId]:
        self.ledgers.add(ledger)
        found = super().list_prepared(ledger)
        return [] if self.wrong.get("hides") else found

    def markers(self, ledger: str, task: str) -> list[Marker]:
        self.ledgers.add(ledger)
        return [] if self.wrong.get("loses markers") else super().markers(ledger, task)

    def end_session(self, session: str) -> bool:
        return not self.wrong.get("session stays") and super().end_session(session)


def watched(server: Operator, **wrong: object) -> tuple[Callable[[], Watched], set[str]]:
    ledgers: set[str] = set()

    def open_target() -> Watched:
        target = Watched("t", server.address)
        target.ledgers, target.wrong = ledgers, wrong
        return target

    return open_target, ledgers


def failed(steps: list[Step]) -> dict[str, str]:
    return {step.name: step.reason for step in steps if step.reason is not None}


def nothing_is_left(server: Operator, ledgers: set[str]) -> bool:
    """No branch is prepared; a session that was closed is gone when the server has noticed it."""
    target = MemoryTarget("t", server.address)
    if any(target.list_prepared(ledger) for ledger in ledgers):
        return False
    until(lambda: not server.sessions(), "the sessions to be gone")
    return True


def test_every_step_is_done(server: Operator) -> None:
    open_target, ledgers = watched(server)
    steps = list(selftest.run(open_target))
    assert failed(steps) == {}
    assert [step.name for step in steps][-1] == "clean up"
    assert len(steps) == 14
    assert nothing_is_left(server, ledgers)


def test_its_ledger_is_nobodys(server: Operator) -> None:
    used = set()
    for _ in range(2):
        open_target, ledgers = watched(server)
        list(selftest.run(open_target))
        (ledger,) = ledgers
        used.add(ledger)
        assert len(bytes.fromhex(ledger)) == 6
    assert len(used) == 2


@pytest.mark.parametrize(
    ("verb", "step"),
    [
        ("start", "write a marker in a branch"),
        ("write_marker", "write a marker in a branch"),
        ("prepare", "prepare it"),
        ("commit_prepared", "commit it from another session"),
        ("rollback_prepared", "roll it back from another session"),
    ],
)
def test_a_verb_that_fails_is_named_and_all_is_cleaned_up(server: Operator, verb: str, step: str) -> None:
    open_target, ledgers = watched(server)
    server.arm(verb, Fault.refused)
    steps = list(selftest.run(open_target))
    assert failed(steps).keys() == {step}
    assert nothing_is_left(server, ledgers)


@pytest.mark.parametrize(("verb", "step"), [("prepare", "prepare it"), ("commit_prepared", "it is listed no more")])
def test_a_verb_that_does_nothing_and_says_it_did(
    server: Operator, verb: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a call returned proves nothing: a branch counts as prepared, or committed, when it is seen to be."""
    monkeypatch.setattr(selftest, "SESSION_SECONDS", 0.2)
    open_target, ledgers = watched(server)
    server.arm(verb, Fault.hollow)
    assert failed(list(selftest.run(open_target))).keys() == {step}
    assert nothing_is_left(server, ledgers)


@pytest.mark.parametrize(
    ("wrong", "step"),
    [
        ("hides", "prepare it"),
        ("loses markers", "its marker is seen"),
        ("session stays", "end its session, and see it gone"),
    ],
)
def test_a_server_that_shows_otherwise(
    server: Operator, wrong: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selftest, "SESSION_SECONDS", 0.1)
    open_target, _ = watched(server, **{wrong: True})
    assert step in failed(list(selftest.run(open_target)))


def test_a_server_that_goes_away_leaves_what_it_has_to_be_named(server: Operator) -> None:
    open_target, _ = watched(server)
    server.arm("commit_prepared", Fault.down)
    steps = failed(list(selftest.run(open_target)))
    assert steps.keys() == {"commit it from another session", "clean up"}
    assert "may be left prepared" in steps["clean up"]


def test_a_run_that_is_given_up_is_cleaned_up(server: Operator) -> None:
    open_target, ledgers = watched(server)
    steps = selftest.run(open_target)
    for step in steps:
        if step.name == "prepare it":
            break
    assert not nothing_is_left(server, ledgers)
    steps.close()
    assert nothing_is_left(server, ledgers)


def test_a_server_that_is_not_there() -> None:
    first, last = selftest.run(lambda: MemoryTarget("t", "/nowhere/socket"))
    assert not first.ok
    assert not last.ok
