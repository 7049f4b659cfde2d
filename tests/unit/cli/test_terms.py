"""Targets, held commits and dry runs from the command line, against the API over memory databases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.surface import FILE, Surface

from rescind.cli.main import main
from rescind.cli.options import Terms
from rescind.cli.progress import describe
from rescind.domain.states import State


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "items.csv"
    path.write_bytes(FILE)
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """What the command prints on standard output."""
    capsys.readouterr()
    assert main([*arguments]) == code
    return capsys.readouterr().out


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    return json.loads(run(capsys, *arguments, "--json", code=code))


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str, code: int) -> str:
    capsys.readouterr()
    assert main([*arguments]) == code
    return capsys.readouterr().err


def test_a_load_that_ends_held_says_how_to_go_on(s: Surface, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    with s.at_work():
        told = run(capsys, "load", file, "--into", "items", "--commit", "manual", "--hold-seconds", "60", "--wait")
        (task,) = answer(capsys, "tasks", "--state", "prepared")["tasks"]
        assert f"rescind commit {task['id']}" in told
        assert f"rescind stop {task['id']}" in told
        assert task["hold"]["until"] in told
        assert task["hold"]["locks"]["default.0"] in told
        assert "3 rows" in told
        assert s.rows() == 0
        assert answer(capsys, "commit", task["id"], "--wait")["state"] == "committed"
    assert s.rows() == 3


def test_show_of_a_held_task(s: Surface, capsys: pytest.CaptureFixture[str]) -> None:
    task_id = s.held()
    told = run(capsys, "show", task_id)
    assert "prepared, waiting for a commit or a stop" in told
    assert "locks default.0" in told


def test_commit_without_waiting(s: Surface, capsys: pytest.CaptureFixture[str]) -> None:
    task_id = s.held()
    assert "is committing" in run(capsys, "commit", task_id)
    assert answer(capsys, "commit", task_id)["state"] == "committing"


def test_commit_of_what_is_not_held(s: Surface, capsys: pytest.CaptureFixture[str]) -> None:
    said = complaint(capsys, "commit", s.accepted(), code=1)
    assert "commits by itself" in said
    assert "This request changed nothing." in said


def test_stop_waits_until_a_held_task_is_taken_back(s: Surface, capsys: pytest.CaptureFixture[str]) -> None:
    task_id = s.held()
    with s.at_work():
        assert answer(capsys, "stop", task_id, "--wait")["state"] == "stopped"
    assert s.prepared() == []
    said = complaint(capsys, "stop", task_id, "--wait", code=0).splitlines()
    assert "" not in said


def test_nobody_commits_in_time(s: Surface, capsys: pytest.CaptureFixture[str]) -> None:
    task_id = s.held()
    s.expire(task_id)
    assert "time of task" in complaint(capsys, "commit", task_id, code=1)
    s.sweep()
    assert "longer hold_seconds" in run(capsys, "show", task_id)


def test_a_dry_run_is_done_and_has_changed_nothing(s: Surface, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    with s.at_work():
        told = run(capsys, "load", file, "--into", "items", "--dry-run", "--wait")
    assert "nothing was changed. 3 rows would have been written." in told
    assert "3 read, 3 would be written" in told
    assert s.rows() == 0


def test_a_dry_run_speaks_of_no_table_as_if_it_were_there(
    s: Surface, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with s.at_work():
        told = run(capsys, "load", file, "--into", "new", "--create", "--dry-run", "--wait")
    assert "would make" in told
    assert "table made" not in told
    assert "3, had it committed" in told


def test_the_command_is_named_that_shows_the_rejects(
    s: Surface, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("id,name\none,x\n")
    with s.at_work():
        said = complaint(capsys, "load", str(bad), "--into", "items", "--wait", code=1)
    (task,) = answer(capsys, "tasks")["tasks"]
    for told in (said, run(capsys, "show", task["id"])):
        assert f"by `rescind rejects {task['id']}`" in told
        assert "/v1/" not in told


def test_a_dry_run_that_finds_a_fault(s: Surface, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("id,name\n1,x\n1,y\n")
    with s.at_work():
        assert "taken back" in complaint(capsys, "load", str(bad), "--into", "items", "--dry-run", "--wait", code=1)


def test_several_targets_and_writers(s: Surface, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    with s.at_work():
        task = answer(
            capsys, "load", file, "--into", "items", "--targets", "default,archive", "--writers", "2", "--wait"
        )
    assert (task["targets"], len(task["receipt"]["branches"])) == (["default", "archive"], 4)
    assert (s.rows("default"), s.rows("archive")) == (3, 3)


def test_the_number_of_writers_is_left_open(s: Surface, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "load", file, "--into", "items", "--writers", "auto")["args"]["writers"] == 1
    assert "--writers" in complaint(capsys, "load", file, "--into", "items", "--writers", "some", code=2)


@pytest.mark.parametrize("command", ["load", "generate"])
def test_what_a_target_cannot_is_said_at_once(
    s: Surface, file: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    what = ["load", file, "--into", "items"] if command == "load" else ["generate", "3"]
    said = complaint(capsys, *what, "--target", "plain", "--commit", "manual", code=1)
    assert "without two-phase commit" in said
    assert answer(capsys, "tasks")["tasks"] == []


def test_generate_has_the_same_terms(s: Surface, capsys: pytest.CaptureFixture[str]) -> None:
    task = answer(capsys, "generate", "3", "--target", "archive", "--commit", "manual", "--hold-seconds", "60")
    assert (task["targets"], task["commit"]) == (["archive"], "manual")
    task = answer(capsys, "generate", "3", "--targets", "archive, default", "--dry-run")
    assert (task["targets"], task["dry_run"]) == (["archive", "default"], True)


@pytest.mark.parametrize("command", ["load", "generate"])
def test_one_way_to_name_targets(s: Surface, file: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    what = ["load", file, "--into", "items"] if command == "load" else ["generate", "3"]
    assert "target" in complaint(capsys, *what, "--target", "plain", "--targets", "plain", code=2)


def test_only_what_was_given_is_sent() -> None:
    assert (dict(Terms().query()), Terms().body()) == ({}, {})


def test_a_rollback_tells_what_is_left(s: Surface, capsys: pytest.CaptureFixture[str]) -> None:
    task_id = s.held()
    s.set(task_id, state=State.aborting, phase="rolling back", rows=2)
    assert "rolling back, 2 rows left" in run(capsys, "show", task_id)
    assert describe(s.task(task_id)) == "aborting"
