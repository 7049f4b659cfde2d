"""A client's view of a running Rescind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
from tests.support.waiting import until

END_SECONDS = 90.0


class Client:
    """Speaks to the API at a URL."""

    def __init__(self, http: httpx2.Client) -> None:
        self.http = http

    def submit(self, name: str, **args: Any) -> str:
        """The id of the task, which was accepted."""
        answer = self.http.post("/v1/tasks", json={"task": name, "args": args})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def task(self, task_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/v1/tasks/{task_id}").json()
        return found

    def ended(self, task_id: str) -> dict[str, Any]:
        """The document of the task, when it is done."""
        return until(lambda: (found := self.task(task_id))["done"] and found, f"task {task_id}", END_SECONDS) or {}

    def running(self, task_id: str) -> None:
        until(lambda: self.task(task_id)["state"] == "running", f"task {task_id} to run", END_SECONDS)

    def kinds(self, task_id: str) -> list[str]:
        """What has happened to the task, in order."""
        return [event["kind"] for event in self.http.get(f"/v1/tasks/{task_id}/events").json()["events"]]

    def count(self, table: str) -> int:
        return int(self.http.get(f"/v1/tables/{table}/count").json()["count"])

    def readiness(self) -> str:
        """What /readyz says."""
        return self.http.get("/readyz").text


@contextmanager
def client_of(url: str) -> Iterator[Client]:
    with httpx2.Client(base_url=url, timeout=60.0, trust_env=False) as http:
        yield Client(http)
