"""Workers that only note what they were woken up for: the broker's side of Rescind, without a ledger."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
from tests.support.waiting import until

from rescind.broker.application import CLASSIC, make_celery
from rescind.broker.publisher import publisher

ROOT = Path(__file__).parents[2]
CHILDREN = 2


class Bench:
    """A home, its workers, and what they were woken up for; on the embedded broker, or on the one at a URL."""

    def __init__(self, directory: Path, broker: str | None = None, queue_type: str = CLASSIC) -> None:
        self.home = directory / "home"
        self.log = directory / "woken.log"
        self.app = make_celery(broker, self.home, queue_type=queue_type)
        self.announce: Callable[[str], None] = publisher(self.app)
        self.workers: list[subprocess.Popen[bytes]] = []
        self.said = directory / "workers.log"  #: what the workers write on standard error
        self._settings = {"WAKE_BROKER": broker or "", "WAKE_QUEUE": queue_type}

    def start_worker(self) -> subprocess.Popen[bytes]:
        own = {"WAKE_HOME": str(self.home), "WAKE_LOG": str(self.log), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tests.support.wake_app"]
        with self.said.open("ab") as said:
            worker = subprocess.Popen(command, env=os.environ | own | self._settings, cwd=ROOT, stderr=said)
        self.workers.append(worker)
        until(lambda: len(self.children(worker)) == CHILDREN, "the worker's children")
        return worker

    def children(self, worker: subprocess.Popen[bytes]) -> list[int]:
        return [child.pid for child in psutil.Process(worker.pid).children()]

    def kill_child(self, worker: subprocess.Popen[bytes], pid: int) -> None:
        """SIGKILL, and wait until another child has its place."""
        os.kill(pid, signal.SIGKILL)
        until(lambda: len(set(self.children(worker)) - {pid}) == CHILDREN, "a new child")

    def woken(self) -> list[tuple[str, int, float]]:
        """The id, the child's pid and the time of each wake-up."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [(line.split()[0], int(line.split()[1]), float(line.split()[2])) for line in lines]

    def ids(self) -> list[str]:
        return [task_id for task_id, _, _ in self.woken()]

    def wait_for(self, *ids: str) -> None:
        until(lambda: set(ids) <= set(self.ids()), f"wake-ups for {ids[:3]}…")

    def release(self) -> None:
        """Let the bodies of ids that start with `hold` end."""
        self.log.with_suffix(".release").touch()

    def close(self) -> None:
        self.release()
        for worker in self.workers:
            worker.kill()
            worker.wait(30)
