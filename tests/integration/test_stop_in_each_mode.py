"""A stop in each phase of each mode, on each database: before the decision nothing has happened, after it all has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.items import OLD, items, with_items
from tests.support.surface import Surface, document

from rescind import failpoints
from rescind.domain.states import State
from rescind.ledger.engine import now

#: By what has happened so far, points of an attempt before its decision, which every mode passes.
BEFORE = {
    "checking": "claim.after_commit",
    "begun": "branch.after_start",
    "written": "branch.after_data",
    "marked": "branch.after_marker",
    "deciding": "decide.before",
}


CONTENT = b"id,name\n3,new\n4,more\n"
BAD = b"id,name\n3,new\nx,bad\n4,more\n"


@dataclass(frozen=True)
class Mode:
    """What is submitted, what the table holds once that has committed, and the kind of file that there is then."""

    query: str | None  #: of a load; None for an export
    after: list[tuple[int, str]]
    file: str | None = None
    content: bytes = CONTENT


MODES = {
    "append": Mode("", [*OLD, (3, "new"), (4, "more")]),
    "replace": Mode("mode=replace", [(3, "new"), (4, "more")]),
    "upsert": Mode("mode=upsert&key=id", [(1, "pen"), (2, "new"), (3, "more")], None, b"id,name\n2,new\n3,more\n"),
    "skip": Mode("on_error=skip", [*OLD, (3, "new"), (4, "more")], "rejects", BAD),
    "replace and skip": Mode("mode=replace&on_error=skip", [(3, "new"), (4, "more")], "rejects", BAD),
    "export": Mode(None, OLD, "export"),
}
#: Where a task can be held.
HOLDING = ("postgresql", "mariadb")


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(server: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a new, empty database."""
    return f"sqlite:///{tmp_path}/data.db" if server == "sqlite" else str(request.getfixturevalue(f"{server}_url"))


@pytest.fixture(params=list(MODES))
def mode(request: pytest.FixtureRequest) -> Mode:
    return MODES[request.param]


@pytest.fixture
def s(tmp_path: Path, url: str) -> Iterator[Surface]:
    with with_items(tmp_path / "home", url) as made:
        yield made


def submitted(s: Surface, mode: Mode, **terms: str) -> str:
    """The id of a task in that mode."""
    if mode.query is not None:
        query = "&".join(filter(None, (mode.query, *(f"{name}={value}" for name, value in terms.items()))))
        return s.accepted(query, content=mode.content)
    answer = s.call("POST", "/v1/tasks", json={"task": "export", "args": {"table": "items"}, **terms})
    assert answer.status_code == 202, answer.text
    return str(document(answer)["id"])


def stop(s: Surface, task_id: str) -> int:
    return int(s.call("POST", f"/v1/tasks/{task_id}/stop").status_code)


def at(point: str, act: Callable[[], object]) -> None:
    """Have that done once, when the point is reached."""

    def once() -> None:
        failpoints.disarm()
        act()

    failpoints.arm(point, once)


def files(s: Surface) -> list[str]:
    """What outlives a sweep."""
    s.core.outputs.sweep(now())
    return sorted(path.name for path in s.core.settings.outputs_directory().glob("*"))


def nothing_happened(s: Surface, url: str, task_id: str) -> None:
    """The task is stopped, and everything as it was; its bytes are there for another try."""
    task = s.task(task_id)
    assert (task["state"], task.get("receipt")) == (State.stopped, None)
    assert items(url) == OLD
    assert files(s) == []
    assert s.call("GET", f"/v1/tasks/{task_id}/download").status_code == 409
    assert document(s.call("GET", task["links"]["rejects"]))["total"] == 0
    assert stop(s, task_id) == 202  # the same answer


def test_case_c19_a_stop_while_it_is_queued(s: Surface, url: str, mode: Mode) -> None:
    task_id = submitted(s, mode)
    assert stop(s, task_id) == 202
    s.work()
    s.sweep()
    nothing_happened(s, url, task_id)


@pytest.mark.parametrize("point", BEFORE.values(), ids=list(BEFORE))
def test_case_c19_a_stop_before_the_decision(s: Surface, url: str, mode: Mode, point: str) -> None:
    task_id = submitted(s, mode)
    answers: list[int] = []
    at(point, lambda: answers.append(stop(s, task_id)))
    s.work()
    s.sweep()
    assert answers == [202]
    nothing_happened(s, url, task_id)


@pytest.mark.parametrize("name", ["append", "replace", "upsert", "skip", "replace and skip"])
def test_case_c19_a_stop_while_rows_are_written_and_once_more(s: Surface, url: str, name: str) -> None:
    """What was stopped can be tried again, and is then whole."""
    task_id = submitted(s, MODES[name])
    at("branch.mid_data", lambda: stop(s, task_id))
    s.work()
    s.sweep()
    nothing_happened(s, url, task_id)
    again = document(s.call("POST", f"/v1/tasks/{task_id}/retry"))["id"]
    s.work()
    assert s.task(again)["state"] == State.committed
    assert items(url) == MODES[name].after


@pytest.mark.parametrize("server", HOLDING, indirect=True)
def test_case_c19_a_stop_while_it_is_held(s: Surface, url: str, mode: Mode) -> None:
    task_id = submitted(s, mode, commit="manual")
    s.work()
    assert s.task(task_id)["state"] == State.prepared
    assert items(url) == OLD
    assert stop(s, task_id) == 202
    s.sweep()
    nothing_happened(s, url, task_id)


def test_case_c19_a_stop_after_the_decision_is_too_late(s: Surface, url: str, mode: Mode) -> None:
    task_id = submitted(s, mode)
    answers: list[int] = []
    at("decide.after", lambda: answers.append(stop(s, task_id)))
    s.work()
    assert answers == [409]
    assert stop(s, task_id) == 409
    task = s.task(task_id)
    assert task["state"] == State.committed
    assert items(url) == mode.after
    assert files(s) == ([f"{task_id}.1.{mode.file}"] if mode.file else [])
    assert task["receipt"]["rows_rejected"] == (mode.file == "rejects")


@pytest.mark.parametrize("server", HOLDING, indirect=True)
def test_case_c20_old_rows_are_seen_until_the_commit_is_carried_out(s: Surface, url: str, mode: Mode) -> None:
    """Between the decision and the commit no process is at work: as after a death there."""
    task_id = submitted(s, mode, commit="manual")
    s.work()
    s.call("POST", f"/v1/tasks/{task_id}/commit")
    assert s.task(task_id)["state"] == State.committing
    assert items(url) == OLD
    s.sweep()
    assert s.task(task_id)["state"] == State.committed
    assert items(url) == mode.after
