"""Whole roads over real servers: PostgreSQL and MariaDB in one task, held commits, dry runs, several writers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.databases import run
from tests.support.surface import FILE, Surface, document, real_surface
from tests.support.waiting import until

from rescind import failpoints
from rescind.domain.states import State

TABLE = "CREATE TABLE items (id INTEGER PRIMARY KEY, name VARCHAR(20))"
BOTH = "targets=default,archive"
MANY = b"id,name\n" + b"".join(b"%d,n%d\n" % (n, n) for n in range(150_000))


@pytest.fixture
def s(tmp_path: Path, postgresql_url: str, mariadb_url: str) -> Iterator[Surface]:
    """`default` is PostgreSQL, `archive` MariaDB, `plain` an SQLite file; each has an empty table."""
    urls = {"default": postgresql_url, "archive": mariadb_url, "plain": f"sqlite:///{tmp_path}/plain.db"}
    with real_surface(tmp_path / "home", **urls) as made:
        for url in urls.values():
            run(url, TABLE)
        yield made
        assert made.prepared() == []


def rows(s: Surface) -> tuple[int, ...]:
    return tuple(s.rows(name) for name in s.core.targets)


def test_all_of_several_databases(s: Surface) -> None:
    task_id = s.accepted("targets=default,archive,plain")
    s.work()
    task = s.task(task_id)
    assert (task["state"], task["protocol"], len(task["receipt"]["branches"])) == ("committed", "two-phase", 3)
    assert rows(s) == (3, 3, 3)


@pytest.mark.parametrize("name", ["default", "archive", "plain"])
def test_none_of_several_databases(s: Surface, name: str) -> None:
    """A row that one of them has already."""
    s.accepted(f"target={name}", content=b"id,name\n3,old\n")
    s.work()
    task_id = s.accepted("targets=default,archive,plain")
    s.work()
    assert s.task(task_id)["state"] == "failed"
    assert rows(s) == tuple(int(other == name) for other in s.core.targets)


@pytest.mark.parametrize("point", ["decide.before", "commit1p.after", "commit2p.before", "finish.before"])
def test_a_worker_that_dies_leaves_all_or_none(s: Surface, point: str) -> None:
    task_id = s.accepted("targets=default,archive,plain")
    reached = []

    def die() -> None:
        reached.append(point)
        raise failpoints.Injected(point)

    failpoints.arm(point, die)
    with suppress(failpoints.Injected):  # the code of the worker ends there
        s.work()
    assert reached == [point]
    if not s.state(task_id).done:
        s.set(task_id, worker=None)  # as if its worker were gone: it is this process, which lives on
    with s.at_work():
        until(lambda: s.state(task_id) is State.committed, "the commit")
    assert rows(s) == (3, 3, 3)


def test_held_then_committed(s: Surface) -> None:
    task_id = s.held(BOTH)
    assert rows(s) == (0, 0, 0)
    hold = s.task(task_id)["hold"]
    assert hold["locks"].keys() == {"default.0", "archive.1"}
    assert len(s.prepared()) == 2
    assert s.call("POST", f"/v1/tasks/{task_id}/commit").status_code == 202
    s.sweep()
    assert s.task(task_id)["state"] == "committed"
    assert rows(s) == (3, 3, 0)


def test_held_then_stopped(s: Surface) -> None:
    task_id = s.held(BOTH)
    s.call("POST", f"/v1/tasks/{task_id}/stop")
    s.sweep()
    assert s.task(task_id)["state"] == "stopped"
    assert rows(s) == (0, 0, 0)
    again = s.accepted(BOTH)  # no lock is left on the keys
    s.work()
    assert s.task(again)["state"] == "committed"


def test_held_and_forgotten(s: Surface) -> None:
    task_id = s.held(BOTH)
    s.expire(task_id)
    s.sweep()
    assert s.task(task_id)["error"]["code"] == "hold-expired"
    assert rows(s) == (0, 0, 0)


@pytest.mark.parametrize("query", ["commit=manual&target=plain", "writers=2&target=plain"])
def test_what_sqlite_cannot_is_its_cards_reason(s: Surface, query: str) -> None:
    problem = s.load(query)
    assert problem.status_code == 422
    assert "SQLite cannot prepare" in document(problem)["detail"]


@pytest.mark.parametrize("name", ["default", "archive"])
@pytest.mark.parametrize("end", ["auto", "manual"])
def test_several_writers(s: Surface, name: str, end: str) -> None:
    task_id = s.accepted(f"target={name}&writers=2&commit={end}", content=MANY)
    s.work()
    if end == "manual":
        s.call("POST", f"/v1/tasks/{task_id}/commit")
        s.sweep()
    task = s.task(task_id)
    assert (task["state"], task["targets"]) == ("committed", [name])
    written = [branch["rows"] for branch in task["receipt"]["branches"]]
    assert (len(written), sum(written)) == (2, 150_000)
    assert s.rows(name) == 150_000


@pytest.mark.parametrize("query", [BOTH, "target=plain", "target=default&writers=2"])
def test_a_dry_run_changes_nothing(s: Surface, query: str) -> None:
    task_id = s.accepted(f"{query}&dry_run=true")
    s.work()
    task = s.task(task_id)
    assert (task["state"], task["receipt"]["rows_read"]) == ("checked", 3)
    assert rows(s) == (0, 0, 0)
    assert s.accepted(query)


def test_a_dry_run_makes_no_table(s: Surface) -> None:
    task_id = s.accepted(f"{BOTH}&dry_run=true&create=true", table="fresh")
    s.work()
    assert s.task(task_id)["state"] == "checked"
    assert [document(s.call("GET", f"/v1/tables?target={n}"))["tables"] for n in s.core.targets] == [["items"]] * 3


def test_a_dry_run_finds_a_deferred_constraint_that_fails(s: Surface, postgresql_url: str) -> None:
    """The commit would have been the first to check it."""
    run(
        postgresql_url,
        "CREATE TABLE parents (id INTEGER PRIMARY KEY)",
        "ALTER TABLE items ADD FOREIGN KEY (id) REFERENCES parents DEFERRABLE INITIALLY DEFERRED",
        "INSERT INTO parents VALUES (1), (2)",
    )
    task_id = s.accepted("dry_run=true")
    s.work()
    task = s.task(task_id)
    assert (task["state"], task["error"]["code"]) == ("failed", "constraint-violated")
    run(postgresql_url, "INSERT INTO parents VALUES (3)")
    again = s.accepted("dry_run=true", content=FILE)
    s.work()
    assert s.task(again)["state"] == "checked"
    assert rows(s) == (0, 0, 0)


def test_targets_and_tables_of_each_kind(s: Surface) -> None:
    cards = {t["name"]: t["capabilities"] for t in document(s.call("GET", "/v1/targets"))["targets"]}
    assert [cards[name]["two_phase"]["grade"] for name in s.core.targets] == ["full", "full", "refused"]
    assert [cards[name]["database"].split()[0] for name in s.core.targets] == ["PostgreSQL", "MariaDB", "SQLite"]
    for name in s.core.targets:
        assert document(s.call("GET", f"/v1/tables/items?target={name}"))["key"] == ["id"]
