from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rescind.domain.branch import BranchId, Protocol
from rescind.targets.sqlite.branch import SQLiteBranch
from rescind.targets.sqlite.session import Session, open_session
from rescind.targets.sqlite.target import SQLiteTarget


@pytest.fixture
def identity() -> BranchId:
    return BranchId("abcdefabcdef", 1, "0192f0c0-0000-7000-8000-000000000001", 1, 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.db"


@pytest.fixture
def target(path: Path) -> Iterator[SQLiteTarget]:
    target = SQLiteTarget("default", path)
    target.set_up()
    yield target
    target.close()


@pytest.fixture
def sql(path: Path) -> Callable[..., list[tuple[Any, ...]]]:
    """Run a statement from a fresh connection, and commit it."""

    def run(statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path)) as connection, connection:
            return connection.execute(statement, parameters).fetchall()

    return run


@pytest.fixture
def branch(target: SQLiteTarget, sql: Callable[..., Any], identity: BranchId) -> Iterator[SQLiteBranch]:
    """A begun branch, beside a table `t(a INTEGER PRIMARY KEY, b TEXT UNIQUE)` with one row (1, 'one')."""
    sql("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT UNIQUE)")
    sql("INSERT INTO t VALUES (1, 'one')")
    branch = target.open_branch(identity, Protocol.one_phase)
    branch.start()
    yield branch
    branch.close()


@pytest.fixture
def session(target: SQLiteTarget, path: Path) -> Iterator[Session]:
    session = open_session(path, 0.1)
    yield session
    session.end()


@pytest.fixture
def reopen(target: SQLiteTarget, identity: BranchId) -> Iterator[Callable[[], SQLiteBranch]]:
    """A further branch, begun; closed at the end of the test."""
    opened: list[SQLiteBranch] = []

    def begin() -> SQLiteBranch:
        opened.append(target.open_branch(identity, Protocol.one_phase))
        opened[-1].start()
        return opened[-1]

    yield begin
    for branch in opened:
        branch.close()
