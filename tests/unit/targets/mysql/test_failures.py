"""What the server's errors mean, each raised by a real server; and what no message says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pymysql
import pytest
import sqlalchemy as sa
from tests.support.servers.mariadb import MariaDB
from tests.support.servers.server import free_port, running
from tests.unit.targets.mysql.conftest import Setting, Sql

from rescind.domain.branch import BranchId, Protocol
from rescind.errors import (
    ConstraintViolated,
    RescindError,
    RightMissing,
    TargetConflict,
    TargetFull,
    TargetUnavailable,
)
from rescind.targets.mysql import failures
from rescind.targets.mysql.branch import MySQLBranch
from rescind.targets.mysql.target import MySQLTarget
from rescind.urls import database_url

SECRET = "the-pa55word"


@pytest.fixture(scope="module")
def narrow(mariadb: MariaDB) -> Iterator[MariaDB]:
    """A server that has room for few connections."""
    with running(MariaDB(max_connections=10)) as server:
        yield server


def test_a_server_that_is_not_there_is_unavailable() -> None:
    target = MySQLTarget("default", database_url(f"mysql://u:{SECRET}@127.0.0.1:{free_port()}/d"))
    for verb in (target.preflight, target.set_up, target.capabilities, target.catalog().tables):
        with pytest.raises(TargetUnavailable) as error:
            verb()
        assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.set(password=SECRET),
        lambda url: url.set(username="nobody"),
        lambda url: url.set(database="nowhere"),
    ],
    ids=["password", "user", "database"],
)
def test_a_wrong_password_user_or_database_is_named_and_no_password_shown(
    mariadb_url: str, change: Callable[[sa.URL], sa.URL]
) -> None:
    url = database_url(mariadb_url)
    target = MySQLTarget("default", change(url))
    with pytest.raises(TargetUnavailable, match="Access denied") as error:
        target.preflight()
    cause: BaseException | None = error.value
    while cause is not None:
        assert SECRET not in str(cause)
        assert str(url.password) not in str(cause)
        cause = cause.__cause__


def test_tls_that_is_asked_for_is_not_left_out(mariadb_url: str) -> None:
    target = MySQLTarget("default", database_url(mariadb_url).set(query={"ssl_verify_cert": "true"}))
    with pytest.raises(TargetUnavailable, match="SSL is required"):
        target.preflight()


def test_too_many_connections_make_a_task_wait(narrow: MariaDB) -> None:
    target = MySQLTarget("default", database_url(narrow.make_database()))
    target.set_up()
    held = [pymysql.connect(host="127.0.0.1", port=narrow.port, user="root") for _ in range(10)]
    with pytest.raises(TargetUnavailable, match="1040"):
        target.preflight()
    branch = BranchId("abcdefabcdef", 1, "0192f0c0-0000-7000-8000-000000000001", 1, 0)
    with pytest.raises(TargetUnavailable, match="1040"):
        target.open_branch(branch, Protocol.one_phase)
    for connection in held:
        connection.close()


def test_a_deadlock_is_a_conflict_and_the_branch_is_broken(
    begin: Callable[..., MySQLBranch], branch: MySQLBranch, sql: Sql, target: MySQLTarget
) -> None:
    sql("INSERT INTO t SELECT seq, seq FROM seq_2_to_9")
    other = begin(1)
    branch.connection().exec_driver_sql("UPDATE t SET b = CONCAT(b, 'x') WHERE a = 1")
    other.connection().exec_driver_sql("UPDATE t SET b = CONCAT(b, 'x') WHERE a > 1")
    statement = "UPDATE t SET b = CONCAT(b, 'y') WHERE a = %s"
    lost = _one_of_two(branch, other, lambda one, a: one.connection().exec_driver_sql(statement, (a,)))
    assert isinstance(target.translate(lost[1]), TargetConflict)
    with pytest.raises(RescindError):
        lost[0].write_marker(0, "")


def _one_of_two(
    first: MySQLBranch, second: MySQLBranch, act: Callable[[MySQLBranch, int], Any]
) -> tuple[MySQLBranch, Exception]:
    """Let the first wait for the second, and the second for the first; which of them lost, and how."""
    with ThreadPoolExecutor(2) as pool:
        asked = {pool.submit(act, first, 2): first, pool.submit(act, second, 1): second}
        for future, branch in asked.items():
            error = future.exception()
            if error is not None:
                branch.rollback()
                assert isinstance(error, Exception)
                lost = branch, error
    return lost


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("INSERT INTO t VALUES (1, 'x')", ConstraintViolated),
        ("INSERT INTO t VALUES (2, 'more than twenty characters')", ConstraintViolated),
        ("INSERT INTO t VALUES ('abc', 'x')", ConstraintViolated),
        ("INSERT INTO t VALUES (NULL, 'x')", ConstraintViolated),
        ("UPDATE t SET a = 1 / 0", ConstraintViolated),
        ("INSERT INTO t SELECT a + 1, nowhere FROM t", TargetConflict),
        ("INSERT INTO t SELECT a + 1, b FROM nowhere", TargetConflict),
        ("SELECT * FROM mysql.global_priv", RightMissing),
        ("SELECT no_such_function(1)", None),
    ],
)
def test_a_functions_own_statement(
    branch: MySQLBranch, target: MySQLTarget, statement: str, kind: type[RescindError] | None
) -> None:
    with pytest.raises(sa.exc.DBAPIError) as error:
        branch.connection().exec_driver_sql(statement)
    translated = target.translate(error.value)
    assert (translated and type(translated)) is kind


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (1021, TargetFull), (1114, TargetFull), (28, TargetFull), (1053, TargetUnavailable), (1290, TargetUnavailable),
        (1836, TargetUnavailable), (1927, TargetUnavailable), (2013, TargetUnavailable), (1203, TargetUnavailable),
        (1614, TargetConflict), (1412, TargetConflict), (1213, TargetConflict), (3819, ConstraintViolated),
        (3024, TargetConflict), (4025, ConstraintViolated), (1064, None),
    ],
)  # fmt: skip
def test_errors_that_are_hard_to_come_by(number: int, kind: type[RescindError] | None) -> None:
    found = failures.known(pymysql.err.OperationalError(number, "the server's words"))
    assert (found and type(found)) is kind
    assert kind is None or f"the server's words ({number})" in str(found)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('Got error 28 "No space left on device" from storage engine InnoDB', TargetFull),
        ('Got error 122 "Internal (unspecified) error in handler"', TargetConflict),
    ],
)
def test_an_engines_error_is_known_by_its_own_number(text: str, kind: type[RescindError]) -> None:
    assert type(failures.known(pymysql.err.OperationalError(1030, text))) is kind


def test_no_number_means_two_things() -> None:
    numbers = [number for kind in failures._NUMBERS.values() for number in kind]
    assert len(numbers) == len(set(numbers))


def test_other_errors_are_not_the_databases(target: MySQLTarget) -> None:
    assert target.translate(ValueError("x")) is None
    mine = TargetConflict("mine")
    assert target.translate(mine) is mine


@pytest.mark.parametrize(("killed", "length"), [(False, 8_000_000), (True, 1)], ids=["a large packet", "killed"])
def test_a_session_that_is_lost_while_its_server_runs_is_no_outage(
    begin: Callable[..., MySQLBranch], target: MySQLTarget, sql: Sql, setting: Setting, killed: bool, length: int
) -> None:
    """An outage costs no attempt: a statement that ends its session each time would be tried for ever."""
    setting("max_allowed_packet", "1048576")
    branch = begin()
    if killed:
        sql("KILL %s", branch._connection.number)
    with pytest.raises(sa.exc.OperationalError) as error:
        branch.connection().exec_driver_sql("SELECT length(%s)", ("x" * length,))
    found = target.translate(error.value)
    assert isinstance(found, TargetConflict)
    assert "the server itself runs on" in str(found)
    with pytest.raises(RescindError):
        branch.write_marker(0, "")


def test_our_own_statements_tell_a_lost_session_from_an_outage_too(branch: MySQLBranch, sql: Sql) -> None:
    sql("KILL %s", branch._connection.number)
    with pytest.raises(TargetConflict, match="runs on"):
        branch.clear_table("t")


@pytest.mark.parametrize("again", [False, True], ids=["down", "started anew"])
def test_a_server_that_ended_is_an_outage(own_mariadb: MariaDB, identity: BranchId, again: bool) -> None:
    target = MySQLTarget("default", database_url(own_mariadb.make_database()))
    target.set_up()
    branch = target.open_branch(identity, Protocol.one_phase)
    branch.start()
    time.sleep(1.1)  # starts are told apart by the second
    own_mariadb.kill()
    try:
        if again:
            own_mariadb.start()
        with pytest.raises(sa.exc.OperationalError) as error:
            branch.connection().exec_driver_sql("SELECT 1")
        assert isinstance(target.translate(error.value), TargetUnavailable)
    finally:
        if not again:
            own_mariadb.start()
    branch.close()
    target.close()
