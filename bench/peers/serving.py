"""The API's answers at rest and beside a load, how soon a task starts, and how many tasks of nothing get done."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.servers.programs import AbsentError
from tests.support.servers.rabbitmq import RabbitMQ
from tests.support.servers.server import running as server_running

from bench.figures import ROOT
from bench.quick import get_root, p99
from bench.service import Service, running, seconds

REQUESTS = 200
TASKS = 400
BARE_TASKS = 2_000
LOAD_ROWS = 2_000_000
PATIENCE_SECONDS = 120.0
TASK_SETTINGS = {"RESCIND_TASKS": "bench.peers.noop", "PYTHONPATH": str(ROOT)}


def measure(directory: Path) -> dict[str, list[float]]:
    """Seconds, or tasks per second, by what they are of."""
    found: dict[str, list[float]] = {}
    with running(directory / "serving", **TASK_SETTINGS) as service:
        _latencies(service, found)
        found["tasks/s: Rescind, embedded broker"] = [tasks_per_second(service)]
    try:
        with server_running(RabbitMQ()) as rabbitmq:
            url = rabbitmq.make_vhost()
            with running(directory / "rabbit", RESCIND_BROKER_URL=url, **TASK_SETTINGS) as service:
                found["tasks/s: Rescind, RabbitMQ"] = [tasks_per_second(service)]
            found["tasks/s: bare Celery, RabbitMQ"] = [bare_per_second(rabbitmq.make_vhost(), directory)]
    except AbsentError as absent:
        print(absent)
    return found


def _latencies(service: Service, found: dict[str, list[float]]) -> None:
    submitted, started = submitting(service)
    found |= {"POST /v1/tasks, at rest": submitted, "from accepted to started": started}
    found["GET /, at rest"] = get_root(service)
    busy: list[float] = []
    done = threading.Event()
    reader = threading.Thread(target=lambda: busy.extend(get_root(service, done)))
    task_id = service.submit("generate", rows=LOAD_ROWS)
    service.wait(task_id, lambda task: task["progress"]["rows"] > 0)
    reader.start()
    service.wait(task_id)
    done.set()
    reader.join()
    found["GET /, beside a load of 2 M rows"] = busy


def submitting(service: Service) -> tuple[list[float], list[float]]:
    """Until the answer, and from the task's row to the start."""
    answers, waits = [], []
    service.wait(service.submit("noop"))
    for _ in range(REQUESTS):
        begun = time.perf_counter()
        task_id = service.submit("noop")
        answers.append(time.perf_counter() - begun)
        waits.append(seconds(service.wait(task_id), "created_at", "started_at"))
    return answers, waits


def tasks_per_second(service: Service) -> float:
    """From the first submission to the last receipt, submitted by one client."""
    begun = time.perf_counter()
    tasks = [service.submit("noop") for _ in range(TASKS)]
    for task_id in reversed(tasks):
        assert service.wait(task_id)["state"] == "committed"
    return TASKS / (time.perf_counter() - begun)


def bare_per_second(url: str, directory: Path) -> float:
    """Of two children that do nothing but say that they did."""
    file = directory / "bare.done"
    file.write_bytes(b"")
    environment = os.environ | {"BARE_BROKER": url, "BARE_DONE": str(file), "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "celery", "-A", "bench.peers.noop:bare"]
    worker = subprocess.Popen([*argv, "--quiet", "worker", "-c", "2", "--loglevel", "error"], env=environment)
    try:
        publish = [sys.executable, "-c", PUBLISH]
        subprocess.run([*publish, "1"], env=environment, check=True)
        _until(lambda: file.stat().st_size == 1)
        begun = time.perf_counter()
        subprocess.run([*publish, str(BARE_TASKS)], env=environment, check=True)
        _until(lambda: file.stat().st_size == 1 + BARE_TASKS)
        return BARE_TASKS / (time.perf_counter() - begun)
    finally:
        worker.terminate()
        worker.wait()


PUBLISH = "import sys; from bench.peers.noop import bare_noop\nfor _ in range(int(sys.argv[1])): bare_noop.delay()"


def _until(fact: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not fact():
        if time.monotonic() > end:
            raise RuntimeError("bare Celery has not done its tasks")
        time.sleep(0.005)


def summary(times: list[float]) -> str:
    """In milliseconds."""
    ranked = sorted(times)
    return f"{ranked[len(ranked) // 2] * 1000:.1f} | {p99(times) * 1000:.1f}"
