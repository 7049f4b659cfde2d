"""A task that does nothing, for Rescind (RESCIND_TASKS=bench.peers.noop) and for bare Celery (`-A bench.peers.noop`).

BARE_BROKER is bare Celery's, BARE_DONE the file that gets one byte from each task.
"""

from __future__ import annotations

import os

from celery import Celery

from rescind.tasks import Transaction, transactional

bare = Celery("bare", broker=os.environ.get("BARE_BROKER", "memory://"), set_as_current=False)
bare.conf.update(task_acks_late=True, worker_prefetch_multiplier=1, task_ignore_result=True)


@transactional(name="noop")
def noop(tx: Transaction) -> None:
    """Nothing."""


@bare.task(name="noop")  # type: ignore[untyped-decorator]  # celery has no type hints
def bare_noop() -> None:
    done = os.open(os.environ["BARE_DONE"], os.O_WRONLY | os.O_APPEND)
    os.write(done, b".")
    os.close(done)
