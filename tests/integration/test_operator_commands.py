"""`rescind recover` and `rescind doctor` on real servers, in a home of their own."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import delete
from tests.integration.test_several_databases import TABLE
from tests.support.databases import run
from tests.support.ledgers import SERVERS
from tests.support.surface import Surface, real_surface

from rescind.cli.main import main
from rescind.domain.branch import BranchId
from rescind.domain.states import State
from rescind.ledger import tables

WHY = ("--why", "the backup of Monday")


@dataclass
class Home:
    """A Rescind over one server, and its commands."""

    s: Surface
    capsys: pytest.CaptureFixture[str]

    def say(self, *arguments: str, code: int = 0) -> str:
        """What the command prints."""
        self.capsys.readouterr()
        assert main([*arguments]) == code, self.capsys.readouterr().err
        said = self.capsys.readouterr()
        return said.out if code == 0 else said.err

    def json(self, *arguments: str) -> Any:
        return json.loads(self.say(*arguments, "--json"))

    def quarantined(self) -> BranchId:
        """A prepared branch whose task the ledger does not know any more."""
        task_id = self.s.held()
        with self.s.core.ledger.write() as connection:
            connection.execute(delete(tables.task).where(tables.task.c.id == task_id))
        (branch,) = self.s.prepared()
        return branch

    def hazard(self) -> str:
        """A task that was stopped while it was held, and whose branch an operator committed by hand."""
        task_id = self.s.held()
        (branch,) = self.s.prepared()
        self.s.core.targets["default"].commit_prepared(branch)
        self.s.call("POST", f"/v1/tasks/{task_id}/stop")
        self.s.sweep()
        assert self.s.state(task_id) is State.hazard
        return task_id


@pytest.fixture(params=SERVERS)
def home(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Home]:
    url = request.getfixturevalue(f"{request.param}_url")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESCIND_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", url)
    with real_surface(tmp_path / "home", default=url) as surface:
        run(url, TABLE)
        yield Home(surface, capsys)
        assert surface.prepared() == []


def test_doctor_shows_the_card_in_words(home: Home) -> None:
    said = home.say("doctor")
    assert "two-phase commit: full." in said
    assert any(product in said for product in ("PostgreSQL 1", "MariaDB 1"))
    assert "password" not in said


def test_self_test_on_a_server(home: Home) -> None:
    said = home.say("doctor", "--xa-selftest")
    assert "OK    it is still listed, to a new connection" in said
    assert "OK    clean up" in said
    (result,) = home.json("doctor", "--xa-selftest", "default")
    assert result["proven"] is True


def test_self_test_of_a_server_that_is_away(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:secret@127.0.0.1:9/nothing")
    assert main(["doctor", "--xa-selftest"]) == 1
    said = home.capsys.readouterr().out
    assert "FAIL" in said
    assert "secret" not in said


def test_nothing_is_undecided(home: Home) -> None:
    assert "Nothing is undecided." in home.say("recover")


def test_it_explains_and_then_does_what_the_sweeper_would(home: Home) -> None:
    task_id = home.s.held()
    home.s.call("POST", f"/v1/tasks/{task_id}/stop")
    explained = home.say("recover", "--dry-run")
    assert "a stop was asked for: it is taken back" in explained
    assert "Done:" not in explained
    assert home.s.state(task_id) is State.prepared
    done = home.say("recover")
    assert f"Task {task_id} was prepared and is stopped." in done
    assert "is prepared no more" in done
    assert home.s.prepared() == []


def test_it_carries_a_decision_out(home: Home) -> None:
    task_id = home.s.held()
    home.s.call("POST", f"/v1/tasks/{task_id}/commit")
    document = home.json("recover")
    assert document["states"] == {task_id: "committed"}
    assert [branch["verdict"] for branch in document["before"]["branches"]] == ["leave"]
    assert document["after"]["branches"] == []
    assert home.s.rows() == 3


@pytest.mark.parametrize(("word", "rows"), [("commit", 3), ("rollback", 0)])
def test_the_way_out_of_quarantine(home: Home, word: str, rows: int) -> None:
    branch = home.quarantined()
    said = home.say("recover")
    assert "QUARANTINE" in said
    assert f"rescind recover --branch {branch}" in said
    assert home.s.prepared() == [branch]
    assert "would be ended" in home.say("recover", "--branch", str(branch), "--as", word, *WHY, "--dry-run")
    assert home.s.prepared() == [branch]
    assert "was ended" in home.say("recover", "--branch", str(branch), "--as", word, *WHY)
    assert (home.s.prepared(), home.s.rows()) == ([], rows)


@pytest.mark.parametrize("home", ["postgresql"], indirect=True)
def test_a_branch_that_leaves_no_marker_is_told_of(home: Home) -> None:
    """One that an operator prepared by hand, under a name of ours: nobody can prove that it committed."""
    ledger = home.s.core.ledger.identity()[0]
    branch = BranchId(ledger, 1, "0192f0c0-0000-7000-8000-000000000001", 1, 0)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"BEGIN; INSERT INTO items VALUES (9, 'x'); PREPARE TRANSACTION '{branch}'")
    said = home.say("recover", "--branch", str(branch), "--as", "commit", *WHY, code=1)
    assert "it left no marker: look for its rows" in said
    assert "quarantine" in said


def test_an_operators_word_is_kept(home: Home) -> None:
    task_id = home.hazard()
    said = home.say("recover")
    assert "an operator must look" in said
    assert "rescind recover" in home.s.task(task_id)["error"]["advice"]
    assert "+00:00" not in said
    assert f"rescind recover --task {task_id} --as committed|failed" in said
    assert "markers 1, prepared branches 0" in said
    document = home.json("recover", "--task", task_id, "--as", "committed", *WHY)
    assert (document["warnings"], document["done"]) == ([], True)
    events = home.s.call("GET", f"/v1/tasks/{task_id}/events").get_json()["events"]
    assert events[-1]["kind"] == "committed"
    assert events[-1]["detail"]["operator"] == pwd.getpwuid(os.getuid()).pw_name
    assert events[-1]["detail"]["why"] == WHY[1]
    assert len(events[-1]["detail"]["evidence"]["default"]["markers"]) == 1


def test_a_word_that_the_markers_speak_against(home: Home) -> None:
    task_id = home.hazard()
    as_failed = ("recover", "--task", task_id, "--as", "failed", *WHY)
    assert "Against it: The marker of" in home.say(*as_failed, "--dry-run")
    said = home.say(*as_failed, code=1)
    assert "Nothing was changed." in said
    assert "--against-markers" in said
    assert home.s.state(task_id) is State.hazard
    assert "Against it: The marker of" in home.say(*as_failed, "--against-markers")
    task = home.s.task(task_id)
    assert (task["state"], task["error"]["code"]) == ("failed", "contradiction")
    assert "must look" not in task["error"]["advice"]
    assert (task["settled"]["as"], task["settled"]["why"]) == ("failed", WHY[1])
    assert task["settled"]["operator"] == pwd.getpwuid(os.getuid()).pw_name


def test_a_restored_ledger(home: Home) -> None:
    """Branches of the earlier life are left alone, and the tasks make no attempt in the old one."""
    task_id = home.s.held()
    said = home.say("recover", "--restored")
    assert "life 2 begins, after 1" in said
    assert "Tasks that were prepared in the backup: 1." in said
    assert "Start every process of Rescind anew" in said
    listed = home.json("recover", "--dry-run")["before"]["branches"]
    assert [branch["verdict"] for branch in listed] == ["quarantine"]
    old = home.s.accepted()
    home.s.work()
    assert home.s.state(old) is State.queued
    assert "restart" in home.s.task(old)["waiting_for"]
    home.say("recover", "--branch", listed[0]["branch"], "--as", "rollback", *WHY)
    assert home.s.state(task_id) is State.prepared


@pytest.mark.parametrize(
    "arguments",
    [
        ("--restored", "--task", "t"),
        ("--branch", "b", "--task", "t"),
        ("--as", "commit"),
        ("--why", "x"),
        ("--branch", "b", "--as", "failed", *WHY),
        ("--task", "t", "--as", "commit", *WHY),
        ("--branch", "b", "--as", "commit"),
        ("--task", "t", "--as", "failed", "--why", " "),
        ("--task", "t"),
    ],
)
def test_wrong_usage(home: Home, arguments: tuple[str, ...]) -> None:
    assert "Nothing was changed." in home.say("recover", *arguments, code=2)


def test_an_unknown_task_and_branch(home: Home) -> None:
    assert "No task has the id" in home.say("recover", "--task", "t", "--as", "failed", *WHY, code=1)
    assert "not the name" in home.say("recover", "--branch", "b", "--as", "commit", *WHY, code=1)
