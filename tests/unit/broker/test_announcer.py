"""The announcer: nobody waits for it, nothing ends it, and it says once that the broker is down."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from tests.support.waiting import until

from rescind import failpoints
from rescind.broker.announcer import Announcer
from rescind.errors import BrokerUnavailable, LedgerUnavailable


class Broker:
    """A broker and a ledger that write down what they are told. `gate` holds every publish while it is shut."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.tried: list[str] = []
        self.down = False
        self.ledger_down = False
        self.gate = threading.Event()
        self.gate.set()

    def publish(self, task_id: str) -> None:
        self.tried.append(task_id)
        assert self.gate.wait(30)
        if self.down:
            raise BrokerUnavailable("down")
        self.heard.append(f"publish {task_id}")

    def mark(self, task_id: str) -> None:
        if self.ledger_down:
            raise LedgerUnavailable("down")
        self.heard.append(f"mark {task_id}")


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture(autouse=True)
def no_failpoints() -> Iterator[None]:
    yield
    failpoints.disarm()


def published(broker: Broker) -> list[str]:
    return [line.removeprefix("publish ") for line in broker.heard if line.startswith("publish")]


def test_each_id_is_published_and_then_marked_in_order(broker: Broker) -> None:
    announcer = Announcer(broker.publish, broker.mark)
    for task_id in "abc":
        announcer.announce(task_id)
    assert announcer.close(30)
    assert broker.heard == [f"{verb} {task_id}" for task_id in "abc" for verb in ("publish", "mark")]


def test_a_full_queue_drops_and_nobody_waits(broker: Broker) -> None:
    announcer = Announcer(broker.publish, broker.mark, capacity=2)
    broker.gate.clear()
    announcer.announce("first")
    until(lambda: broker.tried, "the first to be on its way")
    for task_id in "abcd":
        announcer.announce(task_id)
    broker.gate.set()
    assert announcer.close(30)
    assert published(broker) == ["first", "a", "b"]


def test_an_outage_is_logged_once_and_the_newest_is_tried(broker: Broker) -> None:
    announcer = Announcer(broker.publish, broker.mark)
    broker.down = True
    broker.gate.clear()
    with capture_logs() as logged:
        for task_id in "abc":
            announcer.announce(task_id)
        broker.gate.set()
        until(lambda: len(broker.tried) >= 4, "four tries")
        broker.down = False
        until(lambda: len(broker.heard) == 6, "all three to be announced")
    assert broker.tried[:2] == ["a", "c"]
    assert sorted(published(broker)) == ["a", "b", "c"]
    assert [line["event"] for line in logged] == ["announce.failed"]


def test_a_second_outage_is_logged_again(broker: Broker) -> None:
    announcer = Announcer(broker.publish, broker.mark)

    def outage(task_id: str) -> list[str]:
        broker.down = True
        with capture_logs() as logged:
            announcer.announce(task_id)
            until(lambda: logged, "the log line")
            broker.down = False
            until(lambda: f"mark {task_id}" in broker.heard, "the end of the outage")
        return [line["event"] for line in logged]

    assert outage("a") == ["announce.failed"]
    assert outage("b") == ["announce.failed"]


def test_a_ledger_that_is_down_does_not_keep_the_next_id(broker: Broker) -> None:
    announcer = Announcer(broker.publish, broker.mark)
    broker.ledger_down = True
    for task_id in "ab":
        announcer.announce(task_id)
    assert announcer.close(30)
    assert published(broker) == ["a", "b"]


def test_closing_in_an_outage_does_not_wait_for_its_end(broker: Broker) -> None:
    announcer = Announcer(broker.publish, broker.mark)
    broker.down = True
    announcer.announce("a")
    until(lambda: broker.tried, "a try")
    assert not announcer.close(30)
    broker.down = False
    announcer.announce("b")
    assert published(broker) == []


def test_closing_without_an_id_ever_is_at_once(broker: Broker) -> None:
    assert Announcer(broker.publish, broker.mark).close(0)


@pytest.mark.parametrize(
    ("point", "count"), [("announce.before", 1), ("announce.after_publish", 2), ("announce.before_mark", 1)]
)
def test_a_failure_at_any_point_ends_no_thread(broker: Broker, point: str, count: int) -> None:
    """After a publish whose reply was lost the id is published again: a doubled wake-up changes nothing."""
    failpoints.arm(point, failpoints.Action.lose)
    announcer = Announcer(broker.publish, broker.mark)
    announcer.announce("a")
    until(lambda: published(broker) == ["a"] * count, "the publishing")
    announcer.announce("b")
    assert announcer.close(30)
    assert broker.heard[-2:] == ["publish b", "mark b"]


FORK = """
import os, sys, threading
from rescind.broker.announcer import Announcer

gate = threading.Event()
def publish(task_id):
    gate.wait(30)
    os.write(1, f"{'parent' if os.getpid() == parent else 'child'} {task_id}\\n".encode())

parent = os.getpid()
announcer = Announcer(publish, lambda task_id: None)
announcer.announce("a")
announcer.announce("b")
child = os.fork()
announcer.announce("c" if child == 0 else "d")
gate.set()
drained = announcer.close(30)
if child == 0:
    os._exit(0 if drained else 1)
sys.exit(os.waitpid(child, 0)[1])
"""


def test_a_forked_process_has_a_thread_of_its_own_and_leaves_the_parents_ids_to_the_parent() -> None:
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=60, check=True)
    assert sorted(done.stdout.split("\n")) == ["", "child c", "parent a", "parent b", "parent d"]
