"""Names that are no table's, and names that nobody means for a new one, on each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.databases import run
from tests.support.surface import FILE, Surface, document, real_surface

TABLE = "CREATE TABLE items (id INTEGER PRIMARY KEY, name VARCHAR(20))"
VIEW = "CREATE VIEW shown AS SELECT id, name FROM items"
DOTTED = "shop.people"


@pytest.fixture
def s(tmp_path: Path, url: str) -> Iterator[Surface]:
    with real_surface(tmp_path / "home", default=url) as made:
        run(url, TABLE)
        yield made


@pytest.mark.parametrize("query", ["", "create=true", "create=true&mode=replace"])
def test_a_view_is_called_one_before_the_bytes_are_kept(s: Surface, url: str, query: str) -> None:
    run(url, VIEW)
    refused = s.load(query, table="shown")
    problem = document(refused)
    assert (refused.status_code, problem["code"]) == (404, "not-a-table")
    assert "'shown' is a view" in problem["detail"]
    assert document(s.call("GET", "/v1/tasks"))["tasks"] == []


@pytest.mark.parametrize("path", ["shown", "shown/rows", "shown/count"])
def test_a_view_is_called_one_where_it_is_read(s: Surface, url: str, path: str) -> None:
    run(url, VIEW)
    problem = document(s.call("GET", f"/v1/tables/{path}"))
    assert (problem["status"], problem["code"]) == (404, "not-a-table")


@pytest.mark.parametrize("task", ["generate", "export", "clear"])
def test_other_tasks_call_it_one_too(s: Surface, url: str, task: str) -> None:
    run(url, VIEW)
    refused = s.call("POST", "/v1/tasks", json={"task": task, "args": {"table": "shown"}})
    assert "'shown' is a view" in document(refused)["detail"]


def test_a_view_that_was_made_since_ends_the_load_and_is_called_one(s: Surface, url: str) -> None:
    task_id = s.accepted("create=true", table="shown")
    run(url, VIEW)
    s.work()
    task = s.task(task_id)
    assert (task["state"], task["attempt"], task["error"]["code"]) == ("failed", 1, "not-a-table")


def test_no_table_is_made_with_a_dot_in_its_name(s: Surface) -> None:
    """Somebody means the table of another schema or database, which a target does not reach."""
    refused = s.load("create=true", table=DOTTED)
    problem = document(refused)
    assert (refused.status_code, problem["code"]) == (422, "invalid-arguments")
    assert repr(DOTTED) in problem["detail"]
    assert "without its schema" in problem["detail"]
    generated = s.call("POST", "/v1/tasks", json={"task": "generate", "args": {"table": DOTTED}})
    assert generated.status_code == 422
    assert document(s.call("GET", "/v1/tables"))["tables"] == ["items"]


def test_nor_by_a_task_that_was_accepted_while_its_table_was_there(s: Surface, url: str) -> None:
    name = '"shop.people"' if not url.startswith("mysql") else "`shop.people`"
    run(url, TABLE.replace("items", name))
    task_id = s.accepted("create=true", table=DOTTED)
    run(url, f"DROP TABLE {name}")
    s.work()
    assert s.task(task_id)["error"]["code"] == "invalid-arguments"
    assert document(s.call("GET", "/v1/tables"))["tables"] == ["items"]


def test_a_table_that_has_a_dot_in_its_name_is_one(s: Surface, url: str) -> None:
    name = '"shop.people"' if not url.startswith("mysql") else "`shop.people`"
    run(url, TABLE.replace("items", name))
    task_id = s.accepted("create=true", table=DOTTED, content=FILE)
    s.work()
    assert s.task(task_id)["state"] == "committed"


def test_where_it_is_missing_the_dot_is_told_of(s: Surface) -> None:
    refused = s.load("", table=DOTTED)
    assert refused.status_code == 404
    assert "without its schema" in document(refused)["detail"]


def test_another_schema_of_postgresql_is_a_target_of_its_own(tmp_path: Path, postgresql_url: str) -> None:
    run(postgresql_url, "CREATE SCHEMA shop")
    run(postgresql_url, TABLE.replace("items", "shop.people"))
    with real_surface(tmp_path / "home", default=f"{postgresql_url}?options=-csearch_path%3Dshop") as s:
        task_id = s.accepted(table="people")
        s.work()
        assert s.task(task_id)["state"] == "committed"
    assert run(postgresql_url, "SELECT count(*) FROM shop.people") == [(3,)]
