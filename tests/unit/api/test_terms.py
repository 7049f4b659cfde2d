"""Where a task writes and how it ends: what requests may say of it, and what is refused at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.surface import FILE, ITEMS, NAMES, Surface, document, surface

from rescind.domain.states import State
from rescind.tasks import auto_writers
from rescind.tasks.submission import Submission
from rescind.testing.memory import MemoryTarget


@pytest.fixture
def s(tmp_path: Path) -> Iterator[Surface]:
    with surface(tmp_path) as made:
        yield made


def refused(answer: Any, status: int = 422) -> dict[str, Any]:
    """The problem, and that nothing was accepted."""
    assert answer.status_code == status, answer.text
    return document(answer)


def named(problem: dict[str, Any]) -> set[str]:
    return {error["name"] for error in problem["errors"]}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("commit=manual&dry_run=true", "dry_run"),
        ("hold_seconds=5", "hold_seconds"),
        ("commit=auto&hold_seconds=5", "hold_seconds"),
        ("commit=manual&hold_seconds=0", "hold_seconds"),
        ("commit=manual&hold_seconds=86401", "hold_seconds"),
        ("commit=later", "commit"),
        ("dry_run=yes", "dry_run"),
        ("target=default&targets=archive", "targets"),
        ("target=nowhere", "target"),
        ("targets=default,nowhere", "targets"),
        ("targets=default,default", "targets"),
        ("targets=default,", "targets"),
        ("writers=0", "writers"),
        ("writers=17", "writers"),
        ("writers=x", "writers"),
        ("writers=true", "writers"),
        ("writers=", "writers"),
        ("writers=2&target=plain", "writers"),
        ("commit=manual&target=plain", "commit"),
        ("commit=manual&targets=default,plain", "commit"),
    ],
)
def test_what_is_refused_names_its_parameter(s: Surface, query: str, parameter: str) -> None:
    assert named(refused(s.load(query))) == {parameter}
    assert document(s.call("GET", "/v1/tasks"))["tasks"] == []


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"commit": "manual", "dry_run": True}, "dry_run"),
        ({"hold_seconds": 5}, "hold_seconds"),
        ({"targets": []}, "targets"),
        ({"targets": ["nowhere"]}, "targets"),
        ({"targets": ["default", "default"]}, "targets"),
        ({"targets": ["plain"], "commit": "manual"}, "commit"),
    ],
)
def test_the_body_of_a_task_likewise(s: Surface, body: dict[str, Any], parameter: str) -> None:
    answer = s.call("POST", "/v1/tasks", json={"task": "generate", "args": {"rows": 3}} | body)
    assert named(refused(answer)) == {parameter}


def test_the_reason_is_the_cards(s: Surface) -> None:
    card = s.core.targets["plain"].capabilities()
    for query in ("commit=manual&target=plain", "writers=2&target=plain"):
        assert card.two_phase.reason.rstrip(".") in refused(s.load(query))["detail"]


def test_at_most_one_of_several_may_lack_two_phase(s: Surface) -> None:
    s.replace("archive", MemoryTarget("archive", s.operators["archive"].address, two_phase=False))
    problem = refused(s.load("targets=plain,archive"))
    assert named(problem) == {"targets"}
    assert "at most one" in problem["detail"]
    s.accepted("targets=default,archive")


def test_a_table_that_one_target_lacks_is_named_with_it(s: Surface) -> None:
    s.load("create=true&target=archive", table="more")
    s.work()
    problem = refused(s.load("targets=archive,default", table="more"), 404)
    assert problem["code"] == "unknown-table"
    assert "default" in problem["detail"]
    assert "archive" not in problem["detail"]
    s.accepted("targets=archive,default&create=true", table="more")


def test_a_header_that_one_target_does_not_fit(s: Surface) -> None:
    s.load("create=true&target=archive", table="more", content=b"id,other\n1,x\n")
    s.load("create=true&target=default", table="more", content=b"id,name\n1,x\n")
    s.work()
    problem = refused(s.load("targets=default,archive", table="more", content=b"id,name\n2,y\n"))
    assert problem["code"] == "unknown-column"


def test_columns_whose_types_differ(s: Surface) -> None:
    s.load("create=true&target=archive", table="more", content=b"id,name\n1,2\n")
    s.load("create=true&target=default", table="more", content=b"id,name\n1,x\n")
    s.work()
    problem = refused(s.load("targets=default,archive", table="more", content=b"id,name\n2,3\n"))
    assert "'name'" in problem["detail"]
    assert problem["code"] == "invalid-arguments"


def test_a_target_that_does_not_answer_is_checked_by_the_attempt(s: Surface) -> None:
    s.load("create=true&target=default", table="more", content=b"id,name\n1,x\n")
    s.load("create=true&target=archive", table="more", content=b"id,other\n1,x\n")
    s.work()
    s.replace("archive", MemoryTarget("archive", "/nowhere/socket"))
    task_id = s.accepted("targets=default,archive", table="more", content=b"id,name\n2,y\n")
    s.work()
    waiting = s.task(task_id)
    assert (waiting["state"], waiting["attempt"]) == ("queued", 1)
    assert waiting["waiting_for"]

    s.replace("archive", MemoryTarget("archive", s.operators["archive"].address))
    s.set(task_id, not_before=None)
    s.work()
    ended = s.task(task_id)
    assert (ended["state"], ended["error"]["code"]) == ("failed", "unknown-column")
    assert s.core.targets["default"].catalog().count("more") == 1


def test_a_task_of_ones_own_has_the_targets_of_its_definition(s: Surface) -> None:
    body = {"task": "place-orders", "args": {"count": 1}, "targets": ["archive"]}
    answer = s.call("POST", "/v1/tasks", json=body)
    assert refused(answer)["code"] == "invalid-arguments"


def test_several_targets_get_all_rows(s: Surface) -> None:
    task_id = s.accepted("targets=default,archive")
    s.work()
    document = s.task(task_id)
    assert (document["state"], document["targets"]) == ("committed", ["default", "archive"])
    assert (s.rows("default"), s.rows("archive"), s.rows("plain")) == (3, 3, 0)


def test_a_target_with_several_branches_is_named_once(s: Surface) -> None:
    task_id = s.accepted("writers=3")
    s.work()
    document = s.task(task_id)
    assert (document["state"], document["targets"], document["protocol"]) == ("committed", ["default"], "two-phase")
    assert len(document["receipt"]["branches"]) == 3
    assert s.rows() == 3


def test_the_number_of_writers_is_left_open(s: Surface, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto_writers, "PAYS_FROM_BYTES", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1})
    s.load("create=true", table="names", content=b"name\nx\n")
    s.work()
    for query, number in (("", 1), ("writers=auto", 2), ("writers=auto&create=true", 2), ("writers=3", 3)):
        task = s.task(s.accepted(query, table="names", content=b"name\ny\n"))
        assert (task["args"]["writers"], task["targets"]) == (number, ["default"])


def test_a_target_that_is_away_gets_one_writer(s: Surface, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto_writers, "PAYS_FROM_BYTES", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1})
    s.replace("default", MemoryTarget("default", "/nowhere/socket"))
    assert s.task(s.accepted("writers=auto"))["args"]["writers"] == 1


def test_what_nobody_decides_is_one_writer(s: Surface) -> None:
    """Whoever submits without asking the databases."""
    upload = document(s.call("PUT", "/v1/uploads/items.csv", data=FILE, content_type="text/csv"))["id"]
    submission = Submission(s.core.ledger, s.core.registry, lambda task_id: None)
    task_id, _ = submission.submit("load", {"table": "items", "upload": upload, "writers": "auto"})
    assert s.task(task_id)["args"]["writers"] == 1


def test_terms_are_shown_only_where_they_are_not_the_usual(s: Surface) -> None:
    assert s.task(s.accepted()).keys().isdisjoint({"commit", "dry_run", "hold"})
    assert s.task(s.accepted("dry_run=true"))["dry_run"] is True
    assert s.task(s.accepted("commit=manual"))["commit"] == "manual"


def test_a_dry_run_says_what_it_would_have_loaded(s: Surface) -> None:
    task_id = s.accepted("dry_run=true")
    s.work()
    document = s.task(task_id)
    assert (document["state"], document["done"], document["receipt"]["rows_written"]) == ("checked", True, 3)
    assert s.rows() == 0
    stop = s.call("POST", f"/v1/tasks/{task_id}/stop")
    assert (stop.status_code, stop.json["code"] if stop.json else "") == (409, "finished")


@pytest.mark.parametrize("name", NAMES)
def test_tables_and_rows_of_each_target(s: Surface, name: str) -> None:
    s.accepted(f"target={name}")
    s.work()
    assert document(s.call("GET", f"/v1/tables?target={name}")) == {"tables": [ITEMS.name]}
    assert document(s.call("GET", f"/v1/tables/items?target={name}"))["key"] == ["id"]
    counts = {n: document(s.call("GET", f"/v1/tables/items/count?target={n}"))["count"] for n in NAMES}
    assert counts == {n: 3 if n == name else 0 for n in NAMES}
    page = s.call("GET", f"/v1/tables/items/rows?limit=2&target={name}")
    following = page.headers["Link"].partition(">")[0].lstrip("<")
    assert [row["id"] for row in document(s.call("GET", following))["rows"]] == [3]
    assert s.call("GET", f"/v1/tables/items/rows?target={name}", headers={"Accept": "text/csv"}).text.count("\n") == 4


def test_clear_of_another_target(s: Surface) -> None:
    s.accepted("targets=default,archive")
    s.work()
    answer = s.call("DELETE", "/v1/tables/items/rows?target=archive")
    assert document(answer)["targets"] == ["archive"]
    s.work()
    assert (s.rows("default"), s.rows("archive")) == (3, 0)


@pytest.mark.parametrize("tail", ["", "/items", "/items/count", "/items/rows"])
def test_an_unknown_target_is_named(s: Surface, tail: str) -> None:
    problem = refused(s.call("GET", f"/v1/tables{tail}?target=nowhere"))
    assert named(problem) == {"target"}
    assert all(name in problem["detail"] for name in NAMES)


def test_targets_show_their_whole_card(s: Surface) -> None:
    shown = document(s.call("GET", "/v1/targets"))["targets"]
    assert [target["name"] for target in shown] == list(NAMES)
    card = shown[2]["capabilities"]
    assert card["two_phase"]["grade"] == "refused"
    assert card["bulk_load"]["reason"]
    assert card["warnings"] == []


def test_an_idempotency_key_is_of_the_terms_too(s: Surface) -> None:
    def send(query: str) -> Any:
        headers = {"Idempotency-Key": "k"}
        return s.call("POST", f"/v1/tables/items/rows?{query}", data=FILE, content_type="text/csv", headers=headers)

    first = send("commit=manual")
    assert send("commit=manual").json == first.json
    assert send("").status_code == 422
    assert s.state(document(first)["id"]) is State.queued
