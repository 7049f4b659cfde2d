"""`/v1/tables` and `/v1/targets`: what there is, its rows, and clearing them."""

from __future__ import annotations

import csv
import io
import json

import pytest
from tests.support.api import Service

ROWS = [(1, "x", 1.5, None), (2, "", None, b"\x00\xff"), (3, 'a,"b"\nc', -0.0, b"")]


@pytest.fixture
def filled(service: Service) -> Service:
    service.sql("CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(9) NOT NULL DEFAULT '?', x REAL, raw BLOB)")
    for row in ROWS:
        service.sql("INSERT INTO t VALUES (?, ?, ?, ?)", *row)
    return service


def test_tables_without_our_own(filled: Service) -> None:
    filled.sql("CREATE TABLE rescind_other (a)")
    assert filled.client.get("/v1/tables").json() == {"tables": ["t"]}


def test_a_table_shows_its_columns(filled: Service) -> None:
    table = filled.client.get("/v1/tables/t").json()
    assert (table["name"], table["key"]) == ("t", ["id"])
    assert [column["name"] for column in table["columns"]] == ["id", "name", "x", "raw"]
    assert table["columns"][1] == {
        "name": "name",
        "type": "text",
        "declared": "VARCHAR(9)",
        "nullable": False,
        "optional": True,
        "limits": {},
    }


def test_rows_of_every_type_go_through_a_page_to_the_next(service: Service) -> None:
    service.sql("CREATE TABLE e (u BIGINT UNSIGNED, m TIME, z TIMESTAMPTZ, d NUMERIC, j JSON TEXT, k UUID PRIMARY KEY)")
    key = "0192f0c0-0000-7000-8000-00000000abc"
    odd = '{"a": 1e400, "a": 123456789012345678901.50}'
    row = (7, "01:02:03.5", "2024-01-01 00:00:00+00:00", 1.25, odd)
    for n in range(3):
        service.sql("INSERT INTO e VALUES (?, ?, ?, ?, ?, ?)", *row, f"{key}{n}")
    page = service.client.get("/v1/tables/e/rows?limit=2")
    said = f'{{"u":7,"m":"01:02:03.500000","z":"2024-01-01T00:00:00Z","d":"1.25","j":{odd},"k":"{key}'
    assert page.text.startswith(f'{{"rows":[{said}0"}},{said}1"}}],"next":"')
    rest = service.client.get(page.links["next"]["url"])
    assert rest.text == f'{{"rows":[{said}2"}}],"next":null}}\n'
    columns = service.client.get("/v1/tables/e").json()["columns"]
    assert (columns[0]["type"], columns[0]["limits"]) == ("unsigned", {"maximum": 2**63 - 1})


def test_count(filled: Service) -> None:
    assert filled.client.get("/v1/tables/t/count").json() == {"count": 3}


def test_rows_as_json(filled: Service) -> None:
    assert filled.client.get("/v1/tables/t/rows").json() == {
        "rows": [
            {"id": 1, "name": "x", "x": 1.5, "raw": None},
            {"id": 2, "name": "", "x": None, "raw": "AP8="},
            {"id": 3, "name": 'a,"b"\nc', "x": 0.0, "raw": ""},
        ],
        "next": None,
    }


def test_rows_as_ndjson(filled: Service) -> None:
    answer = filled.client.get("/v1/tables/t/rows", headers={"Accept": "application/x-ndjson"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["name"] for line in answer.text.splitlines()] == ["x", "", 'a,"b"\nc']


def test_rows_as_csv_tell_null_from_empty(filled: Service) -> None:
    answer = filled.client.get("/v1/tables/t/rows", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.splitlines()[:3] == ['"id","name","x","raw"', '1,"x",1.5,', r'2,"",,"\x00ff"']
    assert list(csv.reader(io.StringIO(answer.text)))[3][1] == 'a,"b"\nc'


def test_rows_as_something_else(filled: Service) -> None:
    answer = filled.client.get("/v1/tables/t/rows", headers={"Accept": "application/xml"})
    assert (answer.status_code, answer.json()["code"]) == (406, "not-acceptable")


def test_pages_of_rows(filled: Service) -> None:
    first = filled.client.get("/v1/tables/t/rows?limit=2")
    assert [row["id"] for row in first.json()["rows"]] == [1, 2]
    assert first.headers["link"].endswith('; rel="next"')
    following = first.headers["link"].partition(">")[0].lstrip("<")
    second = filled.client.get(following)
    assert [row["id"] for row in second.json()["rows"]] == [3]
    assert second.json()["next"] is None
    assert "link" not in second.headers
    assert second.json() == filled.client.get(f"/v1/tables/t/rows?limit=9&cursor={first.json()['next']}").json()


def test_a_page_that_ends_with_the_table_is_the_last(filled: Service) -> None:
    answer = filled.client.get("/v1/tables/t/rows?limit=3", headers={"Accept": "application/x-ndjson"})
    assert len(answer.text.splitlines()) == 3
    assert "link" not in answer.headers


def test_pages_by_a_key_of_two_columns(service: Service) -> None:
    service.sql("CREATE TABLE k (d DATE, n INTEGER, PRIMARY KEY (d, n)) WITHOUT ROWID")
    for day in ("2026-01-02", "2026-01-01"):
        for n in (2, 1, 3):
            service.sql("INSERT INTO k VALUES (?, ?)", day, n)
    seen = []
    path: str | None = "/v1/tables/k/rows?limit=2"
    while path is not None:
        answer = service.client.get(path)
        seen += [(row["d"], row["n"]) for row in answer.json()["rows"]]
        path = answer.links["next"]["url"] if "next" in answer.links else None
    assert seen == [(day, n) for day in ("2026-01-01", "2026-01-02") for n in (1, 2, 3)]


def test_no_cursor_without_a_key(service: Service) -> None:
    service.sql("CREATE TABLE heap (a)")
    service.sql("INSERT INTO heap VALUES (1), (2)")
    assert service.client.get("/v1/tables/heap/rows?limit=1").json() == {"rows": [{"a": "1"}], "next": None}
    answer = service.client.get("/v1/tables/heap/rows?limit=1&cursor=WzFd")
    assert (answer.status_code, answer.json()["code"]) == (409, "no-key")


@pytest.mark.parametrize("query", ["limit=0", "limit=10001", "limit=-1", "cursor=%F0", "cursor=W10", "offset=1"])
def test_wrong_parameters_of_rows(filled: Service, query: str) -> None:
    assert filled.client.get(f"/v1/tables/t/rows?{query}").status_code == 422


def test_head_of_rows_opens_nothing(filled: Service) -> None:
    answer = filled.client.head("/v1/tables/t/rows")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("name", ["nope", "rescind_marker", "sqlite_master", 'a"%3Bdrop table data--', "T"])
@pytest.mark.parametrize(
    ("method", "tail"), [("GET", ""), ("GET", "/count"), ("GET", "/rows"), ("DELETE", "/rows"), ("POST", "/rows")]
)
def test_case_20_tables_that_nobody_sees(filled: Service, name: str, method: str, tail: str) -> None:
    answer = filled.client.request(method, f"/v1/tables/{name}{tail}")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-table")
    assert filled.tasks() == []
    assert filled.sql("SELECT count(*) FROM t") == [(3,)]


def test_clear(filled: Service) -> None:
    answer = filled.client.delete("/v1/tables/t/rows")
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/tasks/{answer.json()['id']}"
    filled.work()
    receipt = filled.task(answer.json()["id"])["receipt"]
    assert receipt["result"] == {"rows_deleted": 3}
    assert receipt["counts"] == {"before": 3, "after": 0}
    assert filled.sql("SELECT count(*) FROM t") == [(0,)]


def test_targets_have_their_cards(service: Service) -> None:
    (target,) = service.client.get("/v1/targets").json()["targets"]
    assert target["name"] == "default"
    assert target["capabilities"]["database"].startswith("SQLite 3.")
    assert target["capabilities"]["one_phase"]["grade"] == "full"
    assert target["capabilities"]["two_phase"]["reason"]
