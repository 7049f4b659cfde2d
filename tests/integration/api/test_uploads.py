"""`POST /v1/tables/{table}/rows`: a file into a table."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.client
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx2 as httpx
import pytest
from tests.support.api import Service
from tests.support.waiting import until

CSV = {"Content-Type": "text/csv"}
FILE = b"a,b\n1,x\n2,y\n"
TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b TEXT)"


def load(service: Service, path: str, content: bytes, **headers: str) -> httpx.Response:
    return service.client.post(f"/v1/tables/{path}", content=content, headers=CSV | headers)


def uploads(service: Service) -> list[str]:
    directory = service.settings.uploads_directory()
    return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


@pytest.fixture(autouse=True)
def no_uploads(service: Service) -> None:
    for name in uploads(service):
        (service.settings.uploads_directory() / name).unlink()


def test_raw_body_into_a_table(service: Service) -> None:
    service.sql(TABLE)
    answer = load(service, "t/rows?count=true", FILE)
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/tasks/{answer.json()['id']}"
    service.work()
    receipt = service.task(answer.json()["id"])["receipt"]
    assert (receipt["rows_read"], receipt["rows_written"], receipt["rows_rejected"]) == (2, 2, 0)
    assert receipt["input_digest"] == hashlib.sha256(FILE).hexdigest()
    assert receipt["counts"] == {"before": 0, "after": 2}
    assert service.sql("SELECT a, b FROM t ORDER BY id") == [(1, "x"), (2, "y")]


@pytest.mark.parametrize("kind", ["application/octet-stream", "application/csv", "text/csv; charset=UTF-8", ""])
def test_create_from_what_is_taken_for_csv(service: Service, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = service.client.post("/v1/tables/new/rows?create=true", content=FILE, headers=headers)
    assert answer.status_code == 202
    service.work()
    assert service.sql("SELECT a, b FROM new") == [(1, "x"), (2, "y")]


@pytest.mark.parametrize("headers", [{"Content-Encoding": "gzip"}, {"Content-Type": "application/gzip"}, {}])
def test_the_content_says_that_it_is_gzip(service: Service, headers: dict[str, str]) -> None:
    assert load(service, "new/rows?create=true", gzip.compress(FILE), **headers).status_code == 202
    service.work()
    assert service.sql("SELECT a, b FROM new") == [(1, "x"), (2, "y")]


def test_a_form_with_a_file(service: Service) -> None:
    content = b"a,b\n" + b"".join(b"%d,--%s\r\n" % (n, b"-" * 60) for n in range(30_000))
    answer = service.client.post("/v1/tables/new/rows?create=true", files={"file": ("flüge.csv", content, "text/csv")})
    assert answer.status_code == 202
    service.work()
    digest = hashlib.sha256(content).hexdigest()
    assert service.task(answer.json()["id"])["receipt"]["input_digest"] == digest


@pytest.mark.parametrize(
    "files",
    [
        [("file", ("a.csv", FILE)), ("file", ("b.csv", FILE))],
        [("other", ("a.csv", FILE))],
        [("file", ("a.csv", FILE)), ("table", (None, b"x"))],
    ],
)
def test_a_form_with_anything_else(service: Service, files: list[tuple[str, tuple[str | None, bytes]]]) -> None:
    answer = service.client.post("/v1/tables/new/rows?create=true", files=files)
    assert answer.status_code == 422
    assert (service.tasks(), uploads(service)) == ([], [])


@pytest.mark.parametrize(
    "name", ["nope", "rescind_marker", "RESCIND_MARKER", "sqlite_master", 'a"%3Bdrop table data--']
)
def test_case_01_and_20_unknown_and_forbidden_tables(service: Service, name: str) -> None:
    answer = load(service, f"{name}/rows", FILE)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-table")
    assert (service.tasks(), uploads(service)) == ([], [])


@pytest.mark.parametrize("name", ["rescind_marker", "Rescind_new", "sqlite_master", "sqlite_new"])
def test_case_20_forbidden_tables_are_not_created(service: Service, name: str) -> None:
    answer = load(service, f"{name}/rows?create=true", FILE)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-table")
    assert (service.tasks(), uploads(service)) == ([], [])


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"a,b,c\n1,2,3\n", "unknown-column"),  # case 2
        (b"b\nx\n", "missing-column"),  # case 3
        (b"", "invalid-header"),  # case 6
        (b"a,a\n1,2\n", "invalid-header"),  # case 8
        (b"a,\n1,2\n", "invalid-header"),  # case 8
        (gzip.compress(FILE)[:12], "input-truncated"),  # case 9
        (b"a,\xff\n1,2\n", "invalid-encoding"),  # case 12
    ],
)
def test_case_02_to_12_what_the_first_bytes_show(service: Service, content: bytes, code: str) -> None:
    service.sql(TABLE)
    answer = load(service, "t/rows", content)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (service.tasks(), uploads(service)) == ([], [])


def test_case_07_header_only_commits_no_rows(service: Service) -> None:
    service.sql(TABLE)
    task_id = load(service, "t/rows", b"a,b\n").json()["id"]
    service.work()
    assert service.task(task_id)["state"] == "committed"
    assert service.sql("SELECT count(*) FROM t") == [(0,)]


def test_case_04_rejects_as_json_and_csv(service: Service) -> None:
    service.sql(TABLE)
    task_id = load(service, "t/rows", b"a,b\n1,x\nzwei,y\n3,z\nvier,w\n").json()["id"]
    service.work()
    assert service.task(task_id)["error"]["code"] == "rows-rejected"
    rejects = service.client.get(f"/v1/tasks/{task_id}/rejects").json()
    assert rejects["total"] == 2
    assert [(r["record"], r["column"], r["value"]) for r in rejects["rejects"]] == [(2, "a", "zwei"), (4, "a", "vier")]
    text = service.client.get(f"/v1/tasks/{task_id}/rejects", headers={"Accept": "text/csv"}).text
    assert text.splitlines()[0] == "record,column,value,reason"
    assert text.splitlines()[1].startswith("2,a,zwei,")
    assert service.sql("SELECT count(*) FROM t") == [(0,)]


@pytest.mark.parametrize(
    "query",
    [
        *("target=x", "targets=x", "committed=auto", "dry=true", "mode=merge", "key=a", "index=a", "columns=c:a"),
        *("ignore=c", "on_error=ignore", "max_rejects=1", "format=pdf", "delimiter=ab", "sheet=x", "writers=2"),
        *("anything=1", "create=maybe", "create=1", "create="),
    ],
)
def test_parameters_that_are_not_known_or_cannot_be_are_named(service: Service, query: str) -> None:
    service.sql(TABLE)
    answer = load(service, f"t/rows?{query}", FILE)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["name"] == query.partition("=")[0]
    assert (service.tasks(), uploads(service)) == ([], [])


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/pdf"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "text/csv; charset=nonsense"},
        {"Content-Encoding": "br"},
    ],
)
def test_case_17_types_that_cannot_be_read(service: Service, headers: dict[str, str]) -> None:
    answer = load(service, "new/rows?create=true", FILE, **headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")
    assert (service.tasks(), uploads(service)) == ([], [])


@pytest.mark.parametrize("form", [False, True])
def test_case_10_body_shorter_than_declared(service: Service, form: bool) -> None:
    kind = "multipart/form-data; boundary=xx" if form else "text/csv"
    body = b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\na,b\r\n' if form else FILE
    line = "POST /v1/tables/new/rows?create=true HTTP/1.1"
    head = f"{line}\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 999\r\n\r\n"
    with closing(socket.create_connection(("127.0.0.1", service.settings.port))) as client:
        client.sendall(head.encode() + body)
        client.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert answer.status == 400
        assert json.loads(answer.read())["code"] == "upload-incomplete"
    assert (service.tasks(), uploads(service)) == ([], [])


def test_case_10_client_gone(service: Service) -> None:
    head = b"POST /v1/tables/new/rows?create=true HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n"
    with closing(socket.create_connection(("127.0.0.1", service.settings.port))) as client:
        client.sendall(head + FILE)
        until(lambda: any(name.endswith(".part") for name in uploads(service)), "the upload to begin")
    until(lambda: not uploads(service), "the upload to be given up")
    assert service.tasks() == []


def pieces() -> Iterator[bytes]:
    """A body that httpx sends chunked."""
    yield FILE[:5]
    yield FILE[5:]


def digest(content: bytes) -> dict[str, str]:
    return {"Content-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"}


def test_chunked_with_a_digest(service: Service) -> None:
    url = "/v1/tables/new/rows?create=true"
    assert service.client.post(url, content=pieces(), headers=CSV | digest(FILE)).status_code == 202
    wrong = service.client.post(url, content=pieces(), headers=CSV | digest(b"other"))
    assert (wrong.status_code, wrong.json()["code"]) == (400, "upload-incomplete")


def test_chunked_without_a_digest(service: Service) -> None:
    answer = service.client.post("/v1/tables/new/rows?create=true", content=pieces(), headers=CSV)
    assert (answer.status_code, answer.json()["code"]) == (411, "length-required")
    assert service.tasks() == []


def test_case_19_an_upload_sent_again_is_kept_once(service: Service) -> None:
    path, key = "new/rows?create=true", "u1"
    first = load(service, path, FILE, **{"Idempotency-Key": key})
    assert load(service, path, FILE, **{"Idempotency-Key": key}).json()["id"] == first.json()["id"]
    other = load(service, path, FILE + b"3,z\n", **{"Idempotency-Key": key})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert len(service.tasks()) == 1
    assert uploads(service) == [first.json()["args"]["upload"]]


def test_case_19_two_uploads_at_once_make_one_task(service: Service) -> None:
    def send(_: int) -> str:
        return str(load(service, "new/rows?create=true", FILE, **{"Idempotency-Key": "u2"}).json()["id"])

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(send, range(8)))) == 1
    assert len(service.tasks()) == 1
    assert len(uploads(service)) == 1


def test_refused_before_the_bytes_have_travelled(service: Service) -> None:
    answer = load(service, "nope/rows", b"a\n" + b"1\n" * 20_000_000)
    assert answer.status_code == 404
