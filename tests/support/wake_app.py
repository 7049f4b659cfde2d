"""A worker for tests: every wake-up appends `id pid time` to the file that WAKE_LOG names.

An id that starts with `hold` keeps its child busy until the file WAKE_LOG.release exists.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from rescind.broker.application import make_celery
from rescind.broker.command import run_worker


def wake(task_id: str) -> None:
    log = Path(os.environ["WAKE_LOG"])
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{task_id} {os.getpid()} {time.time()}\n".encode())
    os.close(handle)
    if task_id.startswith("hold"):
        release = log.with_suffix(".release")
        while not release.exists():
            threading.Event().wait(0.02)


app = make_celery(
    os.environ["WAKE_BROKER"] or None, Path(os.environ["WAKE_HOME"]), queue_type=os.environ["WAKE_QUEUE"], wake=wake
)

if __name__ == "__main__":
    sys.exit(run_worker(app, concurrency=2))
