"""`rescind up` whose broker is away, or is none that it can use."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.stack import command, environment, up
from tests.support.waiting import until

pytestmark = pytest.mark.stack


@pytest.fixture
def nowhere() -> Iterator[str]:
    """The URL of a port that is bound, so that nobody else is given it, and where nobody listens."""
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"amqp://me:secret@127.0.0.1:{bound.getsockname()[1]}//"


def test_it_is_said_at_the_start_and_with_each_task(tmp_path: Path, nowhere: str) -> None:
    with up(tmp_path / "home", CELERY_BROKER_URL=nowhere) as stack:
        until(lambda: "rescind doctor" in stack.errors.read_text(), "the warning")
        said = stack.errors.read_text()
        assert "not ready: broker: The broker does not answer: [Errno 111] Connection refused." in said
        with httpx2.Client(base_url=stack.url, trust_env=False, timeout=30) as client:
            task_id = client.post("/insert/5").json()["task_id"]

            def waits_for() -> Any:
                return client.get(f"/v1/tasks/{task_id}").json().get("waiting_for")

            reason = until(waits_for, "what the task waits for")
        assert "broker" in reason
        assert "Connection refused" in reason
        logs = [path.read_text() for path in (stack.home / "logs").iterdir()]
        assert not any("secret" in text for text in [reason, said, *logs])


def test_one_that_nothing_here_can_speak_to_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        command("up", "--port", "0", "--home", tmp_path / "home"),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(CELERY_BROKER_URL="redis://me:secret@127.0.0.1/0"),
    )
    assert done.returncode == 2
    assert "CELERY_BROKER_URL cannot be used: the library for such a broker is not installed" in done.stderr
    assert "secret" not in done.stderr
