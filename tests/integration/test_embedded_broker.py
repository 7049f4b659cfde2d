"""A real worker on the embedded broker: every announcement wakes it up, and nothing in the directory stops it."""

from __future__ import annotations

import json
import shutil
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.support.waiting import until
from tests.support.wakes import CHILDREN, Bench

from rescind.broker.announcement import QUEUE, WAKE


def queue_of(bench: Bench) -> Path:
    return bench.home / "broker" / "queues" / QUEUE


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_every_announcement_of_several_threads_wakes_two_workers_once(bench: Bench) -> None:
    bench.start_worker()
    bench.start_worker()
    ids = [f"task-{n}" for n in range(200)]
    sent: dict[str, float] = {}

    def announce(task_id: str) -> None:
        sent[task_id] = time.time()
        bench.announce(task_id)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(announce, ids))
    bench.wait_for(*ids)
    assert sorted(bench.ids()) == sorted(ids)
    delay = statistics.median(at - sent[task_id] for task_id, _, at in bench.woken())
    print(f"from announcing to the body, 200 at once: median {1000 * delay:.0f} ms")  # noqa: T201


def test_half_written_and_garbage_files_do_not_stop_the_worker(bench: Bench) -> None:
    """Case 29: half-written broker files."""
    worker = bench.start_worker()
    bench.announce("before")
    bench.wait_for("before")
    for n, content in enumerate((b"", b'{"body": "W1siYSJd', b"\x00\xff" * 500, b"[]", b"{}", b'{"properties": {}}')):
        (queue_of(bench) / f"0-{n}.json").write_bytes(content)
    (queue_of(bench) / "0-directory").mkdir()
    bench.announce("after")
    bench.wait_for("after")
    until(lambda: not list(queue_of(bench).iterdir()), "the queue to be empty")
    assert len(list((bench.home / "broker" / "broken").iterdir())) == 7
    assert worker.poll() is None


FORGERIES: list[dict[str, Any]] = [
    {"headers": {"task": "celery.backend_cleanup"}},
    {"headers": {"task": "os.system"}},
    {"headers": {"task": ["x"]}},
    {"headers": {"task": WAKE, "id": "i", "timelimit": "soon", "eta": 7, "retries": "many", "shadow": [1]}},
    {"content-type": "application/x-python-serialize"},
    {"body": "e30="},
    {"content-encoding": "no-such-encoding"},
]


def test_forged_messages_harm_nothing(bench: Bench) -> None:
    """What still names our task is a wake-up and no more; anything else is nothing."""
    bench.announce("forged")
    (genuine,) = queue_of(bench).iterdir()
    message = json.loads(genuine.read_text())
    for n, forgery in enumerate(FORGERIES):
        genuine.with_name(f"0-{n}.json").write_text(json.dumps(message | forgery))
    genuine.unlink()
    worker = bench.start_worker()
    bench.announce("genuine")
    bench.wait_for("genuine")
    assert set(bench.ids()) <= {"forged", "genuine"}
    assert len(bench.ids()) <= 3
    assert worker.poll() is None


def test_a_directory_that_is_removed_is_made_again(bench: Bench) -> None:
    worker = bench.start_worker()
    until(queue_of(bench).is_dir, "the worker to poll")
    shutil.rmtree(bench.home / "broker")
    until(queue_of(bench).is_dir, "the directory to be made again")
    bench.announce("a")
    bench.wait_for("a")
    assert worker.poll() is None


@pytest.mark.crash
def test_children_that_are_killed_idle_are_replaced(bench: Bench) -> None:
    """Celery's pool for blocking transports never runs a task again after this."""
    worker = bench.start_worker()
    for round_ in range(2):
        bench.kill_child(worker, bench.children(worker)[0])
        ids = [f"{round_}-{n}" for n in range(10)]
        for task_id in ids:
            bench.announce(task_id)
        bench.wait_for(*ids)


@pytest.mark.crash
def test_a_child_that_is_killed_at_work_is_replaced_and_its_message_is_used_up(bench: Bench) -> None:
    """The message is not sent again: that task is recovered, and announced, by the sweeper."""
    worker = bench.start_worker()
    bench.announce("hold")
    bench.wait_for("hold")
    ((_, child, _),) = bench.woken()
    bench.kill_child(worker, child)
    bench.announce("hold-2")
    bench.announce("hold-3")
    bench.wait_for("hold-2", "hold-3")  # at the same time: neither child is thought busy
    assert bench.ids().count("hold") == 1


def test_sigterm_lets_the_task_end_and_gives_back_what_has_not_begun(bench: Bench) -> None:
    worker = bench.start_worker()
    for n in range(CHILDREN + 3):
        bench.announce(f"hold-{n}")
    until(lambda: len(bench.ids()) == CHILDREN, "both children to be at work")
    worker.terminate()
    bench.release()
    assert worker.wait(30) == 0
    assert len(bench.ids()) + len(list(queue_of(bench).iterdir())) == CHILDREN + 3


@pytest.mark.crash
def test_children_end_with_their_parent(bench: Bench) -> None:
    worker = bench.start_worker()
    children = [psutil.Process(child) for child in bench.children(worker)]  # a number alone may be another's soon
    worker.kill()
    until(lambda: not any(child.is_running() for child in children), "the children to end")
