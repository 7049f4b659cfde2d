"""A table that a load makes has its indexes with the commit, on each database, and nothing is left of either before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect
from tests.support.databases import run
from tests.support.indexes import indexes_of
from tests.support.surface import Surface, real_surface

from rescind import failpoints
from rescind.urls import database_url

FILE = b"carrier,origin,day\nXA,Oslo,2024-05-01\nXB,Rome,2024-05-02\n"
QUERY = "create=true&index=carrier&index=origin,day"
INDEXES = [("carrier",), ("origin", "day")]
POINTS = ["branch.mid_data", "branch.after_data", "branch.after_marker", "decide.before"]


@pytest.fixture
def s(tmp_path: Path, url: str) -> Iterator[Surface]:
    with real_surface(tmp_path / "home", default=url) as made:
        yield made
        assert made.prepared() == []


def left(url: str) -> list[str]:
    """Tables that are there, but for the marker's."""
    engine = create_engine(database_url(url))
    try:
        return [name for name in inspect(engine).get_table_names() if name != "rescind_marker"]
    finally:
        engine.dispose()


def accepted(s: Surface, query: str = QUERY, content: bytes = FILE) -> str:
    return s.accepted(query, table="flights", content=content)


def at(point: str, act: Callable[[], object]) -> None:
    """Have that done once, when the point is reached."""

    def once() -> None:
        failpoints.disarm()
        act()

    failpoints.arm(point, once)


def test_they_are_there_with_the_rows(s: Surface, url: str) -> None:
    task_id = accepted(s)
    s.work()
    task = s.task(task_id)
    assert (task["state"], task["receipt"]["rows_written"]) == ("committed", 2)
    assert indexes_of(url, "flights") == INDEXES
    assert run(url, "SELECT origin FROM flights WHERE carrier = 'XB'") == [("Rome",)]


def test_with_a_key_and_an_upsert_they_are_the_same(s: Surface, url: str) -> None:
    task_id = accepted(s, "create=true&mode=upsert&key=carrier&index=origin", FILE + b"XB,Bonn,2024-05-03\n")
    s.work()
    assert s.task(task_id)["state"] == "committed"
    assert indexes_of(url, "flights") == [("origin",)]
    assert run(url, "SELECT carrier, origin FROM flights ORDER BY carrier") == [("XA", "Oslo"), ("XB", "Bonn")]


def test_a_table_that_is_there_is_appended_to_and_gets_none(s: Surface, url: str) -> None:
    accepted(s, "create=true&index=day")
    s.work()
    second = accepted(s)
    s.work()
    assert s.task(second)["receipt"]["rows_written"] == 2
    assert indexes_of(url, "flights") == [("day",)]


@pytest.mark.parametrize("point", POINTS)
def test_nothing_is_left_of_a_failure_and_another_try_is_whole(s: Surface, url: str, point: str) -> None:
    failpoints.arm(point, failpoints.Action.fail)
    failed = accepted(s)
    s.work()
    s.sweep()
    assert s.task(failed)["state"] in ("failed", "queued")  # to be tried again
    assert left(url) == []
    failpoints.disarm()
    s.call("POST", f"/v1/tasks/{failed}/stop")
    s.sweep()
    again = accepted(s)
    s.work()
    assert s.task(again)["state"] == "committed"
    assert indexes_of(url, "flights") == INDEXES
    assert len(run(url, "SELECT day FROM flights")) == 2


@pytest.mark.parametrize("point", POINTS)
def test_nothing_is_left_of_a_stop(s: Surface, url: str, point: str) -> None:
    task_id = accepted(s)
    at(point, lambda: s.call("POST", f"/v1/tasks/{task_id}/stop"))
    s.work()
    s.sweep()
    assert s.task(task_id)["state"] == "stopped"
    assert left(url) == []


def test_nothing_is_left_of_a_dry_run(s: Surface, url: str) -> None:
    task_id = accepted(s, f"{QUERY}&dry_run=true")
    s.work()
    s.sweep()
    assert s.task(task_id)["state"] == "checked"
    assert left(url) == []


def test_rows_come_first_where_a_table_is_made_in_the_transaction(s: Surface, url: str) -> None:
    """MariaDB, where it is made before, has the indexes with the table."""
    seen: list[object] = []
    failpoints.arm("branch.mid_data", lambda: seen.append(indexes_of(url, "flights")))
    accepted(s)
    s.work()
    assert seen == [INDEXES if url.startswith("mysql") else []]
    assert indexes_of(url, "flights") == INDEXES


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_building_them_is_the_last_that_is_done_with_the_rows(s: Surface, url: str) -> None:
    """What the session's last statement was: COPY when rows have been sent, CREATE INDEX when all is written."""
    last = "SELECT query FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"
    seen: dict[str, str] = {}

    def look(point: str) -> None:
        seen[point] = " ".join(query for (query,) in run(url, last))

    for point in ("branch.mid_data", "branch.before_marker"):
        failpoints.arm(point, lambda point=point: look(point))  # type: ignore[misc]
    accepted(s)
    s.work()
    assert "CREATE INDEX" not in seen["branch.mid_data"]
    assert seen["branch.before_marker"].startswith("CREATE INDEX")
