"""A file of any format, in one request, into a table."""

from __future__ import annotations

import bz2
import gzip
import lzma

import pyarrow as pa
import pytest
from backports import zstd
from tests.support import formats
from tests.support.api import Service
from tests.support.workbooks import ods, xlsx

TABLE = pa.table({"a": [1, 2], "b": ["x", None]})
LINES = b'{"a":1,"b":"x"}\n{"a":2}\n'
ROWS: list[list[object]] = [["a", "b"], [1, "x"], [2, None]]
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

FILES = {
    "TSV": (b"a\tb\n1\tx\n2\t\n", {"Content-Type": "text/tab-separated-values"}),
    "NDJSON": (LINES, {"Content-Type": "application/x-ndjson"}),
    "NDJSON, gzip": (gzip.compress(LINES), {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}),
    "NDJSON, zstd": (zstd.compress(LINES), {"Content-Type": "application/x-ndjson", "Content-Encoding": "zstd"}),
    "NDJSON, bzip2": (bz2.compress(LINES), {"Content-Type": "application/x-bzip2"}),
    "NDJSON, xz": (lzma.compress(LINES), {}),
    "JSON": (b'[{"a":1,"b":"x"},{"a":2}]', {"Content-Type": "application/json"}),
    "Parquet": (formats.parquet(TABLE), {"Content-Type": "application/vnd.apache.parquet"}),
    "Parquet, called CSV": (formats.parquet(TABLE), {"Content-Type": "text/csv"}),
    "Arrow file": (formats.arrow(TABLE), {"Content-Type": "application/vnd.apache.arrow.file"}),
    "Arrow stream": (formats.arrow(TABLE, stream=True), {"Content-Type": "application/vnd.apache.arrow.stream"}),
    "XLSX": (xlsx(ROWS), {"Content-Type": SHEET}),
    "ODS": (ods(ROWS), {"Content-Type": "application/vnd.oasis.opendocument.spreadsheet"}),
}


@pytest.mark.parametrize(("content", "headers"), FILES.values(), ids=list(FILES))
@pytest.mark.parametrize("made", [True, False])
def test_each_format_is_loaded(service: Service, content: bytes, headers: dict[str, str], made: bool) -> None:
    if not made:
        service.sql("CREATE TABLE t (a INTEGER NOT NULL, b TEXT, c TEXT DEFAULT 'c')")
    answer = service.client.post("/v1/tables/t/rows?create=true", content=content, headers=headers)
    assert answer.status_code == 202, answer.text
    service.work()
    receipt = service.task(answer.json()["id"])["receipt"]
    assert (receipt["rows_read"], receipt["rows_written"]) == (2, 2)
    assert service.sql("SELECT a, b FROM t ORDER BY a") == [(1, "x"), (2, None)]


@pytest.mark.parametrize(
    ("content", "headers", "message"),
    [
        (b"a,b\n1,x\n", {"Content-Type": SHEET}, "should be XLSX"),
        (b'[{"a":1}}', {}, "closing bracket"),
        (formats.parquet(TABLE)[:-9], {}, "Parquet"),
        (zstd.compress(LINES)[:-9], {}, "ends too early"),
    ],
)
def test_what_can_be_seen_at_once_is_answered_at_once(
    service: Service, content: bytes, headers: dict[str, str], message: str
) -> None:
    answer = service.client.post("/v1/tables/new/rows?create=true", content=content, headers=headers)
    assert (answer.status_code, service.tasks()) == (422, [])
    assert message in answer.json()["detail"]


def test_a_column_that_only_the_whole_file_has_is_not_missed_at_once(service: Service) -> None:
    service.sql("CREATE TABLE t (a INTEGER, b TEXT NOT NULL)")
    content = b'{"a":1}\n' * 300_000 + b'{"b":"x"}\n'
    answer = service.client.post("/v1/tables/t/rows", content=content, headers={})
    assert answer.status_code == 202
    service.work()
    assert service.task(answer.json()["id"])["state"] == "failed"  # b is NULL in all rows but the last
    assert service.sql("SELECT count(*) FROM t") == [(0,)]


def test_case_c14_a_nested_column_is_named_and_nothing_is_made(service: Service) -> None:
    content = formats.parquet(pa.table({"a": [1], "d": pa.array([{"e": 1}])}))
    answer = service.client.post("/v1/tables/new/rows?create=true", content=content, headers={})
    service.work()
    task = service.task(answer.json()["id"])
    assert task["state"] == "failed"
    assert "Column 'd.e' of the file is nested" in task["error"]["detail"]
    assert service.sql("SELECT name FROM sqlite_master WHERE name = 'new'") == []


def test_a_type_of_no_known_format_is_refused_with_those_that_are(service: Service) -> None:
    answer = service.client.post(
        "/v1/tables/t/rows?create=true", content=b"%PDF", headers={"Content-Type": "application/pdf"}
    )
    assert answer.status_code == 415
    for name in ("CSV (text/csv)", "Parquet (application/vnd.apache.parquet)", f"XLSX ({SHEET})"):
        assert name in answer.json()["detail"]
