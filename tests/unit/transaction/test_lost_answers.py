"""The ledger's answer to a COMMIT is lost: it is read again, and what it says holds (PROTOCOL R2)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.support.ledgers import on_servers
from tests.support.protocol import SHAPES, World, world
from tests.support.servers.proxy import Proxy

from rescind import failpoints
from rescind.domain.states import State
from rescind.ledger import events

pytestmark = on_servers

#: As the drivers send it: READ COMMITTED has the word in it too.
COMMIT = {"postgresql": b"COMMIT\0", "mariadb": b"\3COMMIT"}
MARKS = ("branch.before_register", "abort.before_mark", "abort.before_final", "finish.before")
LOST = pytest.mark.parametrize("lost", ["lose_reply", "lose_request"])


@pytest.fixture
def proxy(ledger_kind: str, request: pytest.FixtureRequest) -> Iterator[Proxy]:
    with closing(Proxy(request.getfixturevalue(ledger_kind).port)) as made:
        yield made


@pytest.fixture
def w(proxy: Proxy, ledger_url: str) -> Iterator[World]:
    with world(proxy.through(ledger_url)) as made:
        made.ledger.identity()
        yield made


@LOST
@pytest.mark.parametrize("shape", SHAPES)
def test_the_decision_is_what_the_ledger_says(w: World, proxy: Proxy, ledger_kind: str, lost: str, shape: str) -> None:
    """Carried out or not: the worker asks until it is answered, and goes on with the same attempt."""
    task_id = w.submit(SHAPES[shape])
    failpoints.arm("decide.before", lambda: getattr(proxy, lost)(COMMIT[ledger_kind]))
    assert w.attempt(w.claim(task_id)) is State.committed
    assert proxy.lost == 1
    assert w.task(task_id).attempt == 1
    with w.ledger.read() as connection:
        kinds = [event.kind for event in events.of_task(connection, task_id)]
    assert kinds == ["submitted", "running", "committing", "committed"]
    w.check(task_id)


@LOST
@pytest.mark.parametrize("point", MARKS)
def test_every_other_mark_is_found_or_made_again(
    w: World, proxy: Proxy, ledger_kind: str, lost: str, point: str
) -> None:
    task_id = w.submit(SHAPES["mixed"])
    if point.startswith("abort"):
        failpoints.arm("prepare.after", failpoints.Action.lose)
    failpoints.arm(point, lambda: getattr(proxy, lost)(COMMIT[ledger_kind]))
    w.attempt(w.claim(task_id))
    assert w.finish(task_id) is State.committed
    assert proxy.lost == 1
    w.check(task_id)


@LOST
def test_a_stop_wins_over_a_decision_that_was_never_made(w: World, proxy: Proxy, ledger_kind: str, lost: str) -> None:
    """The stop comes while the worker does not know: it is too late where the decision had arrived."""
    task_id = w.submit(SHAPES["two-phase"])
    failpoints.arm("decide.before", lambda: getattr(proxy, lost)(COMMIT[ledger_kind]))
    settle = w.ledger.settle

    def stop_first(*arguments: object) -> object:
        w.stop(task_id)
        return settle(*arguments)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(w.ledger, "settle", stop_first)
        w.attempt(w.claim(task_id))
    assert w.finish(task_id) is (State.committed if lost == "lose_reply" else State.stopped)
    w.check(task_id)
