"""Publishing announcements, in bounded time."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from typing import Any

from amqp.exceptions import AMQPError
from celery import Celery
from kombu.exceptions import KombuError

from rescind.broker.announcement import WAKE
from rescind.errors import BrokerUnavailable

CONNECT_SECONDS = 3.0
READ_SECONDS = 3.0
WRITE_SECONDS = 3.0


def publisher(app: Celery) -> Callable[[str], None]:
    """A function that announces the task with the given id, and returns when the broker has confirmed it.

    It may be called from any thread and after a fork. Raises BrokerUnavailable, at the latest after two rounds of
    the time-outs above.
    """
    return _Publisher(app).publish


def ping(app: Celery) -> None:
    """Connect once. Raises BrokerUnavailable."""
    try:
        with app.connection_for_write(connect_timeout=CONNECT_SECONDS) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=CONNECT_SECONDS)
    except _FAILURES as error:
        raise BrokerUnavailable(f"The broker does not answer: {error}.") from error


class _Publisher:
    """One connection per process, made when it is needed."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._producer: Any = None
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def publish(self, task_id: str) -> None:
        with self._lock:
            reused = self._producer is not None
            try:
                try:
                    self._send(task_id)
                except _FAILURES:
                    # An idle connection may have been closed by the other side long ago: that says nothing of now.
                    if not reused:
                        raise
                    self._close()
                    self._send(task_id)
            except _FAILURES as error:
                self._close()
                raise BrokerUnavailable(f"The broker does not take an announcement: {error}") from error

    def _send(self, task_id: str) -> None:
        if self._producer is None:
            self._producer = self._app.amqp.Producer(self._connect(), auto_declare=False)
        self._app.send_task(WAKE, (task_id,), producer=self._producer, retry=False, ignore_result=True)

    def _connect(self) -> Any:
        # With confirms, a broker that is frozen or full keeps the publisher waiting for ever; `confirm_timeout` does
        # not help, these time-outs of the socket do. A worker's own connection must not have them: it waits for hours.
        # No heartbeat: nobody would send it while the thread waits for the next task.
        return self._app.connection_for_write(
            connect_timeout=CONNECT_SECONDS,
            heartbeat=0,
            # Kombu's own tries take six seconds to find that nobody listens; the announcer tries again anyway.
            transport_options={"read_timeout": READ_SECONDS, "write_timeout": WRITE_SECONDS, "max_retries": 0},
        )

    def _close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        with contextlib.suppress(*_FAILURES):
            producer.connection.collect()  # closes the socket without a farewell that could hang

    def _reset(self) -> None:
        # A connection of the parent's is the parent's: a child that wrote to it, or closed it, would break both.
        self._lock = threading.Lock()
        self._producer = None


_FAILURES = (KombuError, AMQPError, OSError)
