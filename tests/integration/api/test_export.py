"""Exports over HTTP: started, refused, downloaded whole and in parts."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pyarrow.parquet as pq
import pytest
from tests.support.api import Service

from rescind.domain.states import State
from rescind.errors import OutputGone
from rescind.ledger.engine import now

ROWS = [(1, "x", 1.5, None), (2, "", None, b"\x00\xff"), (3, '=1+1,"b"\nc', -0.5, b"")]
TEXT = b'"id","name","x","raw"\r\n1,"x",1.5,\r\n2,"",,"\\x00ff"\r\n3,"=1+1,""b""\nc",-0.5,"\\x"\r\n'


@pytest.fixture
def filled(service: Service) -> Service:
    """With a table `t`."""
    service.sql("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, x REAL, raw BLOB)")
    for row in ROWS:
        service.sql("INSERT INTO t VALUES (?, ?, ?, ?)", *row)
    return service


def exported(service: Service, **args: Any) -> dict[str, Any]:
    """The document of an export that has committed."""
    task_id = service.submit("export", **{"table": "t"} | args)
    service.work()
    task = service.task(task_id)
    assert task["state"] == State.committed, task
    return task


def download(service: Service, task: dict[str, Any], **headers: str) -> httpx.Response:
    return service.client.get(task["links"]["download"], headers=headers)


def file_of(service: Service, task: dict[str, Any]) -> Path:
    return service.settings.outputs_directory() / f"{task['id']}.{task['attempt']}.export"


def test_a_table_comes_as_csv_with_null_and_empty_text_told_apart(filled: Service) -> None:
    task = exported(filled)
    answer = download(filled, task)
    assert answer.content == TEXT
    assert list(csv.reader(io.StringIO(answer.text, newline="")))[3] == ["3", '=1+1,"b"\nc', "-0.5", "\\x"]
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["content-disposition"] == "attachment; filename=t.csv"
    assert (task["progress"]["rows"], task["progress"]["bytes"], task["args"]["format"]) == (3, len(TEXT), "csv")


def test_the_receipt_tells_of_the_file_and_of_the_marker(filled: Service) -> None:
    task = exported(filled)
    receipt = task["receipt"]
    (output,) = receipt["outputs"]
    assert (output["kind"], output["filename"], output["length"]) == ("export", "t.csv", len(TEXT))
    assert output["sha256"] == hashlib.sha256(TEXT).hexdigest()
    assert (receipt["rows_read"], receipt["rows_written"], receipt["result"]) == (3, 3, {"table": "t", "file": "t.csv"})
    assert [branch["rows"] for branch in receipt["branches"]] == [0]  # nothing was written to the database


def test_columns_and_limit_are_the_rows_that_are_asked_for(filled: Service) -> None:
    task = exported(filled, columns=["x", "id"], limit=2)
    assert download(filled, task).content == b'"x","id"\r\n1.5,1\r\n,2\r\n'


def test_ndjson(filled: Service) -> None:
    answer = download(filled, exported(filled, format="ndjson"))
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"] == "attachment; filename=t.ndjson"
    assert [json.loads(line) for line in answer.content.splitlines()] == [
        {"id": 1, "name": "x", "x": 1.5, "raw": None},
        {"id": 2, "name": "", "x": None, "raw": "AP8="},
        {"id": 3, "name": ROWS[2][1], "x": -0.5, "raw": ""},
    ]


def test_parquet(filled: Service) -> None:
    answer = download(filled, exported(filled, format="parquet"))
    assert answer.headers["content-disposition"] == "attachment; filename=t.parquet"
    found = pq.read_table(io.BytesIO(answer.content))
    assert [tuple(row.values()) for row in found.to_pylist()] == ROWS


def test_formulas_are_made_harmless_only_where_that_is_asked_for_and_the_file_is_called_so(filled: Service) -> None:
    answer = download(filled, exported(filled, spreadsheet=True))
    assert answer.content == TEXT.replace(b'"=1+1', b"\"'=1+1")
    assert answer.headers["content-disposition"] == "attachment; filename=t.spreadsheet.csv"


def test_an_empty_table_is_a_header(filled: Service) -> None:
    filled.sql("DELETE FROM t")
    assert download(filled, exported(filled)).content == b'"id","name","x","raw"\r\n'
    assert download(filled, exported(filled, format="ndjson")).content == b""


def test_a_name_that_is_not_ascii_is_there_in_both_forms(service: Service) -> None:
    service.sql('CREATE TABLE "größe €"(a INTEGER)')
    answer = download(service, exported(service, table="größe €"))
    given = "attachment; filename=groe.csv; filename*=UTF-8''gr%C3%B6%C3%9Fe.csv"  # RFC 6266
    assert answer.headers["content-disposition"] == given


@pytest.mark.parametrize(
    ("args", "status", "code"),
    [
        ({"table": "nowhere"}, 404, "unknown-table"),
        ({"table": "rescind_marker"}, 404, "unknown-table"),
        ({"columns": ["id", "nowhere"]}, 422, "unknown-column"),
        ({"columns": ["id", "id"]}, 422, "invalid-arguments"),
        ({"columns": []}, 422, "invalid-arguments"),
        ({"limit": 0}, 422, "invalid-arguments"),
        ({"format": "xlsx"}, 422, "invalid-arguments"),
        ({"format": "ndjson", "spreadsheet": True}, 422, "invalid-arguments"),
        ({"nonsense": 1}, 422, "invalid-arguments"),
    ],
)
def test_what_cannot_be_is_refused_at_once(filled: Service, args: dict[str, Any], status: int, code: str) -> None:
    answer = filled.client.post("/v1/tasks", json={"task": "export", "args": {"table": "t"} | args})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert filled.tasks() == []


def test_only_a_committed_task_can_be_downloaded_from(filled: Service) -> None:
    task_id = filled.submit("export", table="t")
    path = f"/v1/tasks/{task_id}/download"
    early = filled.client.get(path)
    assert (early.status_code, early.json()["code"]) == (409, "not-committed")
    assert "download" not in filled.task(task_id)["links"]
    filled.client.post(f"/v1/tasks/{task_id}/stop")
    stopped = filled.client.get(path)
    assert (stopped.status_code, stopped.json()["code"]) == (409, "not-committed")
    assert "stopped" in stopped.json()["detail"]


def test_a_task_without_a_file_and_no_task_at_all(filled: Service) -> None:
    task_id = filled.submit("generate", table="g", rows=1)
    filled.work()
    assert "download" not in filled.task(task_id)["links"]
    answer = filled.client.get(f"/v1/tasks/{task_id}/download")
    assert (answer.status_code, answer.json()["code"]) == (404, "no-output")
    task = exported(filled)
    assert filled.client.get(task["links"]["download"] + "?kind=rejects").json()["code"] == "no-output"
    assert filled.client.get(task["links"]["download"] + "?kind=export").content == TEXT
    assert filled.client.get("/v1/tasks/nothing/download").json()["code"] == "unknown-id"


@pytest.mark.parametrize("asked", ["bytes=0-0", "bytes=5-", "bytes=-5", "bytes=3-9", f"bytes=0-{len(TEXT) * 2}"])
def test_a_part_is_the_part_that_was_asked_for(filled: Service, asked: str) -> None:
    task = exported(filled)
    answer = download(filled, task, Range=asked)
    assert answer.status_code == 206
    first, last = answer.headers["content-range"].removeprefix("bytes ").partition("/")[0].split("-")
    assert answer.content == TEXT[int(first) : int(last) + 1]
    assert answer.headers["content-range"].endswith(f"/{len(TEXT)}")


def test_parts_put_together_are_the_file(filled: Service) -> None:
    task = exported(filled)
    tag = download(filled, task).headers["etag"]
    whole = b""
    while len(whole) < len(TEXT):
        part = download(filled, task, **{"Range": f"bytes={len(whole)}-{len(whole) + 9}", "If-Range": tag})
        assert part.status_code == 206
        whole += part.content
    assert whole == TEXT


def test_of_another_file_the_whole_is_sent(filled: Service) -> None:
    answer = download(filled, exported(filled), **{"Range": "bytes=5-", "If-Range": '"another"'})
    assert (answer.status_code, answer.content) == (200, TEXT)


@pytest.mark.parametrize("asked", [f"bytes={len(TEXT)}-", "bytes=9-3"])
def test_a_part_that_is_not_there_is_416(filled: Service, asked: str) -> None:
    answer = download(filled, exported(filled), Range=asked)
    assert answer.status_code == 416
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers.get("content-range", f"bytes */{len(TEXT)}") == f"bytes */{len(TEXT)}"


def test_head_says_what_get_would_say(filled: Service) -> None:
    task = exported(filled)
    head = filled.client.head(task["links"]["download"], headers={"Range": "bytes=0-0"})
    whole = download(filled, task)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "etag", "repr-digest", "content-disposition", "accept-ranges", "last-modified"):
        assert head.headers[name] == whole.headers[name]
    assert head.headers["content-length"] == str(len(TEXT))


def test_the_digest_and_the_tag_are_those_of_the_bytes(filled: Service) -> None:
    task = exported(filled)
    answer = download(filled, task)
    digest = base64.b64encode(hashlib.sha256(TEXT).digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert download(filled, task, **{"If-None-Match": answer.headers["etag"]}).status_code == 304


@pytest.mark.parametrize("content", [None, TEXT[:-1], b"x" + TEXT[1:]])
def test_a_file_that_is_gone_or_changed_is_410_and_says_why(filled: Service, content: bytes | None) -> None:
    task = exported(filled)
    path = file_of(filled, task)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    answer = download(filled, task)
    assert (answer.status_code, answer.json()["code"]) == (410, "output-gone")
    assert answer.json()["detail"].startswith(f"The file that task {task['id']} made")
    assert answer.json()["advice"] == OutputGone.advice


def test_only_the_committed_attempts_file_is_served(filled: Service) -> None:
    task = exported(filled)
    other = file_of(filled, task).with_name(f"{task['id']}.2.export")
    other.write_bytes(b"of a zombie")
    assert download(filled, task).content == TEXT
    file_of(filled, task).unlink()
    assert download(filled, task).status_code == 410


def test_a_dry_run_says_what_it_would_make_and_leaves_nothing(filled: Service) -> None:
    body = {"task": "export", "args": {"table": "t"}, "dry_run": True}
    task_id = filled.client.post("/v1/tasks", json=body).json()["id"]
    with filled.worker() as worker:
        worker.drain()
        task = filled.task(task_id)
        assert (task["state"], task["receipt"]["outputs"][0]["length"]) == (State.checked, len(TEXT))
        assert filled.client.get(f"/v1/tasks/{task_id}/download").status_code == 409
        assert worker.outputs.sweep(now()) == 1
    assert not file_of(filled, task).exists()


def test_what_sqlite_cannot_hold_is_refused_with_422(filled: Service) -> None:
    body = {"task": "export", "args": {"table": "t"}, "commit": "manual"}
    answer = filled.client.post("/v1/tasks", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["name"]) == (422, "commit")


def test_the_files_time_is_the_receipts(filled: Service) -> None:
    task = exported(filled)
    os.utime(file_of(filled, task))
    assert download(filled, task).content == TEXT  # read again, and found to be the same


def failed(service: Service, **args: Any) -> dict[str, Any]:
    """The error of an export that has failed, and offers nothing."""
    task_id = service.submit("export", **{"table": "t"} | args)
    service.work()
    task = service.task(task_id)
    assert (task["state"], "download" in task["links"]) == (State.failed, False)
    assert service.client.get(f"/v1/tasks/{task_id}/download").json()["code"] == "not-committed"
    assert list(service.settings.outputs_directory().glob(f"*{task_id}*")) == []
    error: dict[str, Any] = task["error"]
    return error


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
@pytest.mark.parametrize("value", ["CAST(x'6180' AS TEXT)", "x'6162'"])
def test_a_value_that_cannot_be_written_as_it_is_ends_the_export_and_is_named(
    filled: Service, form: str, value: str
) -> None:
    filled.sql(f"INSERT INTO t VALUES (9, {value}, NULL, NULL)")
    error = failed(filled, format=form)
    assert error["code"] == "unwritable"
    assert error["detail"].startswith("Row 4 of table 't', ")
    assert "column 'name'" in error["detail"]
    assert "columns=" in error["advice"]
    assert filled.client.get("/v1/tables/t/rows").json()["rows"][3]["id"] == 9  # to be looked at it is there
    assert exported(filled, format=form, columns=["id", "x", "raw"])["receipt"]["rows_read"] == 4


def test_a_value_of_another_type_is_csv_as_it_is_stored_and_nothing_in_a_file_with_types(filled: Service) -> None:
    filled.sql("INSERT INTO t VALUES (9, 'n', 'abc', NULL)")
    assert download(filled, exported(filled)).content.splitlines()[-1] == b'9,"n","abc",'
    for form in ("ndjson", "parquet"):
        error = failed(filled, format=form)
        assert error["code"] == "unwritable"
        assert error["detail"].startswith("Row 4 of table 't', ")
        assert "holds 'abc' in column 'x', which is real" in error["detail"]
