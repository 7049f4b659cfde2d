"""`/v1/tasks`: start, list, look at, stop and retry."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.support.api import Service

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def test_submit_answers_202_with_the_task(service: Service) -> None:
    answer = service.client.post("/v1/tasks", json={"task": "generate", "args": {"rows": 30, "seed": 7}})
    document = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == document["links"]["self"] == f"/v1/tasks/{document['id']}"
    assert answer.headers["retry-after"] == "1"
    assert document["task"] == "generate"
    assert document["args"] == {"table": "data", "rows": 30, "seed": 7}
    assert (document["state"], document["done"], document["stop_requested"]) == ("queued", False, False)
    assert (document["attempt"], document["targets"]) == (0, ["default"])
    assert TIME.fullmatch(document["created_at"])
    assert document["started_at"] is None
    assert document["finished_at"] is None
    assert document.keys().isdisjoint({"waiting_for", "protocol", "retry_of", "receipt", "error"})


def test_a_committed_task_has_its_receipt(service: Service) -> None:
    task_id = service.submit("generate", rows=30)
    service.work()
    document = service.task(task_id)
    assert (document["state"], document["done"], document["protocol"]) == ("committed", True, "one-phase")
    assert (document["receipt"]["rows_written"], document["receipt"]["protocol"]) == (30, "one-phase")
    assert len(document["receipt"]["branches"]) == 1
    assert document["progress"]["rows"] == 30
    assert document["progress"]["rows_per_second"] > 0
    assert TIME.fullmatch(document["started_at"])
    assert TIME.fullmatch(document["finished_at"])
    assert "error" not in document


def test_a_failed_task_has_its_problem(service: Service) -> None:
    service.sql("CREATE TABLE other (id INTEGER PRIMARY KEY)")
    task_id = service.submit("generate", table="other", rows=3)
    service.work()
    document = service.task(task_id)
    assert document["state"] == "failed"
    assert document["error"].keys() >= {"type", "title", "code", "detail", "advice"}
    assert document["error"]["code"] == "unknown-column"
    assert "receipt" not in document


def test_pages_newest_first_with_filters(service: Service) -> None:
    ids = [service.submit("generate", rows=n) for n in range(1, 6)]
    service.client.post(f"/v1/tasks/{ids[0]}/stop")
    seen: list[str] = []
    cursor = ""
    while True:
        page = service.client.get(f"/v1/tasks?limit=2{cursor}").json()
        seen += [task["id"] for task in page["tasks"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == ids[::-1]
    listed = service.client.get("/v1/tasks?state=stopped&task=generate").json()
    assert [task["id"] for task in listed["tasks"]] == [ids[0]]
    assert service.client.get("/v1/tasks?task=load").json() == {"tasks": [], "next": None}


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=501", "limit=x", "limit=1.0", "limit=1&limit=2"),
        *("state=gone", "task=", "cursor=!", "cursor=e30", "page=2"),
    ],
)
def test_wrong_parameters_of_the_list(service: Service, query: str) -> None:
    answer = service.client.get(f"/v1/tasks?{query}")
    assert answer.status_code == 422
    assert query.partition("=")[0] in {error["name"] for error in answer.json()["errors"]}


def test_etag_says_that_nothing_has_changed(service: Service) -> None:
    task_id = service.submit("generate", rows=5)
    first = service.client.get(f"/v1/tasks/{task_id}")
    again = service.client.get(f"/v1/tasks/{task_id}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    service.work()
    changed = service.client.get(f"/v1/tasks/{task_id}", headers={"If-None-Match": first.headers["etag"]})
    assert (changed.status_code, changed.json()["state"]) == (200, "committed")


def test_prefer_wait_answers_when_the_task_has_ended(service: Service) -> None:
    task_id = service.submit("generate", rows=5)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(service.client.get, f"/v1/tasks/{task_id}", headers={"Prefer": "wait=20"})
        service.work()
        answer = waiting.result()
    assert answer.json()["state"] == "committed"
    assert answer.headers["preference-applied"] == "wait=20"


def test_prefer_wait_ends_with_its_time(service: Service) -> None:
    task_id = service.submit("generate", rows=5)
    answer = service.client.get(f"/v1/tasks/{task_id}", headers={"Prefer": "respond-async, wait=0"})
    assert (answer.status_code, answer.json()["state"]) == (200, "queued")


def test_events_tell_the_history(service: Service) -> None:
    task_id = service.submit("generate", rows=5)
    service.work()
    events = service.client.get(f"/v1/tasks/{task_id}/events").json()["events"]
    assert [event["kind"] for event in events] == ["submitted", "running", "committing", "committed"]
    assert all(TIME.fullmatch(event["at"]) for event in events)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("POST", "/stop"), ("POST", "/retry"), ("GET", "/events"), ("GET", "/rejects")]
)
def test_case_15_unknown_id(service: Service, method: str, path: str) -> None:
    answer = service.client.request(method, f"/v1/tasks/01890000-0000-7000-8000-000000000000{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "unknown-id"


def test_case_16_stop_twice(service: Service) -> None:
    task_id = service.submit("generate", rows=5)
    for _ in range(2):
        answer = service.client.post(f"/v1/tasks/{task_id}/stop")
        assert answer.status_code == 202
        assert answer.headers["location"] == f"/v1/tasks/{task_id}"
        assert answer.json()["state"] == "stopped"
        assert "error" not in answer.json()
    assert service.work() == 0


def test_case_16_stop_after_commit_is_too_late(service: Service) -> None:
    task_id = service.submit("generate", rows=5)
    service.work()
    answer = service.client.post(f"/v1/tasks/{task_id}/stop")
    assert (answer.status_code, answer.json()["code"]) == (409, "too-late")


def test_case_16_stop_after_failure_is_finished(service: Service) -> None:
    service.sql("CREATE TABLE other (id INTEGER PRIMARY KEY)")
    task_id = service.submit("generate", table="other", rows=3)
    service.work()
    answer = service.client.post(f"/v1/tasks/{task_id}/stop")
    assert (answer.status_code, answer.json()["code"]) == (409, "finished")


def test_stop_of_a_running_task_waits_for_the_proof(service: Service) -> None:
    task_id = service.submit("generate", rows=50_000_000)
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(service.work)
        began = threading.Event()
        while not began.is_set():
            if service.client.get(f"/v1/tasks/{task_id}", headers={"Prefer": "wait=0"}).json()["progress"]["rows"]:
                began.set()
        answer = service.client.post(f"/v1/tasks/{task_id}/stop", headers={"Prefer": "wait=20"})
        working.result()
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=20"
    assert answer.json()["state"] == "stopped"
    assert service.client.get("/v1/tables").json() == {"tables": []}


def test_retry_makes_one_new_task(service: Service) -> None:
    task_id = service.submit("generate", rows=5)
    service.client.post(f"/v1/tasks/{task_id}/stop")
    first = service.client.post(f"/v1/tasks/{task_id}/retry")
    again = service.client.post(f"/v1/tasks/{task_id}/retry")
    assert first.status_code == again.status_code == 202
    assert first.json()["id"] == again.json()["id"] != task_id
    assert first.json()["retry_of"] == task_id
    assert len(service.tasks()) == 2


def test_retry_of_what_is_not_over(service: Service) -> None:
    task_id = service.submit("generate", rows=5)
    answer = service.client.post(f"/v1/tasks/{task_id}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "not-retryable")


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b'{"task": ', "application/json", 400, "bad-request"),
        (b'{"task": "clear", "args": {"table": NaN}}', "application/json", 400, "bad-request"),
        (b'{"task": "clear", "args": {"table": "\\ud800"}}', "application/json", 400, "bad-request"),
        (b"[" * 100_000, "application/json", 400, "bad-request"),
        (b"{}", "text/plain", 415, "unsupported-media-type"),
        (b"{}", "", 415, "unsupported-media-type"),
        (b"[]", "application/json", 422, "invalid-arguments"),
        (b"null", "application/json", 422, "invalid-arguments"),
        (b"{}", "application/json", 422, "invalid-arguments"),
        (b'{"task": "nope"}', "application/json", 422, "unknown-task"),
        (b'{"task": "generate", "args": {"row": 1}}', "application/json", 422, "invalid-arguments"),
        (b'{"task": "generate", "args": {"rows": "1"}}', "application/json", 422, "invalid-arguments"),
        (b'{"task": "generate", "args": {"rows": 1000000000000}}', "application/json", 422, "invalid-arguments"),
        (b'{"task": "load", "args": {"table": "t", "upload": "../x"}}', "application/json", 422, "unknown-upload"),
        (b'{"task": "clear", "args": {"table": "nope"}}', "application/json", 404, "unknown-table"),
        (b'{"task": "generate", "targets": ["a"]}', "application/json", 422, "invalid-arguments"),
        (b'{"task": "generate", "commit": "manual"}', "application/json", 422, "invalid-arguments"),
        (b'{"task": "generate", "dry_run": 1}', "application/json", 422, "invalid-arguments"),
        (b'{"task": "generate", "hold_seconds": 5}', "application/json", 422, "invalid-arguments"),
        (b" " * 2_000_000, "application/json", 413, "request-entity-too-large"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_case_17_wrong_bodies(service: Service, body: bytes, kind: str, status: int, code: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = service.client.post("/v1/tasks", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert service.tasks() == []


def test_case_19_same_key_other_body(service: Service) -> None:
    key = {"Idempotency-Key": "k1"}
    body: dict[str, Any] = {"task": "generate", "args": {"rows": 5}}
    first = service.client.post("/v1/tasks", json=body, headers=key)
    assert service.client.post("/v1/tasks", json=body, headers=key).json()["id"] == first.json()["id"]
    other = service.client.post("/v1/tasks", json=body | {"args": {"rows": 6}}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert len(service.tasks()) == 1


def test_case_19_two_at_once_make_one_task(service: Service) -> None:
    def submit(_: int) -> str:
        body = {"task": "generate", "args": {"rows": 5}}
        answer = service.client.post("/v1/tasks", json=body, headers={"Idempotency-Key": "k2"})
        assert answer.status_code == 202
        return str(answer.json()["id"])

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(submit, range(16)))) == 1
    assert len(service.tasks()) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9"])
def test_a_key_that_is_none(service: Service, key: str) -> None:
    body = {"task": "generate", "args": {"rows": 5}}
    answer = service.client.post("/v1/tasks", json=body, headers={b"Idempotency-Key": key.encode("latin-1")})
    assert answer.status_code == 422
    assert service.tasks() == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_case_18_other_sites_cannot_write(service: Service, site: str) -> None:
    task_id = service.submit("generate", rows=5)
    answer = service.client.post(f"/v1/tasks/{task_id}/stop", headers={"Sec-Fetch-Site": site})
    assert answer.status_code == 403
    assert service.task(task_id)["state"] == "queued"
