"""Held tasks over HTTP: committed, stopped, or out of time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.surface import Surface, document, surface

from rescind import bootstrap
from rescind.domain.states import State
from rescind.testing.memory import Fault
from rescind.worker.lease import Unchanged

WAIT = {"Prefer": "wait=20"}


@pytest.fixture
def s(tmp_path: Path) -> Iterator[Surface]:
    with surface(tmp_path) as made:
        yield made


def commit(s: Surface, task_id: str, **headers: str) -> Any:
    return s.call("POST", f"/v1/tasks/{task_id}/commit", headers=headers)


def code(answer: Any) -> tuple[int, str]:
    """Status and code of a refusal that says what to do."""
    problem = document(answer)
    assert problem["advice"].endswith(".")
    return answer.status_code, problem["code"]


def test_a_held_task_says_what_it_waits_for_until_when_and_what_it_locks(s: Surface) -> None:
    task = s.task(s.held("targets=default,archive&hold_seconds=60"))
    assert (task["state"], task["done"], task["waiting_for"]) == ("prepared", False, "a commit or a stop")
    assert task["links"]["commit"] == f"/v1/tasks/{task['id']}/commit"
    assert task["commit"] == "manual"
    assert task["protocol"] == "two-phase"
    assert "receipt" not in task
    claimed, until = (datetime.fromisoformat(at) for at in (task["started_at"], task["hold"]["until"]))
    assert 60 <= (until - claimed).total_seconds() < 120
    assert task["hold"]["locks"].keys() == {"default.0", "archive.1"}
    assert all(task["hold"]["locks"].values())
    assert (s.rows("default"), s.rows("archive")) == (0, 0)


def test_without_hold_seconds_the_setting_counts(s: Surface) -> None:
    task = s.task(s.held())
    claimed, until = (datetime.fromisoformat(at) for at in (task["started_at"], task["hold"]["until"]))
    assert 900 <= (until - claimed).total_seconds() < 960


def test_commit_carries_it_out(s: Surface) -> None:
    task_id = s.held("targets=default,archive")
    answer = commit(s, task_id)
    assert (answer.status_code, document(answer)["state"]) == (202, "committing")
    assert answer.headers["Location"] == f"/v1/tasks/{task_id}"
    assert document(answer).keys().isdisjoint({"hold", "waiting_for"})
    s.sweep()
    task = s.task(task_id)
    assert (task["state"], task["receipt"]["rows_written"]) == ("committed", 6)
    assert (s.rows("default"), s.rows("archive")) == (3, 3)


def test_commit_again_is_the_same(s: Surface) -> None:
    task_id = s.held()
    assert commit(s, task_id).status_code == 202
    assert document(commit(s, task_id))["state"] == "committing"
    s.sweep()
    again = commit(s, task_id)
    assert (again.status_code, document(again)["state"]) == (202, "committed")
    assert s.rows() == 3


def test_commit_waits_for_the_markers(s: Surface) -> None:
    task_id = s.held()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(commit, s, task_id, **WAIT)
        while s.state(task_id) is State.prepared:
            pass
        s.sweep()
        answer = waiting.result()
    assert (answer.status_code, document(answer)["state"]) == (202, "committed")
    assert answer.headers["Preference-Applied"] == "wait=20"


def test_a_request_that_waits_for_a_task_is_answered_when_it_is_held(s: Surface) -> None:
    task_id = s.held()
    answer = s.call("GET", f"/v1/tasks/{task_id}", headers={"Prefer": "wait=100"})  # the test ends before that
    assert document(answer)["state"] == "prepared"


def test_stop_takes_it_back(s: Surface) -> None:
    task_id = s.held("targets=default,archive")
    stop = s.call("POST", f"/v1/tasks/{task_id}/stop")
    assert stop.status_code == 202
    assert document(stop).get("waiting_for") is None
    assert "commit" not in document(stop)["links"]
    assert code(commit(s, task_id)) == (409, "stopped")
    s.sweep()
    assert s.task(task_id)["state"] == "stopped"
    assert code(commit(s, task_id)) == (409, "finished")
    assert s.prepared() == []
    assert s.rows() == 0


def test_after_the_commit_a_stop_is_too_late(s: Surface) -> None:
    task_id = s.held()
    commit(s, task_id)
    assert code(s.call("POST", f"/v1/tasks/{task_id}/stop")) == (409, "too-late")


def test_out_of_time(s: Surface) -> None:
    task_id = s.held()
    s.expire(task_id)
    assert code(commit(s, task_id)) == (409, "hold-expired")
    s.sweep()
    task = s.task(task_id)
    assert (task["state"], task["error"]["code"]) == ("failed", "hold-expired")
    late = commit(s, task_id)
    assert code(late) == (409, "hold-expired")
    assert "hold_seconds" in document(late)["advice"]
    assert s.prepared() == []


def test_while_it_is_taken_back_its_time_is_over_too(s: Surface) -> None:
    task_id = s.held()
    s.expire(task_id)
    s.operators["default"].arm("rollback_prepared", Fault.refused)
    s.sweep()
    assert s.state(task_id) is State.aborting
    assert code(commit(s, task_id)) == (409, "hold-expired")


@pytest.mark.parametrize("query", ["commit=manual", ""])
def test_not_held_yet_or_never(s: Surface, query: str) -> None:
    task_id = s.accepted(query)
    assert code(commit(s, task_id)) == (409, "not-held")
    assert s.state(task_id) is State.queued


def test_committed_by_itself(s: Surface) -> None:
    task_id = s.accepted()
    s.work()
    assert commit(s, task_id).status_code == 202


@pytest.mark.parametrize("query", ["dry_run=true", "create=true"])
def test_ended_another_way(s: Surface, query: str) -> None:
    task_id = s.accepted(query)
    if query == "create=true":
        s.call("POST", f"/v1/tasks/{task_id}/stop")
    s.work()
    assert code(commit(s, task_id)) == (409, "finished")


def test_an_unknown_id(s: Surface) -> None:
    assert code(commit(s, "01890000-0000-7000-8000-000000000000")) == (404, "unknown-id")


def test_a_retry_has_the_terms_of_the_first(s: Surface) -> None:
    task_id = s.held("targets=default,archive&hold_seconds=60")
    s.call("POST", f"/v1/tasks/{task_id}/stop")
    s.sweep()
    again = document(s.call("POST", f"/v1/tasks/{task_id}/retry"))
    assert (again["commit"], again["targets"]) == ("manual", ["default", "archive"])


def test_a_retry_whose_file_is_gone_is_refused(s: Surface) -> None:
    task_id = s.accepted()
    s.call("POST", f"/v1/tasks/{task_id}/stop")
    s.sweep()
    s.core.uploads.sweep(datetime.now(UTC) + timedelta(days=8))
    answer = s.call("POST", f"/v1/tasks/{task_id}/retry")
    assert code(answer) == (422, "unknown-upload")


@pytest.mark.parametrize(
    ("query", "word"), [("commit=manual", "STARTED"), ("dry_run=true", "SUCCESS")], ids=["prepared", "checked"]
)
def test_the_demos_word_for_it(s: Surface, query: str, word: str) -> None:
    task_id = s.accepted(query)
    s.work()
    assert document(s.call("GET", f"/status/{task_id}"))["status"] == word


def test_rows_left_to_undo_are_shown_without_a_rate(s: Surface) -> None:
    task_id = s.held()
    s.set(task_id, state=State.aborting, phase="rolling back", rows=2)
    progress = s.task(task_id)["progress"]
    assert (progress["phase"], progress["rows"], progress["rows_per_second"]) == ("rolling back", 2, 0.0)


def end_by_hand(s: Surface, target: str, *, commit: bool) -> None:
    found = s.core.targets[target]
    (branch,) = found.list_prepared(s.core.ledger.identity()[0])
    (found.commit_prepared if commit else found.rollback_prepared)(branch)


@pytest.mark.parametrize("how", ["commit", "rollback"])
def test_a_branch_that_was_ended_by_hand_is_not_committed_beside(s: Surface, how: str) -> None:
    """The refusal says which, nothing is decided, and the sweeper makes an end of it at once."""
    task_id = s.held("targets=default,archive")
    end_by_hand(s, "archive", commit=how == "commit")
    refused = commit(s, task_id)
    assert code(refused) == (409, "contradiction" if how == "commit" else "branch-gone")
    assert "arget archive" in document(refused)["detail"]
    assert (s.state(task_id), s.rows("default")) == (State.prepared, 0)
    s.sweep()
    task = s.task(task_id)
    assert (task["state"], task["error"]["code"]) == (
        ("hazard", "contradiction") if how == "commit" else ("failed", "branch-gone")
    )
    assert len(s.prepared()) == (how == "commit")
    assert code(commit(s, task_id)) == (409, "finished")


def test_nothing_is_decided_while_a_target_is_away_and_the_task_waits_for_it(s: Surface) -> None:
    task_id = s.held("targets=default,archive")
    s.operators["archive"].down()
    refused = commit(s, task_id)
    assert code(refused) == (503, "target-unavailable")
    assert s.state(task_id) is State.prepared
    bootstrap.open_sweeper(s.core).sweep_target(s.core.targets["default"], Unchanged(), Unchanged())
    assert "memory database" in s.task(task_id)["waiting_for"]
    s.operators["archive"].up()
    s.sweep()
    assert s.task(task_id)["waiting_for"] == "a commit or a stop"
    assert commit(s, task_id).status_code == 202
