"""Starting Celery's worker in this process."""

from __future__ import annotations

import os
import socket

from celery import Celery


def node_name() -> str:
    """A name that no other worker has: host, pid and random digits (a pid alone comes back after a restart)."""
    return f"rescind-{os.getpid()}-{os.urandom(4).hex()}@{socket.gethostname()}"


def worker_arguments(concurrency: int, name: str) -> list[str]:
    """The arguments of `celery` for a worker with `concurrency` children that calls itself `name`."""
    flags = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-O", "fair", "-P", "prefork"]
    return ["--quiet", "worker", *flags, "-c", str(concurrency), "-n", name]


def run_worker(app: Celery, concurrency: int, name: str | None = None) -> int:
    """Run a worker until it is told to leave (SIGTERM: warm, SIGQUIT: cold); its exit status."""
    return int(app.start(worker_arguments(concurrency, name or node_name())) or 0)
