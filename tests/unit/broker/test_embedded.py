"""The embedded transport, used through kombu as Celery uses it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu.connection import Connection

from rescind.broker.announcement import QUEUE, clean
from rescind.broker.application import make_celery
from rescind.broker.publisher import publisher
from rescind.errors import BrokerUnavailable

FOLDER = Path("broker", "queues", QUEUE)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with make_celery(None, tmp_path).connection_for_read() as connection:
        yield connection


def announce(home: Path, *ids: str) -> None:
    publish = publisher(make_celery(None, home))
    for task_id in ids:
        publish(task_id)


def get(connection: Connection) -> Any:
    channel: Any = connection.default_channel
    return channel.basic_get(QUEUE)


def announced(message: Any) -> str:
    assert clean(message)
    (task_id,) = json.loads(message.body)[0]
    return str(task_id)


def test_what_is_published_is_an_announcement(connection: Connection, tmp_path: Path) -> None:
    announce(tmp_path, "a", "b")
    assert [announced(get(connection)) for _ in "ab"] == ["a", "b"]
    assert get(connection) is None


def test_a_consumer_that_leaves_gives_back_what_it_held(connection: Connection, tmp_path: Path) -> None:
    announce(tmp_path, "a", "b")
    with make_celery(None, tmp_path).connection_for_read() as leaving:
        get(leaving).ack()
        get(leaving)
    assert announced(get(connection)) == "b"
    assert get(connection) is None


def test_where_nothing_can_be_given_back_leaving_still_succeeds(tmp_path: Path) -> None:
    announce(tmp_path, "a")
    with make_celery(None, tmp_path).connection_for_read() as leaving:
        get(leaving)
        (tmp_path / FOLDER).rmdir()
        (tmp_path / FOLDER).write_text("a file where the queue should be")
    assert not list((tmp_path / "broker" / "tmp").iterdir())


WRONG: dict[str, Any] = {
    "no properties": {"properties": None},
    "no headers": {"headers": 7},
    "compressed": {"headers": {"compression": "application/x-gzip"}},
    "no tag": {"properties": {}},
    "no route": {"properties": {"delivery_tag": "1", "body_encoding": "base64", "delivery_info": None}},
    "no base64": {"body": "%%%"},
    "a body that is no text": {"body": 7},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG.keys())
def test_what_kombu_would_stumble_over_is_set_aside(
    connection: Connection, tmp_path: Path, changes: dict[str, Any]
) -> None:
    announce(tmp_path, "forged", "a")
    forged = min((tmp_path / FOLDER).iterdir())
    forged.write_text(json.dumps(json.loads(forged.read_text()) | changes))
    assert announced(get(connection)) == "a"
    assert [path.name for path in (tmp_path / "broker" / "broken").iterdir()] == [forged.name]


FULL = """
import resource, signal, sys
from pathlib import Path
from rescind.broker.application import make_celery
from rescind.broker.publisher import publisher
from rescind.errors import BrokerUnavailable

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
publish = publisher(make_celery(None, Path(sys.argv[1])))
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
try:
    publish("a")
except BrokerUnavailable:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    publish("b")
    sys.exit(0)
sys.exit("published where nothing can be written")
"""


def test_where_nothing_can_be_written_the_broker_is_unavailable_and_nothing_stays(
    connection: Connection, tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], check=True, timeout=60)
    assert announced(get(connection)) == "b"
    assert not list((tmp_path / "broker" / "tmp").iterdir())


def test_a_home_that_is_no_directory_is_an_unavailable_broker(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(BrokerUnavailable, match="cannot write"):
        announce(tmp_path / "home", "a")
