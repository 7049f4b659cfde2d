"""The Celery application. Celery wakes workers up and runs their children; it decides nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery import Celery
from kombu.entity import Queue

from rescind.broker.announcement import QUEUE, WAKE
from rescind.errors import ConfigurationError

CLASSIC = "classic"
#: The queue by its type. RabbitMQ cannot change a queue's type, and refuses whoever expects another, so each type has
#: a queue of its own: what lies in the old one when the setting is changed are wake-ups, which the sweeper repeats.
QUEUES = {CLASSIC: QUEUE, "quorum": f"{QUEUE}-quorum"}
HEARTBEAT_SECONDS = 5
MOST_CHILD_KIB = 512 * 1024

_SETTINGS: dict[str, Any] = {
    # Messages that Celery would have to unpickle are code; none of ours needs more than JSON.
    "accept_content": ["json"],
    "task_serializer": "json",
    # The ledger knows every outcome. A result backend would be a second, contradicting memory.
    "result_backend": None,
    "task_ignore_result": True,
    # A message is taken off the queue when the wake-up has done its work, and goes back when the worker leaves.
    "task_acks_late": True,
    # Not again when a child is killed: the task has an owner in the ledger until recovery has proven its end, so a
    # second child woken at once would find nothing to claim.
    "task_reject_on_worker_lost": False,
    # More than one message per child would keep wake-ups waiting behind a task of hours while other children idle.
    "worker_prefetch_multiplier": 1,
    # Children wait one second, not ten, for the last words of one that was killed before they take its place.
    "worker_lost_wait": 1.0,
    # RabbitMQ closes the channel when a message is not acknowledged within its consumer_timeout (30 minutes), which
    # ends a worker without this setting (celery#6760).
    "broker_channel_error_retry": True,
    # Control queues are exclusive: a node name in use, or a half-open connection, ends the worker (RESOURCE_LOCKED).
    "worker_enable_remote_control": False,
    "worker_consumer": "rescind.broker.consumer:Consumer",
    "worker_send_task_events": False,
    # A task does not depend on the broker: an outage must not cancel it, however long it has been running.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    # After an outage the full prefetch is wanted at once, not one message more per finished task of hours.
    "worker_enable_prefetch_count_reduction": False,
    # For ever (the default gives up after 100 tries), at the start too: the broker may come up last.
    "broker_connection_max_retries": None,
    "broker_connection_retry_on_startup": True,
    # By memory, because a limit by number of tasks stalls the pool for seconds at every replacement.
    "worker_max_memory_per_child": MOST_CHILD_KIB,
    # Our log lines go to standard error as they are.
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
}


def make_celery(
    broker: str | None, home: Path, *, queue_type: str = CLASSIC, wake: Callable[[str], None] | None = None
) -> Celery:
    """The application on the broker at URL `broker`, or on the embedded one in `home/broker` if it is None.

    `queue_type`: what RabbitMQ makes of our queue, `classic` or `quorum`. Both are durable. A quorum queue is worth
    its cost in a cluster only: what a classic one loses with its node costs a sweep.
    `wake` is the body of the only task; it is given the id that was announced, which is a hint and no more. Without
    it the application can publish, and a worker that runs it does nothing. Raises ConfigurationError for a URL that
    nothing here can connect to, whatever may listen there.
    """
    app = Celery("rescind", set_as_current=False, fixups=())
    app.conf.update(_SETTINGS)
    app.conf.update(_external(broker, queue_type) if broker else _embedded(home))
    if broker:
        _expect_transport(app)
    for name in ("celery.worker.strategy", "celery.app.trace"):
        # Two lines per wake-up, which say less than ours, cost half the throughput.
        logging.getLogger(name).setLevel(logging.WARNING)

    # Not shared: Celery would give this body to every other application of the process under the same name.
    @app.task(name=WAKE, shared=False)  # type: ignore[untyped-decorator]  # celery has no type hints
    def announced(task_id: str) -> None:
        if wake is not None:
            wake(task_id)

    return app


def _expect_transport(app: Celery) -> None:
    """See that the URL's scheme is known and its library is installed; nothing is connected.

    A worker would find out at its start, and be started again for ever.
    """
    try:
        _ = app.connection_for_write().transport
    except Exception as error:  # whatever each transport raises; the URL is left out: it may hold a password
        what = str(error.args[0] if error.args else error).rstrip(".")
        if isinstance(error, ImportError | AttributeError):  # kombu looks into a library that is not there
            what = "the library for such a broker is not installed"
        raise ConfigurationError(
            f"CELERY_BROKER_URL cannot be used: {what}. Rescind is made for RabbitMQ, amqp://…"
        ) from None


def _external(url: str, queue_type: str) -> dict[str, Any]:
    name = QUEUES[queue_type]
    return _at(url) | {
        "task_default_queue": name,
        # Its type is said also where it is classic: a virtual host may have another default.
        "task_queues": (Queue(name, queue_arguments={"x-queue-type": queue_type}),),  # type: ignore[no-untyped-call]
        # Without confirms a publish is believed done while it sits in a buffer: 3,000 of 3,000 were lost on kill -9.
        "broker_transport_options": {"confirm_publish": True},
        # A connection whose other end is gone without a word is noticed within two of these, instead of minutes. It
        # belongs to the worker's parent, whose loop does nothing else; a false alarm costs a reconnection.
        "broker_heartbeat": HEARTBEAT_SECONDS,
        # A quorum queue refuses a prefetch limit that is shared by consumers, and with it the worker.
        "worker_detect_quorum_queues": True,
    }


def _embedded(home: Path) -> dict[str, Any]:
    return _at("embedded://localhost") | {
        "task_default_queue": QUEUE,
        "broker_transport": "rescind.broker.embedded:Transport",
        "broker_transport_options": {"directory": str(home.absolute() / "broker")},
    }


def _at(url: str) -> dict[str, Any]:
    # All three: Celery prefers CELERY_BROKER_URL in the environment to `broker_url`, but not to the other two.
    return {"broker_url": url, "broker_read_url": url, "broker_write_url": url}
