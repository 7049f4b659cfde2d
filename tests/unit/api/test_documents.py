"""What the document of a task says beside its state."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.surface import Surface, surface

from rescind import failpoints
from rescind.domain.states import State


@pytest.fixture
def s(tmp_path: Path) -> Iterator[Surface]:
    with surface(tmp_path) as made:
        yield made


def fail(s: Surface) -> None:
    """An attempt that ends with an error after which there is another one."""

    def refuse() -> None:
        raise failpoints.Injected("decide.before")

    failpoints.arm("decide.before", refuse)
    s.work()


def test_a_task_that_is_tried_again_says_why(s: Surface) -> None:
    task_id = s.accepted()
    assert "last_error" not in s.task(task_id)
    fail(s)
    queued = s.task(task_id)
    assert queued["state"] == State.queued
    assert (queued["last_error"]["attempt"], queued["last_error"]["code"]) == (1, "internal-error")
    during: list[dict[str, Any]] = []
    failpoints.arm("branch.after_data", lambda: during.append(s.task(task_id)["last_error"]))
    s.set(task_id, not_before=None)
    s.work()
    assert during == [queued["last_error"]]
    assert "last_error" not in s.task(task_id)


def test_arguments_are_those_that_a_person_gives(s: Surface) -> None:
    answer = s.call("POST", "/v1/tasks", json={"task": "generate", "args": {"rows": 2, "seed": 1}})
    assert answer.get_json()["args"] == {"table": "data", "rows": 2, "seed": 1}
