"""A real worker on RabbitMQ: every announcement wakes it up, and nothing that the broker does ends it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import amqp
import pytest
from sqlalchemy import make_url
from tests.support.servers.proxy import proxied
from tests.support.servers.rabbitmq import RabbitMQ
from tests.support.waiting import until
from tests.support.wakes import CHILDREN, Bench

from rescind.broker.announcement import WAKE
from rescind.broker.application import QUEUES
from rescind.broker.publisher import publisher
from rescind.errors import BrokerUnavailable

TYPES = sorted(QUEUES)


@contextmanager
def bench_on(directory: Path, url: str, queue_type: str) -> Iterator[Bench]:
    bench = Bench(directory, url, queue_type)
    try:
        yield bench
    finally:
        bench.close()


@pytest.fixture(params=TYPES)
def queue_type(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bench(tmp_path: Path, rabbitmq_url: str, queue_type: str) -> Iterator[Bench]:
    with bench_on(tmp_path, rabbitmq_url, queue_type) as bench:
        yield bench


@contextmanager
def channel_of(url: str) -> Iterator[Any]:
    """A channel of anybody's, past Celery."""
    parts = make_url(url)
    connection = amqp.Connection(
        f"{parts.host}:{parts.port}", userid=parts.username, password=parts.password, virtual_host=parts.database
    )
    with connection as connected:
        yield connected.channel()


def length(url: str, queue: str) -> int:
    with channel_of(url) as channel:
        return int(channel.queue_declare(queue, passive=True).message_count)


def test_every_announcement_wakes_two_workers_once(bench: Bench) -> None:
    bench.start_worker()
    bench.start_worker()
    ids = [f"task-{n}" for n in range(200)]
    for task_id in ids:
        bench.announce(task_id)
    bench.wait_for(*ids)
    assert sorted(bench.ids()) == sorted(ids)


def test_a_worker_declares_its_queue_and_no_other(bench: Bench, rabbitmq: RabbitMQ, rabbitmq_url: str) -> None:
    """With quorum queues Celery would add 28 more, for messages with a delay."""
    vhost = make_url(rabbitmq_url).database
    bench.start_worker()
    bench.announce("a")
    bench.wait_for("a")
    names = f'[binary_to_list(element(4, amqqueue:get_name(Q))) || Q <- rabbit_amqqueue:list(<<"{vhost}">>)]'
    assert rabbitmq.evaluate(names) == f'["{bench.app.conf.task_default_queue}"]'


def test_two_children_are_busy_and_nothing_is_fetched_beyond(bench: Bench, rabbitmq_url: str) -> None:
    bench.start_worker()
    for n in range(CHILDREN + 3):
        bench.announce(f"hold-{n}")
    until(lambda: len(bench.ids()) == CHILDREN, "both children to be at work")
    assert length(rabbitmq_url, bench.app.conf.task_default_queue) == 3
    bench.release()
    bench.wait_for(*(f"hold-{n}" for n in range(CHILDREN + 3)))


FORGERIES: list[tuple[dict[str, Any], bytes]] = [
    ({"content_type": "application/x-python-serialize"}, b"\x80\x04K*."),
    ({"application_headers": {"task": "os.system", "id": "1"}}, b'[["true"], {}, {}]'),
    ({"application_headers": {"task": WAKE, "id": "2", "timelimit": "soon", "eta": 7}}, b'[["forged"], {}, {}]'),
    ({"application_headers": {"task": WAKE, "id": ["3"]}}, b'[["never"], {}, {}]'),
    ({"application_headers": {"task": WAKE, "id": "4"}}, b'[["never"], {"x": 1}, {}]'),
    ({"content_encoding": "no-such-encoding"}, b"e30="),
    ({}, b""),
]


def test_forged_messages_harm_nothing(bench: Bench, rabbitmq_url: str) -> None:
    """What names our task is a wake-up and no more; anything else is nothing."""
    worker = bench.start_worker()
    bench.announce("first")
    bench.wait_for("first")
    with channel_of(rabbitmq_url) as channel:
        for properties, body in random.Random(1).sample(FORGERIES * 3, 3 * len(FORGERIES)):
            json_as_usual = {"content_type": "application/json", "content_encoding": "utf-8"}
            message = amqp.Message(body, **json_as_usual | properties)
            channel.basic_publish_confirm(message, routing_key=bench.app.conf.task_default_queue)
    bench.announce("last")
    bench.wait_for("last")
    assert set(bench.ids()) <= {"first", "forged", "last"}
    until(lambda: length(rabbitmq_url, bench.app.conf.task_default_queue) == 0, "the queue to be empty")
    assert worker.poll() is None


def test_a_queue_that_is_deleted_is_declared_again(bench: Bench, rabbitmq_url: str) -> None:
    """Meanwhile announcements are confirmed and lost: the sweeper repeats them."""
    worker = bench.start_worker()
    bench.announce("before")
    bench.wait_for("before")
    with channel_of(rabbitmq_url) as channel:
        channel.queue_delete(bench.app.conf.task_default_queue)
    until(lambda: repeated(bench, "after"), "an announcement to arrive")
    assert worker.poll() is None


def repeated(bench: Bench, task_id: str) -> bool:
    """Announce it, as the sweeper does again and again; whether it has woken anybody."""
    bench.announce(task_id)
    return task_id in bench.ids()


def test_a_half_open_connection_is_noticed(
    tmp_path: Path, rabbitmq: RabbitMQ, rabbitmq_url: str, queue_type: str
) -> None:
    """The network lost it, and told neither end: the broker goes on handing messages to a worker that is not there."""
    with proxied(rabbitmq.port) as proxy, bench_on(tmp_path, proxy.through(rabbitmq_url), queue_type) as bench:
        announce = publisher(Bench(tmp_path, rabbitmq_url, queue_type).app)
        worker = bench.start_worker()
        announce("before")
        bench.wait_for("before")
        proxy.strand()
        announce("stranded")
        bench.wait_for("stranded")
        assert worker.poll() is None


@pytest.mark.crash
def test_an_acknowledgement_that_comes_too_late_ends_no_worker(
    own_rabbitmq: RabbitMQ, tmp_path: Path, queue_type: str
) -> None:
    """RabbitMQ closes the channel of a consumer that is slower than its consumer_timeout (celery#6760)."""
    for name, milliseconds in {"consumer_timeout": 500, "channel_tick_interval": 500}.items():
        own_rabbitmq.evaluate(f"application:set_env(rabbit, {name}, {milliseconds})")
    with bench_on(tmp_path, own_rabbitmq.make_vhost(), queue_type) as bench:
        worker = bench.start_worker()
        bench.announce("hold-1")
        until(lambda: bench.ids().count("hold-1") == CHILDREN, "the message to come again", 60.0)
        bench.release()
        bench.announce("after")
        bench.wait_for("after")
        assert worker.poll() is None
        assert "PRECONDITION_FAILED - delivery acknowledgement" in bench.said.read_text()
    for name, milliseconds in {"consumer_timeout": 1_800_000, "channel_tick_interval": 60_000}.items():
        own_rabbitmq.evaluate(f"application:set_env(rabbit, {name}, {milliseconds})")


#: function, value that raises the alarm, value that lowers it
ALARMS = {
    "memory": ("vm_memory_monitor:set_vm_memory_high_watermark", "0.00001", "0.9"),
    "disk": ("rabbit_disk_monitor:set_disk_free_limit", "1000000000000000000", "1000000"),
}


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_of_the_broker_is_an_outage_with_an_end(
    alarm: str, own_rabbitmq: RabbitMQ, tmp_path: Path, queue_type: str
) -> None:
    """A broker without memory or disk takes no message and says nothing: the publisher waits for a bounded time."""
    limit, raising, lowering = ALARMS[alarm]
    with bench_on(tmp_path, own_rabbitmq.make_vhost(), queue_type) as bench:
        worker = bench.start_worker()
        bench.announce("before")
        bench.wait_for("before")
        own_rabbitmq.evaluate(f"{limit}({raising})")
        try:
            until(lambda: own_rabbitmq.evaluate("rabbit_alarm:get_alarms()") != "[]", "the alarm")
            with pytest.raises(BrokerUnavailable):
                bench.announce("meanwhile")
        finally:
            own_rabbitmq.evaluate(f"{limit}({lowering})")
        until(lambda: own_rabbitmq.evaluate("rabbit_alarm:get_alarms()") == "[]", "no alarm")
        bench.announce("after")
        bench.wait_for("after")
        assert worker.poll() is None


@pytest.mark.crash
def test_a_frozen_broker_is_an_outage_with_an_end(own_rabbitmq: RabbitMQ, tmp_path: Path, queue_type: str) -> None:
    with bench_on(tmp_path, own_rabbitmq.make_vhost(), queue_type) as bench:
        worker = bench.start_worker()
        bench.announce("before")
        bench.wait_for("before")
        own_rabbitmq.freeze()
        try:
            with pytest.raises(BrokerUnavailable):
                bench.announce("meanwhile")
        finally:
            own_rabbitmq.thaw()
        until(lambda: repeated(bench, "after"), "an announcement to arrive", 60.0)
        assert worker.poll() is None
