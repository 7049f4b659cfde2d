"""The whole of Rescind on RabbitMQ. Whatever the broker does, requests are accepted and each task runs once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import amqp
import pytest
from sqlalchemy import make_url
from tests.support.http import Client, client_of
from tests.support.servers.proxy import Proxy, proxied
from tests.support.servers.rabbitmq import RabbitMQ
from tests.support.stack import Stack, up
from tests.support.waiting import until

from rescind.broker.announcement import WAKE
from rescind.broker.application import QUEUES

ROOT = Path(__file__).parents[2]
ROWS = 1000
ONCE = ["submitted", "running", "committing", "committed"]


class Service:
    """A running Rescind, its broker, and the proxy between them."""

    def __init__(self, stack: Stack, client: Client, broker: RabbitMQ, proxy: Proxy, url: str, queue: str) -> None:
        self.stack, self.client, self.broker, self.proxy = stack, client, broker, proxy
        self.url, self.queue = url, queue  #: past the proxy
        self._names = (f"t{n}" for n in range(1000))

    def generate(self) -> tuple[str, str]:
        """The id of a task that was accepted, and the table that it fills."""
        table = next(self._names)
        return self.client.submit("generate", table=table, rows=ROWS), table

    def ran_once(self, *tasks: tuple[str, str]) -> None:
        """All of them, when they have ended."""
        for task_id, table in tasks:
            assert self.client.ended(task_id)["state"] == "committed"
            assert self.client.kinds(task_id) == ONCE
            assert self.client.count(table) == ROWS

    @contextmanager
    def one_at_work(self) -> Iterator[str]:
        """The id of a task that runs until the end of the block, and has then run once."""
        release = self.stack.home / next(self._names)
        task_id = self.client.submit("wait-for-file", path=str(release))
        self.client.running(task_id)
        yield task_id
        release.touch()
        assert self.client.ended(task_id)["state"] == "committed"
        assert self.client.kinds(task_id) == ONCE
        with closing(sqlite3.connect(self.stack.home / "data.db")) as data:
            assert data.execute("SELECT count(*) FROM waited WHERE path = ?", [str(release)]).fetchone() == (1,)

    @contextmanager
    def channel(self) -> Iterator[Any]:
        """Of anybody's who can reach the broker."""
        parts = make_url(self.url)
        at = f"{parts.host}:{parts.port}"
        with amqp.Connection(at, userid=parts.username, password=parts.password, virtual_host=parts.database) as c:
            yield c.channel()


@pytest.fixture(scope="module", params=sorted(QUEUES))
def service(
    own_rabbitmq: RabbitMQ, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("rabbitmq") / "home"
    home.mkdir()
    with closing(sqlite3.connect(home / "data.db")) as data:
        data.execute("CREATE TABLE waited (path text)")
    url = own_rabbitmq.make_vhost()
    with proxied(own_rabbitmq.port) as proxy:
        settings = {
            "CELERY_BROKER_URL": proxy.through(url),
            "RESCIND_BROKER_QUEUE": request.param,
            "RESCIND_SWEEP_SECONDS": "0.5",
            "RESCIND_TASKS": "tests.support.waiting_tasks",
            "PYTHONPATH": str(ROOT),
        }
        with up(home, **settings) as stack, client_of(stack.url) as client:
            service = Service(stack, client, own_rabbitmq, proxy, url, QUEUES[request.param])
            service.ran_once(service.generate())
            own_rabbitmq.settle()
            yield service


def test_tasks_run(service: Service) -> None:
    service.ran_once(*(service.generate() for _ in range(5)))
    assert not (service.stack.home / "broker").exists()
    assert service.client.readiness().count("ok") >= 3


def killed(service: Service) -> Callable[[], Any]:
    service.broker.kill()
    return service.broker.start


def restarted(service: Service) -> Callable[[], Any]:
    service.broker.stop()
    return service.broker.start


def frozen(service: Service) -> Callable[[], Any]:
    service.broker.freeze()
    return service.broker.thaw


def unreachable(service: Service) -> Callable[[], Any]:
    service.proxy.refuse()
    service.proxy.cut()
    return service.proxy.accept


@pytest.mark.crash
@pytest.mark.parametrize("outage", [killed, restarted, frozen, unreachable])
def test_in_an_outage_requests_are_accepted_and_afterwards_each_task_runs_once(
    outage: Callable[[Service], Callable[[], Any]], service: Service
) -> None:
    """One is at work when the broker goes, some have been announced, others have not."""
    with service.one_at_work():
        before = [service.generate() for _ in range(3)]
        back = outage(service)
        try:
            meanwhile = [service.generate() for _ in range(3)]
            readiness = service.client.readiness()  # of one that is frozen there is no more to say
            assert "broker (The broker does not answer" in readiness or "broker (It has not answered" in readiness
        finally:
            back()
    service.ran_once(*before, *meanwhile)
    service.ran_once(service.generate())  # the one at work went on with the others: this one needs a wake-up


def test_full_memory_delays_and_loses_nothing(service: Service) -> None:
    """The broker takes connections and no messages: what it had is run, what came meanwhile is announced again."""
    service.broker.evaluate("vm_memory_monitor:set_vm_memory_high_watermark(0.00001)")
    try:
        until(lambda: service.broker.evaluate("rabbit_alarm:get_alarms()") != "[]", "the alarm")
        meanwhile = [service.generate() for _ in range(3)]
    finally:
        service.broker.evaluate("vm_memory_monitor:set_vm_memory_high_watermark(0.9)")
    service.ran_once(*meanwhile)


def test_a_deleted_queue_delays_and_loses_nothing(service: Service) -> None:
    with service.one_at_work():
        before = [service.generate() for _ in range(3)]
        with service.channel() as channel:
            channel.queue_delete(service.queue)
    service.ran_once(*before)
    service.ran_once(service.generate())


def test_a_half_open_connection_delays_and_loses_nothing(service: Service) -> None:
    with service.one_at_work():
        before = [service.generate() for _ in range(3)]
        service.proxy.strand()
    service.ran_once(*before)
    service.ran_once(service.generate())


def test_doubled_reordered_and_forged_messages_make_one_claim(service: Service) -> None:
    with service.one_at_work() as running:
        tasks = [service.generate() for _ in range(3)]
        ids = [task_id for task_id, _ in reversed(tasks)] + [running, "no-such-task", "x' OR 1=1 --"]
        with service.channel() as channel:
            for task_id in ids * 100:
                channel.basic_publish_confirm(wake_up(task_id), routing_key=service.queue)
    service.ran_once(*tasks)
    with service.channel() as channel:
        until(lambda: channel.queue_declare(service.queue, passive=True).message_count == 0, "the messages to be read")
    service.ran_once(*tasks)


def wake_up(task_id: str) -> amqp.Message:
    return amqp.Message(
        f'[["{task_id}"], {{}}, {{}}]',
        content_type="application/json",
        content_encoding="utf-8",
        application_headers={"task": WAKE, "id": task_id},
    )
