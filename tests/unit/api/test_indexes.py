"""`index` of a load: how it is said in a query and in JSON, and what is refused at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.surface import FILE, Surface, document, surface
from tests.support.waiting import until

from rescind.errors import UnknownTable
from rescind.testing.memory import Fault, MemoryTarget


@pytest.fixture
def s(tmp_path: Path) -> Iterator[Surface]:
    with surface(tmp_path) as made:
        yield made


def indexes(s: Surface) -> tuple[tuple[str, ...], ...]:
    return s.core.targets["default"].catalog().table("fresh").indexes


def uploaded(s: Surface, content: bytes = FILE) -> str:
    return str(document(s.call("PUT", "/v1/uploads/items.csv", data=content, content_type="text/csv"))["id"])


@pytest.mark.parametrize(
    ("query", "made"),
    [
        ("index=name", [("name",)]),
        ("index=name,id", [("name", "id")]),
        ("index=name&index=id,name", [("name",), ("id", "name")]),
        ("index=id,name&index=name,%20id", [("id", "name"), ("name", "id")]),
        ("key=id&index=name", [("name",)]),
        ("columns=name:label&index=label", [("label",)]),
    ],
)
def test_each_in_a_query_is_an_index(s: Surface, query: str, made: list[tuple[str, ...]]) -> None:
    s.accepted(f"create=true&{query}", table="fresh")
    s.work()
    assert indexes(s) == tuple(made)


@pytest.mark.parametrize(
    ("said", "made"),
    [
        ("name,id", [("name", "id")]),
        (["name", "id,name"], [("name",), ("id", "name")]),
        ([["name"], ["id", "name"]], [("name",), ("id", "name")]),
    ],
)
def test_in_json_it_is_a_list(s: Surface, said: Any, made: list[tuple[str, ...]]) -> None:
    args = {"table": "fresh", "upload": uploaded(s), "create": True, "index": said}
    answer = s.call("POST", "/v1/tasks", json={"task": "load", "args": args})
    assert answer.status_code == 202, answer.text
    s.work()
    assert indexes(s) == tuple(made)


def test_a_list_may_have_a_name_with_a_comma(s: Surface) -> None:
    upload = uploaded(s, b'id,"a,b"\n1,x\n')
    args = {"table": "fresh", "upload": upload, "create": True, "index": [["a,b", "id"]]}
    assert s.call("POST", "/v1/tasks", json={"task": "load", "args": args}).status_code == 202
    s.work()
    assert indexes(s) == (("a,b", "id"),)


@pytest.mark.parametrize(
    "query",
    [
        "index=name",
        "create=true&index=",
        "create=true&index=name&index=",
        "create=true&index=name,,id",
        "create=true&index=nothing",
        "create=true&index=name&index=id,Name",
        "create=true&ignore=name&index=name",
        "create=true&index=name,id,name",
        "create=true&index=name,id&index=name,%20id",
    ],
)
def test_what_cannot_be_is_refused_by_name(s: Surface, query: str) -> None:
    answer = s.load(query, table="fresh" if "create" in query else "items")
    assert answer.status_code == 422, answer.text
    assert {error["name"].partition(".")[0] for error in document(answer)["errors"]} == {"index"}
    assert document(s.call("GET", "/v1/tasks"))["tasks"] == []


@pytest.mark.parametrize("said", [[], [[]], ["name", []], [["name", ""]], 7, [7], [[["name"]]], {"name": "id"}])
def test_what_is_no_list_of_indexes_is_refused_in_json(s: Surface, said: Any) -> None:
    args = {"table": "fresh", "upload": uploaded(s), "create": True, "index": said}
    answer = s.call("POST", "/v1/tasks", json={"task": "load", "args": args})
    assert answer.status_code == 422
    assert all(error["name"].startswith("index") for error in document(answer)["errors"])


def test_a_key_of_a_column_that_would_not_be_there_is_refused_at_once_too(s: Surface) -> None:
    answer = s.load("create=true&key=nothing", table="fresh")
    assert (answer.status_code, document(answer)["errors"][0]["name"]) == (422, "key")


def test_a_table_that_is_there_is_appended_to_and_keeps_what_it_has(s: Surface) -> None:
    s.accepted("create=true&index=name")
    s.work()
    assert s.rows() == 3
    assert s.core.targets["default"].catalog().table("items").indexes == ()


def test_other_parameters_are_still_given_once(s: Surface) -> None:
    answer = s.load("create=true&key=id&key=name", table="fresh")
    assert answer.status_code == 422
    assert document(answer)["errors"] == [{"in": "query", "name": "key", "message": "given twice"}]


def test_where_only_the_whole_file_tells_its_columns_the_attempt_looks_for_them(s: Surface) -> None:
    rows = b'{"id":1}\n' * 300_000 + b'{"id":2,"name":"x"}\n'
    path = "/v1/tables/fresh/rows?create=true&index="
    good = s.call("POST", f"{path}name", data=rows, content_type="application/x-ndjson")
    assert good.status_code == 202, good.text
    s.call("POST", f"/v1/tasks/{document(good)['id']}/stop")
    wrong = s.call("POST", f"{path}nothing", data=rows, content_type="application/x-ndjson")
    s.work()
    assert s.task(document(wrong)["id"])["error"]["code"] == "invalid-arguments"


def test_a_stop_while_they_are_built_ends_the_building(s: Surface) -> None:
    """The phase says so; it is cancelled in the database, which would have taken a minute."""
    s.operators["default"].arm("create_indexes", Fault.slow, seconds=60)
    task_id = s.accepted("create=true&index=name", table="fresh")
    with s.at_work():
        until(lambda: s.task(task_id)["progress"]["phase"] == "indexing", "the indexes to be built")
        assert s.task(task_id)["progress"]["rows"] == 3
        assert s.call("POST", f"/v1/tasks/{task_id}/stop").status_code == 202
        until(lambda: s.task(task_id)["state"] == "stopped", "the stop")
    with pytest.raises(UnknownTable):
        indexes(s)


def test_where_a_table_is_made_before_its_transaction_nothing_is_left_to_build(s: Surface) -> None:
    place = s.operators["default"]
    s.replace("default", MemoryTarget("default", place.address, transactional_ddl=False))
    place.arm("create_indexes", Fault.refused)
    task_id = s.accepted("create=true&index=name", table="fresh")
    s.work()
    assert s.task(task_id)["state"] == "committed"
    assert indexes(s) == (("name",),)
    assert place.disarm() == ["create_indexes"]
