"""Serving the application with gunicorn: one process, some threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from setproctitle import getproctitle, setproctitle

from rescind.process import die_with_parent

GRACEFUL_SECONDS = 5  #: time that requests have to end after SIGTERM
SILENT_SECONDS = 120  #: a process whose main loop is silent for so long is started anew


class _Server(BaseApplication):
    def __init__(self, make: Callable[[], Flask], options: dict[str, Any]) -> None:
        self._make = make
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Called in the process that serves: nothing that the application opens is carried over a fork."""
        return self._make()


def serve(make: Callable[[], Flask], host: str, port: int, threads: int) -> None:
    """Serve until SIGTERM or SIGINT. Exits the process."""
    _Server(make, options(host, port, threads)).run()


def options(host: str, port: int, threads: int) -> dict[str, Any]:
    """Gunicorn's settings."""
    address = f"[{host}]" if ":" in host else host
    parent = os.getpid()
    title = getproctitle()  # gunicorn puts its own in its place
    return {
        "bind": f"{address}:{port}",
        "workers": 1,
        "worker_class": "gthread",
        "threads": threads,
        "timeout": SILENT_SECONDS,
        "graceful_timeout": GRACEFUL_SECONDS,
        "keepalive": 5,
        "accesslog": None,
        "loglevel": "warning",
        # The socket would lie where every service of this user looks for one.
        "control_socket_disable": True,
        "pre_fork": lambda server, worker: setproctitle(title),
        "post_fork": partial(_begin_child, parent),
    }


def _begin_child(parent: int, server: object, worker: object) -> None:
    """The first thing in the process that serves."""
    die_with_parent(parent)
    setproctitle("rescind: api child")
