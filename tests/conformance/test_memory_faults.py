"""Faults on demand: each does to a branch what it says. The protocol is tested with them elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from tests.support.memory import socket_path
from tests.support.waiting import until

from rescind.domain.branch import Protocol
from rescind.errors import RescindError, TargetConflict, TargetUnavailable
from rescind.testing.conformance.elsewhere import elsewhere
from rescind.testing.conformance.scene import ITEMS, Scene, items, new_branch
from rescind.testing.memory import Fault, MemoryTarget, Operator, in_process, in_thread, memory_target

TWO = Protocol.two_phase


@pytest.fixture
def operator() -> Iterator[Operator]:
    with socket_path() as address, in_thread(address) as operator:
        yield operator


@pytest.fixture
def scene(operator: Operator) -> Iterator[Scene]:
    scene = Scene(lambda: memory_target("memory", f"memory://{operator.address}"))
    scene.make(ITEMS)
    yield scene
    scene.close()


@pytest.mark.parametrize(
    ("fault", "error", "prepared"),
    [
        (Fault.refused, TargetConflict, False),
        (Fault.refused_after, TargetConflict, True),
        (Fault.cut, TargetUnavailable, False),
        (Fault.lost, TargetUnavailable, True),
        (Fault.crash, TargetUnavailable, False),
        (Fault.crash_after, TargetUnavailable, True),
    ],
)
def test_what_was_answered_and_what_was_done(
    scene: Scene, operator: Operator, fault: Fault, error: type[RescindError], prepared: bool
) -> None:
    branch = scene.written(1, protocol=TWO)
    operator.arm("prepare", fault)
    with pytest.raises(error):
        branch.prepare()
    scene.sees(branch, prepared=prepared, rows=0, marked=False)
    branch.close()


def test_hollow_answers_as_if_it_were_done(scene: Scene, operator: Operator) -> None:
    for verb in ("prepare", "commit"):
        branch = scene.written(1, protocol=TWO)
        operator.arm(verb, Fault.hollow)
        getattr(branch, verb)()
        scene.sees(branch, prepared=False, rows=0, marked=False)


def test_late_lands_after_the_connection_has_dropped(scene: Scene, operator: Operator) -> None:
    branch = scene.written(1, protocol=TWO)
    operator.arm("prepare", Fault.late)
    with pytest.raises(TargetUnavailable):
        branch.prepare()
    assert scene.prepared() == []
    assert not scene.fresh().end_session(branch.session)
    until(lambda: scene.fresh().end_session(branch.session), "the session is gone")
    scene.sees(branch, prepared=True, rows=0, marked=False)


def test_slow_can_be_cancelled(scene: Scene, operator: Operator) -> None:
    branch = scene.begin()
    operator.arm("clear_table", Fault.slow, seconds=60)
    with ThreadPoolExecutor(1) as pool:
        clearing = pool.submit(branch.clear_table, ITEMS.name)

        def ended() -> bool:
            branch.cancel()
            return clearing.done()

        until(ended, "the statement has ended")
        with pytest.raises(TargetConflict):
            clearing.result()
    branch.rollback()


def test_the_nth_call_meets_the_fault(scene: Scene, operator: Operator) -> None:
    operator.arm("list_prepared", Fault.refused, nth=2)
    assert scene.prepared() == []
    with pytest.raises(TargetConflict):
        scene.prepared()
    assert scene.prepared() == []
    operator.arm("commit", Fault.refused)
    assert operator.disarm() == ["commit"]


def test_down_refuses_all_but_the_operator(scene: Scene, operator: Operator) -> None:
    held = scene.written(1, protocol=TWO)
    held.prepare()
    operator.down()
    with pytest.raises(TargetUnavailable):
        scene.fresh().preflight()
    with pytest.raises(TargetUnavailable):
        scene.open()
    operator.up()
    scene.sees(held, prepared=True, rows=0, marked=False)


def test_numbers_begin_anew_with_a_restart_and_identities_do_not(scene: Scene, operator: Operator) -> None:
    before = [scene.open().session for _ in range(5)]
    operator.restart()
    after = [scene.open() for _ in range(9)]
    assert {s.partition("@")[0] for s in before} & {b.session.partition("@")[0] for b in after}
    assert all(scene.fresh().end_session(session) for session in before)
    after[-1].start()  # none of the new ones was ended


@pytest.mark.parametrize("attached", [True, False])
def test_only_a_gone_owners_branch_can_be_finished_by_others(scene: Scene, operator: Operator, attached: bool) -> None:
    operator.configure(attached=attached)
    branch = scene.written(1, protocol=TWO)
    branch.prepare()
    if attached:
        with pytest.raises(TargetConflict):
            scene.fresh().commit_prepared(branch.id)
        scene.sees(branch, prepared=True, rows=0, marked=False)
        branch.close()
    scene.fresh().commit_prepared(branch.id)
    scene.sees(branch, prepared=False, rows=1, marked=True)


def test_a_lock_is_waited_for_only_so_long(scene: Scene, operator: Operator) -> None:
    operator.configure(lock_seconds=0.1)
    first, second = scene.written(1), scene.begin()
    with pytest.raises(TargetConflict):
        second.writer(ITEMS, ["id", "name"]).write(items(1))
    first.commit()


def test_a_prepare_lands_in_a_server_process_after_its_client_was_killed() -> None:
    with socket_path() as address, in_process(address) as operator:
        scene = Scene(partial(MemoryTarget, "memory", operator.address))
        scene.make(ITEMS)
        with elsewhere(scene.connect, new_branch(), TWO, item=1) as other:
            operator.arm("prepare", Fault.stuck)
            other.orders.send("prepare")
            until(lambda: other.session in operator.landing(), "the server has the PREPARE")
            other.kill()
            assert scene.prepared() == []
        until(lambda: scene.fresh().end_session(other.session), "the session is gone")
        assert scene.prepared() == [other.branch]
        scene.fresh().commit_prepared(other.branch)
        assert scene.count() == 1
        scene.close()
