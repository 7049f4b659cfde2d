"""A user's own tasks: what they can do, and what they are kept from (case 22)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import shop_tasks
from tests.support.inprocess import InProcess, in_process

from rescind.domain.states import State
from rescind.domain.task import Task
from rescind.errors import ConfigurationError, InvalidArguments
from rescind.ledger import transitions
from rescind.tasks.registry import TaskRegistry


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[InProcess]:
    with in_process(tmp_path / "home", tasks=("tests.support.shop_tasks",)) as running:
        running.sql("CREATE TABLE orders (id INTEGER PRIMARY KEY, day TEXT NOT NULL)")
        yield running


def orders(shop: InProcess) -> int:
    return int(shop.sql("SELECT count(*) FROM orders")[0][0])


def nothing_changed(shop: InProcess, task: Task) -> bool:
    markers = shop.sql("SELECT count(*) FROM rescind_marker WHERE kind = 'marker'")[0][0]
    return task.state is State.failed and orders(shop) == 0 and markers == 0


def test_a_task_commits_what_it_wrote_and_its_result_is_in_the_receipt(shop: InProcess) -> None:
    task = shop.run("place-orders", count=3, note="rush")
    assert task.state is State.committed
    assert task.receipt is not None
    assert task.receipt["result"] == {"placed": 3, "note": "rush"}
    assert task.receipt["rows_written"] == 3
    assert orders(shop) == 3


@pytest.mark.parametrize(
    "by",
    [
        "statement",
        "sqlalchemy",
        "driver",
        "rollback",
        "SAVEPOINT mine",
        "CREATE TABLE mine (a)",
        "DROP TABLE orders",
        "ALTER TABLE orders ADD COLUMN b",
        "ATTACH ':memory:' AS other",
        "PRAGMA synchronous = OFF",
        "DELETE FROM rescind_marker",
        "INSERT INTO rescind_marker SELECT * FROM rescind_marker",
    ],
)
def test_case_22_a_task_that_commits_or_runs_ddl_is_refused_and_taken_back(shop: InProcess, by: str) -> None:
    task = shop.run("commits", by=by)
    assert nothing_changed(shop, task)
    assert task.problem is not None
    assert task.problem.code in ("statement-refused", "transaction-broken")


def test_case_22_a_refusal_that_is_hidden_fails_the_task_all_the_same(shop: InProcess) -> None:
    task = shop.run("hides-refusal")
    assert nothing_changed(shop, task)
    assert task.problem is not None
    assert task.problem.code == "statement-refused"


def test_case_22_a_task_that_raises_is_taken_back_and_says_what_it_raised(shop: InProcess) -> None:
    task = shop.run("raises")
    assert nothing_changed(shop, task)
    assert task.attempt == 1
    assert task.problem is not None
    assert task.problem.code == "task-raised"
    assert "ValueError: the month is not over" in task.problem.detail


def test_case_22_a_task_that_never_checks_is_stopped_in_the_database(shop: InProcess) -> None:
    shop_tasks.looping.clear()
    task_id = shop.submit("loops", seconds=600.0)

    def stop() -> None:
        assert shop_tasks.looping.wait(30)
        with shop.core.ledger.write() as connection:
            transitions.request_stop(connection, task_id)

    stopper = threading.Thread(target=stop)
    stopper.start()
    shop.drain()
    stopper.join()
    assert shop.get(task_id).state is State.stopped
    assert orders(shop) == 0


def test_case_22_a_result_that_is_not_json_fails_the_task(shop: InProcess) -> None:
    task = shop.run("returns-a-set")
    assert nothing_changed(shop, task)
    assert task.problem is not None
    assert task.problem.code == "result-invalid"


@pytest.mark.parametrize("args", [{}, {"count": "3"}, {"count": 3, "colour": "red"}, {"count": None}])
def test_arguments_are_checked_before_the_task_is_accepted(shop: InProcess, args: dict[str, object]) -> None:
    with pytest.raises(InvalidArguments, match="place-orders"):
        shop.submit("place-orders", **args)


@pytest.mark.parametrize("module", ["no.such.module", "tests.support.waiting"])
def test_a_module_that_has_no_tasks_is_named_at_the_start(module: str) -> None:
    with pytest.raises(ConfigurationError, match=module):
        TaskRegistry((module,), 10)
