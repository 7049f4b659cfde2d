"""The embedded broker: a kombu transport over a directory, for one machine without RabbitMQ.

Not a subclass of kombu's file-system transport: of that, every method would have to be replaced (it writes messages
and routing tables in place, and raises into the worker what it cannot read).
A worker that is killed loses the messages that it held; the sweeper announces their tasks again.
"""

from __future__ import annotations

import base64
from functools import cached_property
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.exceptions import OperationalError
from kombu.transport import virtual

from rescind.broker.spool import NotAMessage, Spool
from rescind.telemetry.logs import log

POLL_SECONDS = 0.1


class Channel(virtual.Channel):
    """A channel of the embedded broker. The transport option `directory` says where the messages lie."""

    @cached_property
    def _spool(self) -> Spool:
        return Spool(Path(self.connection.client.transport_options["directory"]), _check)

    def _put(self, queue: str, message: dict[str, Any], **_: Any) -> None:
        """Raises OperationalError when the disk is full or the directory cannot be written."""
        try:
            written = self._spool.put(queue, message)
        except OSError as error:
            raise OperationalError(f"The embedded broker cannot write: {error}") from error
        if not written:
            # More wake-ups than anybody needs lie there already: one less changes nothing.
            log.debug("broker.full", queue=queue)

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        """The next message. Raises Empty, and nothing else: an error here would end the worker."""
        message = self._spool.take(queue)
        if message is None:
            raise Empty
        return message

    def _restore(self, message: virtual.Message) -> None:
        # A worker that leaves gives back what it held. Where that fails kombu would write the message, pickled,
        # into a file of its own; the sweeper has the task anyway.
        try:
            super()._restore(message)
        except (OperationalError, ValueError) as error:
            log.warning("broker.not_restored", error=str(error))

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        super().basic_ack(delivery_tag, multiple)
        self.connection.room_made()

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        super().basic_reject(delivery_tag, requeue)
        self.connection.room_made()

    def _size(self, queue: str) -> int:
        return self._spool.size(queue)

    def _purge(self, queue: str) -> int:
        return self._spool.clear(queue)

    def _new_queue(self, queue: str, **_: Any) -> None:
        self._spool.tidy()


class Transport(virtual.Transport):
    """Polls its directory from the worker's event loop.

    Being asynchronous is what makes Celery give each pool child a pipe of its own. With a blocking transport the
    children share one pipe under one lock, and an idle child that is killed takes the lock with it: none of the
    others ever runs a task again (seen: two children, one killed, nothing ran until the worker was restarted).
    """

    Channel = Channel
    implements = virtual.Transport.implements.extend(asynchronous=True, exchange_type=frozenset(["direct"]))
    polling_interval = POLL_SECONDS
    driver_type = "embedded"
    driver_name = "embedded"

    def driver_version(self) -> str:
        return "1"

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self._loop: Any = None

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        self._loop = loop
        loop.call_repeatedly(POLL_SECONDS, self._deliver_all)

    def room_made(self) -> None:
        """A child is free again: look at once, or one poll would hand out one message per child and no more."""
        if self._loop is not None:
            self._loop.call_soon(self._deliver_all)

    def _deliver_all(self) -> None:
        """Deliver what lies there, as far as the prefetch limit allows."""
        assert self.cycle is not None
        while True:
            try:
                self.cycle.get(self._deliver)
            except Empty:
                return


def _check(message: dict[str, Any]) -> None:
    """Raise NotAMessage unless kombu can deliver it: it takes these fields for granted, and would end the worker.

    A compressed message is refused: 64 KiB may expand to gigabytes.
    """
    properties, headers = message.get("properties"), message.get("headers")
    if not isinstance(properties, dict) or not isinstance(headers, dict) or "compression" in headers:
        raise NotAMessage("no properties, no headers, or compressed")
    if not isinstance(properties.get("delivery_tag"), str) or properties.get("body_encoding") != "base64":
        raise NotAMessage("no delivery tag, or no encoding of the body")
    route = properties.get("delivery_info")
    if not isinstance(route, dict) or not all(isinstance(route.get(key), str) for key in ("exchange", "routing_key")):
        raise NotAMessage("no route")
    try:
        base64.b64decode(message["body"], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise NotAMessage("the body is not base64") from error
