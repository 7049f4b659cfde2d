"""The application: which broker it talks to, and what may be sent to it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from rescind.broker.announcement import WAKE
from rescind.broker.application import make_celery
from rescind.broker.command import node_name, worker_arguments
from rescind.broker.publisher import publisher
from rescind.errors import BrokerUnavailable, ConfigurationError


def test_without_a_url_the_broker_is_the_embedded_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the environment names another: which one it is has been settled by the settings."""
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://elsewhere")
    with make_celery(None, tmp_path).connection_for_write() as connection:
        assert connection.transport.driver_type == "embedded"
    publisher(make_celery(None, tmp_path))("a")
    assert len(list((tmp_path / "broker" / "queues" / "rescind").iterdir())) == 1


def test_with_a_url_the_broker_is_that_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://elsewhere")
    connection = make_celery("amqp://user:word@here:5673/host", tmp_path).connection_for_read()
    assert (connection.transport_cls, connection.hostname, connection.port) == ("amqp", "here", 5673)
    assert connection.transport_options["confirm_publish"] is True


@pytest.mark.parametrize("url", ["redis://me:secret@here/0", "nosuch://me:secret@here", "amqp://me:secret@here:port/"])
def test_a_url_that_nothing_here_can_use_is_refused_at_the_start(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError, match="CELERY_BROKER_URL cannot be used") as refused:
        make_celery(url, tmp_path)
    assert "secret" not in str(refused.value)


def test_a_wake_up_calls_the_body_with_the_id(tmp_path: Path) -> None:
    woken: list[str] = []
    without, with_body = make_celery(None, tmp_path), make_celery(None, tmp_path, wake=woken.append)
    with_body.tasks[WAKE]("a")
    without.tasks[WAKE]("b")
    assert woken == ["a"]


def test_a_broker_where_nobody_listens_is_unavailable(tmp_path: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        publish = publisher(make_celery(f"amqp://127.0.0.1:{bound.getsockname()[1]}", tmp_path))
        for _ in range(2):
            with pytest.raises(BrokerUnavailable):
                publish("a")


def test_a_broker_that_never_answers_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rescind.broker.publisher.CONNECT_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(BrokerUnavailable, match="timed out"):
            publisher(make_celery(f"amqp://127.0.0.1:{silent.getsockname()[1]}", tmp_path))("a")


def test_two_workers_have_two_names() -> None:
    assert node_name() != node_name()
    assert worker_arguments(3, "n@h")[-4:] == ["-c", "3", "-n", "n@h"]


@pytest.mark.parametrize(("queue_type", "name"), [("classic", "rescind"), ("quorum", "rescind-quorum")])
def test_each_type_of_queue_has_its_name_and_is_asked_for_by_its_type(
    queue_type: str, name: str, tmp_path: Path
) -> None:
    """A virtual host may make quorum queues where nothing is said, and a queue never changes its type."""
    app = make_celery("amqp://here", tmp_path, queue_type=queue_type)
    assert app.conf.task_default_queue == name
    (queue,) = app.amqp.queues.values()
    assert (queue.name, queue.durable, queue.queue_arguments) == (name, True, {"x-queue-type": queue_type})
