"""The demo's endpoints: each as its table says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from tests.support.api import Service


@contextmanager
def working(service: Service) -> Iterator[None]:
    """A worker that runs beside the test, for requests that wait."""
    done = threading.Event()

    def run() -> None:
        with service.worker() as worker:
            while not done.wait(0.02):
                worker.drain()

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(run)
        try:
            yield
        finally:
            done.set()
            working.result()


def test_root_greets_programs_in_json_and_browsers_with_a_page(service: Service) -> None:
    answer = service.client.get("/")
    assert answer.status_code == 200
    assert answer.json()["success"] is True
    page = service.client.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html")
    assert "/docs" in page.text


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_insert_queues_generate(service: Service, method: str) -> None:
    answer = service.client.request(method, "/insert/250")
    body = answer.json()
    assert answer.status_code == 202
    assert body["success"] is True
    assert answer.headers["location"] == f"/v1/tasks/{body['task_id']}"
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["cache-control"] == "no-store"
    service.work()
    assert service.task(body["task_id"])["state"] == "committed"
    assert service.sql("SELECT count(*), min(length(field1)) >= 8, max(length(field2)) <= 12 FROM data") == [
        (250, 1, 1)
    ]


def test_insert_without_num_makes_a_hundred_thousand(service: Service) -> None:
    task_id = service.client.get("/insert").json()["task_id"]
    assert service.task(task_id)["args"]["rows"] == 100_000


@pytest.mark.parametrize("path", ["/insert", "/dpd_insert"])
@pytest.mark.parametrize("num", ["0", "-1", "1000000000000", "abc", "1.5", "٣", "9" * 2000])
def test_case_14_num_out_of_bounds(service: Service, path: str, num: str) -> None:
    answer = service.client.get(f"{path}/{num}")
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid-arguments"
    assert service.tasks() == []


def test_waiting_insert_answers_when_committed(service: Service) -> None:
    with working(service):
        answer = service.client.get("/dpd_insert/300")
    assert answer.status_code == 200
    assert answer.json().keys() == {"success", "message", "task_id"}
    assert answer.headers["deprecation"].startswith("@")
    assert 'rel="successor-version"' in answer.headers["link"]
    assert service.sql("SELECT count(*) FROM data") == [(300,)]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_stop_of_a_queued_task_and_status(service: Service, method: str) -> None:
    task_id = service.client.get("/insert/10").json()["task_id"]
    assert service.client.get(f"/status/{task_id}").json() == {
        "success": True,
        "task_id": task_id,
        "status": "PENDING",
        "state": "queued",
        "rows": 0,
    }
    stopped = service.client.request(method, f"/stop/{task_id}")
    assert stopped.status_code == 202
    assert stopped.json()["task_id"] == task_id
    status = service.client.get(f"/status/{task_id}").json()
    assert (status["status"], status["state"]) == ("REVOKED", "stopped")
    assert service.work() == 0


def test_status_of_a_committed_task(service: Service) -> None:
    task_id = service.client.get("/insert/10").json()["task_id"]
    service.work()
    status = service.client.get(f"/status/{task_id}").json()
    assert (status["status"], status["state"], status["rows"]) == ("SUCCESS", "committed", 10)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_delete_all_says_how_many(service: Service, method: str) -> None:
    service.client.get("/insert/40")
    service.work()
    with working(service):
        answer = service.client.request(method, "/delete_all")
    assert answer.status_code == 200
    assert answer.json()["success"] is True
    assert answer.json()["num_rows_deleted"] == 40
    assert service.sql("SELECT count(*) FROM data") == [(0,)]


def test_delete_all_before_there_is_a_table(service: Service) -> None:
    with working(service):
        assert service.client.get("/delete_all").json()["num_rows_deleted"] == 0


def test_get_data_and_its_count(service: Service) -> None:
    assert service.client.get("/get_data").json() == {"success": True, "count": 0, "data": []}
    assert service.client.get("/get_data/count").json() == {"success": True, "count": 0}
    service.client.get("/insert/120")
    service.work()
    body = service.client.get("/get_data").json()
    assert body["success"] is True
    assert body["count"] == 120
    rows = service.sql("SELECT id, field1, field2 FROM data ORDER BY id")
    assert body["data"] == [{"id": row[0], "field1": row[1], "field2": row[2]} for row in rows]
    assert service.client.get("/get_data/count").json() == {"success": True, "count": 120}


@pytest.mark.parametrize("path", ["/stop/nobody", "/status/nobody"])
def test_case_15_unknown_id(service: Service, path: str) -> None:
    answer = service.client.get(path)
    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown-id"


@pytest.mark.parametrize("path", ["/insert", "/insert/5", "/dpd_insert/5", "/stop/1", "/delete_all"])
def test_case_18_head_changes_nothing(service: Service, path: str) -> None:
    answer = service.client.head(path)
    assert answer.status_code == 405
    assert "HEAD" not in answer.headers["allow"]
    assert service.tasks() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Purpose": "prefetch;prerender"},
        {"Purpose": "prefetch"},
    ],
)
@pytest.mark.parametrize("path", ["/insert/5", "/dpd_insert/5", "/stop/1", "/delete_all"])
def test_case_18_other_sites_and_prefetch_change_nothing(service: Service, path: str, headers: dict[str, str]) -> None:
    answer = service.client.get(path, headers=headers)
    assert answer.status_code == 403
    assert answer.headers["cache-control"] == "no-store"
    assert service.tasks() == []


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_a_person_and_our_own_pages_get_through(service: Service, site: str) -> None:
    assert service.client.get("/insert/5", headers={"Sec-Fetch-Site": site}).status_code == 202


@pytest.mark.parametrize("path", ["/insert/5", "/dpd_insert/5", "/delete_all", "/get_data", "/get_data/count"])
def test_case_21_a_table_of_somebody_else(service: Service, path: str) -> None:
    service.sql("CREATE TABLE data (id INTEGER PRIMARY KEY, field1 TEXT, field2 TEXT)")
    service.sql("INSERT INTO data (field1) VALUES ('mine')")
    answer = service.client.get(path)
    assert answer.status_code == 409
    assert answer.json()["code"] == "not-made-here"
    assert service.tasks() == []
    assert service.sql("SELECT field1 FROM data") == [("mine",)]


def test_case_21_the_attempt_looks_again(service: Service) -> None:
    task_id = service.client.get("/insert/5").json()["task_id"]
    service.sql("CREATE TABLE data (id INTEGER PRIMARY KEY, field1 TEXT, field2 TEXT)")
    service.work()
    assert service.task(task_id)["error"]["code"] == "not-made-here"
    assert service.sql("SELECT count(*) FROM data") == [(0,)]


def test_the_same_key_on_a_post_makes_one_task(service: Service) -> None:
    key = {"Idempotency-Key": "abc"}
    first = service.client.post("/insert/5", headers=key).json()["task_id"]
    assert service.client.post("/insert/5", headers=key).json()["task_id"] == first
    assert service.client.post("/insert/6", headers=key).status_code == 422
    assert len(service.tasks()) == 1
