"""What depends on the settings, or on how the server is started."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import psutil
import pytest
from tests.support.api import answers, free_port, running, settings_in
from tests.support.waiting import until

TASKS = """
from rescind.tasks import Transaction, transactional

@transactional(name="close-month")
def close_month(tx: Transaction, month: str, days: int = 31) -> dict[str, str]:
    "Close a month."
    return {"month": month}
"""


def test_few_may_wait_and_not_for_ever(tmp_path: Path) -> None:
    with (
        running(tmp_path, RESCIND_API_THREADS="4", RESCIND_WAIT_SECONDS="1.5") as service,
        ThreadPoolExecutor(1) as pool,
    ):
        first = pool.submit(service.client.get, "/dpd_insert/5")
        until(service.tasks, "the first to wait")
        for path, headers in (("/dpd_insert/6", {}), ("/delete_all", {}), ("/v1/tasks/x", {"Prefer": "wait=9"})):
            refused = service.client.get(path, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (503, "too-many-waiting")
            assert int(refused.headers["retry-after"]) > 0
        (task,) = service.tasks()
        given_up = first.result()
        assert given_up.status_code == 504
        assert given_up.json()["task_id"] == task["id"]
        assert service.task(task["id"])["state"] == "queued"


def test_a_stop_is_accepted_when_nobody_may_wait(tmp_path: Path) -> None:
    with running(tmp_path, RESCIND_API_THREADS="4") as service, ThreadPoolExecutor(1) as pool:
        first = pool.submit(service.client.get, "/dpd_insert/5")
        (task,) = until(service.tasks, "the first to wait")
        service.client.post(f"/v1/tasks/{task['id']}/stop", headers={"Prefer": "wait=9"})
        answer = first.result()
        assert (answer.status_code, answer.json()["code"]) == (409, "stopped")
        assert answer.json()["task_id"] == task["id"]


def test_without_the_classic_endpoints(tmp_path: Path) -> None:
    with running(tmp_path, RESCIND_CLASSIC="off") as service:
        for path in ("/", "/insert", "/dpd_insert/5", "/stop/x", "/status/x", "/delete_all", "/get_data"):
            assert service.client.get(path).status_code == 404
        assert service.client.get("/v1/tasks").json()["tasks"] == []
        assert "/insert" not in service.client.get("/openapi.json").json()["paths"]


def test_a_users_task_is_checked_and_documented(tmp_path: Path) -> None:
    (tmp_path / "shop_of_test.py").write_text(TASKS)
    with running(tmp_path, RESCIND_TASKS="shop_of_test", PYTHONPATH=str(tmp_path)) as service:
        schemas = service.client.get("/openapi.json").json()["components"]["schemas"]
        assert schemas["Arguments.close-month"]["required"] == ["month"]
        wrong = service.client.post("/v1/tasks", json={"task": "close-month", "args": {"month": 5}})
        assert (wrong.status_code, wrong.json()["errors"][0]["name"]) == (422, "month")
        task_id = service.submit("close-month", month="2026-10")
        assert service.task(task_id)["args"] == {"month": "2026-10", "days": 31}


@pytest.mark.parametrize("part", ["uploads", "outputs"])
def test_a_directory_of_files_that_cannot_be(tmp_path: Path, part: str) -> None:
    (tmp_path / "taken").write_text("of somebody else")
    with running(tmp_path, **{f"RESCIND_{part.upper()}": str(tmp_path / "taken")}) as service:
        ready = service.client.get("/readyz")
        assert (ready.status_code, ready.json()["code"]) == (503, "not-ready")
        assert [name for name, reason in ready.json()["parts"].items() if reason != "ok"] == [part]
        assert str(tmp_path / "taken") in ready.json()["detail"]


def test_a_target_that_is_down(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/gone/data.db"
    with running(tmp_path, DATABASE_URL=url) as service:
        ready = service.client.get("/readyz")
        assert (ready.status_code, ready.json()["code"]) == (503, "not-ready")
        assert ready.json()["parts"]["ledger"] == "ok"
        assert ready.json()["parts"]["target:default"] != "ok"
        assert service.client.get("/v1/tables").status_code == 503
        load = service.client.post("/v1/tables/t/rows", content=b"a\n1\n", headers={"Content-Type": "text/csv"})
        assert load.status_code == 202
        assert service.client.get("/v1/targets").json()["targets"][0]["name"] == "default"


def test_an_upload_above_the_limit(tmp_path: Path) -> None:
    with running(tmp_path, RESCIND_MAX_UPLOAD_BYTES="10") as service:
        answer = service.client.post(
            "/v1/tables/t/rows?create=true", content=b"a\n" * 6, headers={"Content-Type": "text/csv"}
        )
        assert (answer.status_code, answer.json()["code"]) == (413, "upload-too-large")


def test_gunicorn_by_hand(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, free_port())
    bind = f"127.0.0.1:{settings.port}"
    command = [sys.executable, "-m", "gunicorn", "rescind.entrypoints.wsgi:app", "--bind", bind, "--threads", "4"]
    log = tmp_path / "gunicorn.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={"RESCIND_HOME": str(tmp_path), "HOME": str(tmp_path)}, stdout=output, stderr=output
        )
    try:
        with httpx.Client(base_url=f"http://{bind}", trust_env=False) as client:
            until(lambda: answers(process, client, log), "gunicorn to answer")
            assert client.get("/readyz").status_code == 200
    finally:
        process.terminate()
        process.wait(10)


def test_nothing_outlives_the_parent(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        parent = psutil.Process(service.process)
        children = parent.children()
        assert len(children) == 1
        parent.kill()
        _, alive = psutil.wait_procs(children, timeout=5)
        assert alive == []
