"""Celery's consumer, without its talk between workers and closed to everything but announcements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.utils.log import get_logger
from celery.worker.consumer import Consumer as CeleryConsumer

from rescind.broker import announcement

_celery_logger = get_logger(__name__)

#: for messages with a delay, which we never send: with a quorum queue it declares 28 exchanges and 28 queues
_DELAYS = "celery.worker.consumer.delayed_delivery:DelayedDelivery"


class Consumer(CeleryConsumer):  # type: ignore[misc]  # celery has no type hints
    """What the setting `worker_consumer` names."""

    class Blueprint(CeleryConsumer.Blueprint):  # type: ignore[misc]  # celery has no type hints
        """The steps in which a worker starts to consume."""

        default_steps = tuple(step for step in CeleryConsumer.Blueprint.default_steps if step != _DELAYS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Workers do not need to know of each other: the ledger says who works on what. These three have no setting,
        # only flags, and a worker that somebody starts by hand is to be the same.
        super().__init__(*args, **kwargs, without_gossip=True, without_mingle=True, without_heartbeat=True)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        handle = super().create_task_handler(*args, **kwargs)

        def receive(message: Any) -> None:
            if announcement.clean(message):
                handle(message)
            else:
                message.reject_log_error(_celery_logger, self.connection_errors)

        return receive
