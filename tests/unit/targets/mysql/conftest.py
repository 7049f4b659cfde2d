from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pymysql
import pytest
from tests.support.servers.mariadb import MariaDB

from rescind.domain.branch import BranchId, Protocol
from rescind.targets.mysql.branch import MySQLBranch
from rescind.targets.mysql.target import MySQLTarget
from rescind.urls import database_url

Sql = Callable[..., list[tuple[Any, ...]]]
Setting = Callable[[str, str], None]


@pytest.fixture
def identity() -> BranchId:
    return BranchId("abcdefabcdef", 1, "0192f0c0-0000-7000-8000-000000000001", 1, 0)


@pytest.fixture
def target(mariadb_url: str) -> Iterator[MySQLTarget]:
    target = MySQLTarget("default", database_url(mariadb_url))
    target.set_up()
    yield target
    target.close()


@pytest.fixture
def sql(mariadb: MariaDB, mariadb_url: str) -> Sql:
    """Run a statement as the administrator in the test's database, from a fresh connection, and commit it."""
    return administrator(mariadb, mariadb_url)


def administrator(server: MariaDB, url: str) -> Sql:
    place: dict[str, Any] = {"host": "127.0.0.1", "port": server.port, "user": "root"}

    def run(statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        connection = pymysql.connect(**place, database=database_url(url).database, autocommit=True)
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return list(cursor.fetchall())

    return run


def poor(server: MariaDB, rights: str) -> str:
    """The URL of a new database for a user of its own, who has those rights there and no others.

    Its name is not that of the tests' other databases: MariaDB gives everybody every right in `test_…`.
    """
    name = f"bare_{server.next_name()}"
    run = administrator(server, server.admin_url())
    run(f"CREATE DATABASE {name}")
    run(f"CREATE USER {name}@'%' IDENTIFIED BY 'poor'")
    run(f"GRANT {rights} ON {name}.* TO {name}@'%'")
    return f"mysql://{name}:poor@127.0.0.1:{server.port}/{name}"


@pytest.fixture
def setting(sql: Sql) -> Iterator[Setting]:
    """Change a setting of the server until the end of the test."""
    before: list[tuple[str, object]] = []

    def change(name: str, value: str) -> None:
        before.append((name, sql(f"SELECT @@GLOBAL.{name}")[0][0]))
        sql(f"SET GLOBAL {name} = {value}")

    yield change
    for name, value in reversed(before):
        sql(f"SET GLOBAL {name} = %s", value)


@pytest.fixture
def begin(target: MySQLTarget, identity: BranchId) -> Iterator[Callable[..., MySQLBranch]]:
    """A branch, begun; closed at the end of the test."""
    opened: list[MySQLBranch] = []

    def one(number: int = 0, protocol: Protocol = Protocol.one_phase) -> MySQLBranch:
        branch = BranchId(identity.ledger, identity.incarnation, identity.task, identity.attempt, number)
        opened.append(target.open_branch(branch, protocol))
        opened[-1].start()
        return opened[-1]

    yield one
    for branch in opened:
        branch.rollback()
        branch.close()


@pytest.fixture
def branch(begin: Callable[..., MySQLBranch], sql: Sql) -> MySQLBranch:
    """A begun branch, beside a table `t(a BIGINT PRIMARY KEY, b VARCHAR(20) UNIQUE)` with one row (1, 'one')."""
    sql("CREATE TABLE t(a BIGINT PRIMARY KEY, b VARCHAR(20) UNIQUE) ENGINE=InnoDB")
    sql("INSERT INTO t VALUES (1, 'one')")
    return begin()
