"""A running Rescind to measure: tasks over HTTP, times from the ledger, memory from the kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import psutil

MIB = 1024**2
MEDIA_TYPES = {".csv": "text/csv", ".gz": "text/csv", ".parquet": "application/vnd.apache.parquet"}


@dataclass(frozen=True)
class Service:
    """One `rescind up`."""

    http: httpx2.Client
    home: Path
    process: psutil.Process

    def submit(self, task: str, **args: Any) -> str:
        answer = self.http.post("/v1/tasks", json={"task": task, "args": args})
        answer.raise_for_status()
        return str(answer.json()["id"])

    def upload(self, table: str, file: Path, **query: str | Sequence[str]) -> str:
        with file.open("rb") as content:
            headers = {"Content-Type": MEDIA_TYPES[file.suffix], "Content-Length": str(file.stat().st_size)}
            answer = self.http.post(f"/v1/tables/{table}/rows", content=content, headers=headers, params=query)
        answer.raise_for_status()
        return str(answer.json()["id"])

    def task(self, task_id: str) -> dict[str, Any]:
        document: dict[str, Any] = self.http.get(f"/v1/tasks/{task_id}").json()
        return document

    def wait(
        self, task_id: str, fact: Callable[[dict[str, Any]], bool] = lambda task: False, pause: float = 0.02
    ) -> dict[str, Any]:
        """The task's document once `fact` holds or the task has ended; asked for every `pause` seconds."""
        while not ((task := self.task(task_id))["done"] or fact(task)):
            time.sleep(pause)
        return task

    def peak_mib(self, name: str) -> float:
        """Largest peak of resident memory among the processes of that name, in MiB."""
        peaks = [0.0]
        for child in self.process.children(recursive=True):
            if name in " ".join(child.cmdline()):
                status = Path(f"/proc/{child.pid}/status").read_text()
                peaks.append(int(status.partition("VmHWM:")[2].split()[0]) * 1024 / MIB)
        return max(peaks)


@contextmanager
def running(home: Path, **settings: str) -> Iterator[Service]:
    """`rescind up` in `home` on a free port, ready for work; `settings` are of its environment."""
    argv = [sys.executable, "-m", "rescind", "up", "--json", "--port", "0", "--home", str(home)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=os.environ | settings) as up:
        assert up.stdout is not None
        try:
            url = json.loads(up.stdout.readline())["url"]
            with httpx2.Client(base_url=url, timeout=300.0, trust_env=False) as http:
                yield Service(http, home, psutil.Process(up.pid))
        finally:
            up.terminate()


def seconds(task: dict[str, Any], begin: str, end: str) -> float:
    """Between two of a task's times."""
    return (datetime.fromisoformat(task[end]) - datetime.fromisoformat(task[begin])).total_seconds()
