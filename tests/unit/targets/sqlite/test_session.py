"""Ending a session ends that one and no other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from tests.support.waiting import until

from rescind.domain.branch import BranchId, Protocol
from rescind.errors import RescindError
from rescind.process import ProcessId
from rescind.targets.sqlite import session as sessions
from rescind.targets.sqlite.branch import SQLiteBranch
from rescind.targets.sqlite.session import Session
from rescind.targets.sqlite.target import SQLiteTarget

Sql = Callable[..., list[tuple[Any, ...]]]
_fork = multiprocessing.get_context("fork")


def _write_and_wait(path: Path, identity: BranchId, tell: Connection) -> None:
    branch = SQLiteTarget("default", path).open_branch(identity, Protocol.one_phase)
    branch.start()
    branch.clear_table("t")
    tell.send(branch.session)
    signal.pause()


@pytest.fixture
def elsewhere(path: Path, target: SQLiteTarget, identity: BranchId, sql: Sql) -> Any:
    """A process that holds an open branch in which table `t` is emptied: (its pid, its session)."""
    sql("CREATE TABLE t AS SELECT 1 AS a")
    here, there = _fork.Pipe()
    process = _fork.Process(target=_write_and_wait, args=(path, identity, there))
    process.start()
    yield process, here.recv()
    process.kill()
    process.join()


def test_ending_a_session_of_this_process_closes_its_connection_only(
    target: SQLiteTarget, branch: SQLiteBranch, sql: Sql
) -> None:
    branch.clear_table("t")
    assert target.end_session(branch.session)
    with pytest.raises(RescindError):
        branch.commit()
    sql("INSERT INTO t VALUES (2, 'two')")
    assert sql("SELECT count(*) FROM t") == [(2,)]
    assert target.end_session(branch.session)


def test_another_target_object_of_this_process_ends_it_too(path: Path, branch: SQLiteBranch) -> None:
    assert SQLiteTarget("again", path).end_session(branch.session)
    with pytest.raises(RescindError):
        branch.clear_table("t")


def test_a_session_that_is_executing_is_interrupted_and_then_gone(session: Session) -> None:
    session.begin()
    running = threading.Event()
    session.create_function("running", 0, running.set)
    endless = "WITH RECURSIVE n(i) AS (SELECT running() UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n"
    errors: list[Exception] = []

    def execute() -> None:
        try:
            session.execute(endless)
        except Exception as error:
            errors.append(error)

    worker = threading.Thread(target=execute)
    worker.start()
    assert running.wait(10)
    until(session.end, "the session's end")
    worker.join()
    assert len(errors) == 1


def test_ending_a_session_of_another_process_kills_it(target: SQLiteTarget, elsewhere: Any, sql: Sql) -> None:
    process, session = elsewhere
    until(lambda: target.end_session(session), "the session's end")
    process.join(10)
    assert process.exitcode == -signal.SIGKILL
    assert sql("SELECT count(*) FROM t") == [(1,)]


def test_a_stopped_process_is_ended_too(target: SQLiteTarget, elsewhere: Any) -> None:
    process, session = elsewhere
    os.kill(process.pid, signal.SIGSTOP)
    until(lambda: target.end_session(session), "the session's end")


def test_a_later_process_with_the_same_number_is_left_alone(target: SQLiteTarget, elsewhere: Any) -> None:
    process, session = elsewhere
    identity, _, serial = session.rpartition("|")
    before = ProcessId.parse(identity)
    recycled = replace(before, started=before.started - 1)
    assert target.end_session(f"{recycled}|{serial}")
    assert process.is_alive()


def test_a_process_of_another_boot_may_run_on_another_machine(path: Path, elsewhere: Any) -> None:
    """Its name and its number are this one's too: who holds the write lock tells."""
    process, session = elsewhere
    identity, _, serial = session.rpartition("|")
    hidden = replace(ProcessId.parse(identity), boot="another")
    assert not SQLiteTarget("default", path, busy_seconds=0.05).end_session(f"{hidden}|{serial}")
    assert process.is_alive()


def test_a_process_out_of_sight_is_gone_when_nobody_writes(
    path: Path, target: SQLiteTarget, branch: SQLiteBranch
) -> None:
    hidden = f"{replace(ProcessId.current(), host='another')}|1"
    impatient = SQLiteTarget("default", path, busy_seconds=0.05)
    assert not impatient.end_session(hidden)
    branch.rollback()
    assert target.end_session(hidden)


def _sessions_after_fork(tell: Connection) -> None:
    tell.send(len(sessions._open))


def test_a_forked_child_knows_none_of_its_parents_sessions(session: Session) -> None:
    assert session.name in sessions._open
    here, there = _fork.Pipe()
    child = _fork.Process(target=_sessions_after_fork, args=(there,))
    child.start()
    child.join(10)
    assert here.recv() == 0
    session.execute("SELECT 1")
