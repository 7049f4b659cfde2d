from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import URL, make_url
from tests.support.servers.postgresql import PostgreSQL

from rescind.domain.branch import BranchId, Protocol
from rescind.targets.postgresql.branch import PostgreSQLBranch
from rescind.targets.postgresql.target import PostgreSQLTarget

Sql = Callable[..., list[tuple[Any, ...]]]
Begin = Callable[..., PostgreSQLBranch]


@pytest.fixture
def identity() -> BranchId:
    return BranchId("abcdefabcdef", 1, "0192f0c0-0000-7000-8000-000000000001", 1, 0)


@pytest.fixture
def target(postgresql_url: str) -> Iterator[PostgreSQLTarget]:
    target = PostgreSQLTarget("default", make_url(postgresql_url))
    target.set_up()
    yield target
    target.close()


@pytest.fixture
def sql(postgresql_url: str) -> Sql:
    """Run statements from a fresh connection, and commit them."""

    def run(statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(postgresql_url) as connection:
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    return run


@pytest.fixture
def poor(postgresql: PostgreSQL, postgresql_url: str) -> URL:
    """The test's database for a role that may only log in. Roles are the server's: its name is the database's."""
    url = make_url(postgresql_url)
    name = f"poor_{url.database}"
    with psycopg.connect(postgresql.admin_url(url.database or "")) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'".encode())
    return url.set(username=name, password="x")


@pytest.fixture
def begin(target: PostgreSQLTarget, identity: BranchId) -> Iterator[Begin]:
    """Open and start a branch; it is closed at the end of the test."""
    opened: list[PostgreSQLBranch] = []

    def run(protocol: Protocol = Protocol.one_phase) -> PostgreSQLBranch:
        opened.append(target.open_branch(identity, protocol))
        opened[-1].start()
        return opened[-1]

    yield run
    for branch in opened:
        branch.rollback()
        branch.close()


@pytest.fixture
def branch(begin: Begin, sql: Sql) -> PostgreSQLBranch:
    """A begun branch, beside a table `t(a integer PRIMARY KEY, b text UNIQUE)` with one row (1, 'one')."""
    sql("CREATE TABLE t(a integer PRIMARY KEY, b text UNIQUE); INSERT INTO t VALUES (1, 'one')")
    return begin()
