"""Sessions of a server: ended only when it is the one, gone only when it is proven, and never waited for too long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pymysql
import pytest
from tests.support.servers.mariadb import MariaDB
from tests.support.waiting import until
from tests.unit.targets.mysql.conftest import Setting, Sql

from rescind.domain.branch import BranchId, Protocol
from rescind.errors import RescindError, TargetConflict, TargetUnavailable
from rescind.targets.mysql import session
from rescind.targets.mysql.branch import MySQLBranch
from rescind.targets.mysql.connection import Connection
from rescind.targets.mysql.session import SessionId
from rescind.targets.mysql.target import MySQLTarget
from rescind.urls import database_url

Begin = Callable[..., MySQLBranch]
STALE_SECONDS = 0.15  #: InnoDB's list of transactions may be a tenth of a second old
MANY = 300_000  #: rows whose rollback can be watched


@pytest.fixture
def filled(branch: MySQLBranch, sql: Sql) -> MySQLBranch:
    """A branch that has written MANY rows."""
    branch.connection().exec_driver_sql(f"INSERT INTO t SELECT seq, seq FROM seq_2_to_{MANY}")
    return branch


@pytest.fixture
def own(own_mariadb: MariaDB) -> Iterator[tuple[MariaDB, MySQLTarget]]:
    """A target on a server that may be killed."""
    target = MySQLTarget("default", database_url(own_mariadb.make_database()))
    target.set_up()
    yield own_mariadb, target
    target.close()


def test_an_identity_comes_back() -> None:
    one = SessionId(7, 1_700_000_000, "db@home:3306")
    assert SessionId.parse(str(one)) == one


def test_the_start_is_the_same_whenever_it_is_asked(target: MySQLTarget, identity: BranchId) -> None:
    first = target.open_branch(identity, Protocol.one_phase)
    time.sleep(1.1)
    second = target.open_branch(identity, Protocol.one_phase)
    assert SessionId.parse(first.session).same_server(SessionId.parse(second.session))
    first.close()
    second.close()


def test_a_session_that_rolls_back_is_not_gone(target: MySQLTarget, filled: MySQLBranch, sql: Sql) -> None:
    """Also for a user who may not see transactions: nothing at all is locked when it is said to be gone."""
    while not target.end_session(filled.session):
        pass
    sql("SET STATEMENT lock_wait_timeout = 0 FOR ALTER TABLE t COMMENT 'no lock is left'")
    assert sql("SELECT a FROM t FOR UPDATE NOWAIT") == [(1,)]


def test_what_is_left_to_undo_goes_down_to_nothing(
    target: MySQLTarget, filled: MySQLBranch, mariadb: MariaDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "END_SECONDS", 0.0)
    name = database_url(mariadb.admin_url()).database
    watcher = MySQLTarget("admin", database_url(mariadb.admin_url(name or "")))
    assert watcher.left_to_undo(filled.session) is None
    seen: list[int] = []
    while not target.end_session(filled.session):
        time.sleep(STALE_SECONDS)
        left = watcher.left_to_undo(filled.session)
        seen += [] if left is None else [left]
    time.sleep(STALE_SECONDS)
    assert watcher.left_to_undo(filled.session) is None
    assert seen
    assert seen == sorted(seen, reverse=True)
    assert all(0 <= left <= MANY for left in seen)


def test_who_may_not_see_transactions_knows_nothing_of_a_rollback(target: MySQLTarget, filled: MySQLBranch) -> None:
    assert target.left_to_undo(filled.session) is None
    assert any("GRANT PROCESS" in warning for warning in target.capabilities().warnings)


def test_another_users_session_is_never_said_to_be_gone(mariadb: MariaDB, target: MySQLTarget) -> None:
    stranger = _administrator(mariadb)
    with pytest.raises(RescindError, match="1095"):
        target.end_session(str(_numbered(target, stranger.number)))
    stranger.ping()
    stranger.close()


def _administrator(server: MariaDB) -> Connection:
    return session.open_session({"host": "127.0.0.1", "port": server.port, "user": "root"})


def _numbered(target: MySQLTarget, number: int) -> SessionId:
    """The identity that the session of that number has."""
    with session.control(target._address.arguments) as connection:
        found = session.identify(connection)
    return SessionId(number, found.started, found.server)


def test_a_number_that_a_new_server_gave_away_again_is_left_alone(
    own: tuple[MariaDB, MySQLTarget], identity: BranchId
) -> None:
    server, target = own
    lost = target.open_branch(identity, Protocol.one_phase)
    lost.start()
    number = SessionId.parse(lost.session).number
    time.sleep(1.1)  # starts are told apart by the second
    server.kill()
    server.start()
    lost.close()
    users: list[Connection] = []
    while not users or users[-1].number < number:
        users.append(_administrator(server))
    recycled = users[-1]
    assert recycled.number == number
    assert target.end_session(lost.session)
    recycled.ping()
    for user in users:
        user.close()


def test_a_cancel_stops_the_statement_that_waits_for_a_lock(begin: Begin, branch: MySQLBranch) -> None:
    branch.connection().exec_driver_sql("UPDATE t SET b = 'x' WHERE a = 1")
    waiting = begin(1)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(waiting.connection().exec_driver_sql, "UPDATE t SET b = 'y' WHERE a = 1")
        while not answer.done():
            waiting.cancel()
        error = answer.exception()
    assert isinstance(error, Exception)
    assert isinstance(_translated(error), TargetConflict)


def _translated(error: Exception) -> RescindError | None:
    return MySQLTarget("default", database_url("mysql://nobody@localhost/nowhere")).translate(error)


def test_after_a_cancel_nothing_runs_any_more(branch: MySQLBranch) -> None:
    branch.cancel()
    with pytest.raises(Exception, match="cancelled") as error:
        branch.connection().exec_driver_sql("SELECT 1")
    assert isinstance(_translated(error.value), TargetConflict)
    with pytest.raises(TargetConflict):
        branch.write_marker(0, "")


def test_a_cancel_leaves_the_number_alone_that_is_another_servers(target: MySQLTarget, sql: Sql) -> None:
    """A server that was started anew has given it to somebody else, perhaps the user's own application."""
    with (
        session.control(target._address.arguments) as canceller,
        session.control(target._address.arguments) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        found = session.identify(other)
        slept = pool.submit(session.run, other, "SELECT SLEEP(1)")
        until(lambda: sql("SELECT 1 FROM information_schema.processlist WHERE info = 'SELECT SLEEP(1)'"), "it to sleep")
        session.cancel(target._address.arguments, canceller, replace(found, started=found.started - 1))
        assert slept.result() == [(0,)]  # 1 where it was cancelled


def test_a_server_that_hangs_holds_up_nobody(own: tuple[MariaDB, MySQLTarget], identity: BranchId) -> None:
    server, target = own
    branch = target.open_branch(identity, Protocol.one_phase)
    branch.start()
    with ThreadPoolExecutor(1) as pool:
        server.freeze()
        try:
            stuck = pool.submit(branch.connection().exec_driver_sql, "SELECT 1")
            with pytest.raises(TargetUnavailable):
                target.preflight()
            with pytest.raises(TargetUnavailable):
                target.end_session(branch.session)
            branch.cancel()
            assert stuck.exception() is not None
            branch.rollback()
            branch.close()
        finally:
            server.thaw()


def test_control_statements_are_bounded(target: MySQLTarget) -> None:
    arguments = target._address.arguments
    with (
        pytest.raises(TargetUnavailable, match="timed out"),
        session.control(arguments, read_seconds=0.2) as connection,
    ):
        session.run(connection, "SELECT SLEEP(30)")


def test_a_lock_that_is_not_given_ends_the_wait(begin: Begin, branch: MySQLBranch) -> None:
    branch.connection().exec_driver_sql("UPDATE t SET b = 'x' WHERE a = 1")
    waiting = begin(1)
    session.run(waiting._connection, "SET innodb_lock_wait_timeout = 1")
    with pytest.raises(Exception, match="1205") as error:
        waiting.connection().exec_driver_sql("UPDATE t SET b = 'y' WHERE a = 1")
    assert isinstance(_translated(error.value), TargetConflict)


def test_statements_wait_for_a_lock_as_long_as_the_setting_says(mariadb_url: str, identity: BranchId) -> None:
    target = MySQLTarget("default", database_url(mariadb_url), lock_seconds=7)
    target.set_up()
    branch = target.open_branch(identity, Protocol.one_phase)
    asked = "SELECT @@innodb_lock_wait_timeout, @@lock_wait_timeout"
    assert session.run(branch._connection, asked) == [(7, 7)]
    branch.close()


def test_a_lock_that_is_waited_for_is_told(
    begin: Begin, branch: MySQLBranch, target: MySQLTarget, mariadb: MariaDB
) -> None:
    """Of a row's the server tells nobody but who may see all transactions."""
    name = database_url(mariadb.admin_url()).database
    watcher = MySQLTarget("admin", database_url(mariadb.admin_url(name or "")))
    branch.connection().exec_driver_sql("UPDATE t SET b = 'x' WHERE a = 1")
    waiting = begin(1)
    assert watcher.blocked(waiting.session) is None

    def told() -> str | None:
        time.sleep(STALE_SECONDS)
        return watcher.blocked(waiting.session)

    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(waiting.connection().exec_driver_sql, "UPDATE t SET b = 'y' WHERE a = 1")
        assert until(told, "it waits") == "a row that another session has locked"
        assert target.blocked(waiting.session) is None
        assert watcher.blocked(waiting.session.replace("@", "@1", 1)) is None  # the server was started anew
        branch.rollback()
        waits.result(30)


def test_a_locked_table_is_told_to_everybody(begin: Begin, target: MySQLTarget, sql: Sql, mariadb: MariaDB) -> None:
    sql("CREATE TABLE locked (a INT)")
    waiting = begin()
    with closing(pymysql.connect(host="127.0.0.1", port=mariadb.port, user="root")) as other, other.cursor() as cursor:
        cursor.execute(f"LOCK TABLES {target._address.database}.locked WRITE")
        with ThreadPoolExecutor(1) as pool:
            waits = pool.submit(waiting.connection().exec_driver_sql, "INSERT INTO locked VALUES (1)")
            until(lambda: target.blocked(waiting.session), "it waits")
            assert target.blocked(waiting.session) == "a table that another session has locked"
            cursor.execute("UNLOCK TABLES")
            waits.result(30)
    assert target.blocked(waiting.session) is None


SAID_OTHERWISE = {
    "sql_mode": "'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'", "time_zone": "'+05:30'", "foreign_key_checks": "0",
    "tx_isolation": "'READ-UNCOMMITTED'", "tx_read_only": "1", "max_statement_time": "1",
    "idle_transaction_timeout": "1", "idle_readonly_transaction_timeout": "1", "idle_write_transaction_timeout": "1",
}  # fmt: skip


def test_settings_do_not_depend_on_the_server(target: MySQLTarget, setting: Setting) -> None:
    for name, value in SAID_OTHERWISE.items():
        setting(name, value)
    with session.control(target._address.arguments) as connection:
        ((mode, *found),) = session.run(connection, f"SELECT {', '.join(f'@@{name}' for name in SAID_OTHERWISE)}")
        assert session.run(connection, "SELECT %s", "a\\'\"\n") == [("a\\'\"\n",)]
    assert "STRICT_TRANS_TABLES" in mode
    assert "NO_BACKSLASH_ESCAPES" not in mode
    assert found == ["+00:00", 1, "REPEATABLE-READ", 0, 0, 0, 0, 0]


@pytest.mark.parametrize("protocol", Protocol)
def test_a_marker_that_is_not_committed_is_not_seen_on_a_server_that_shows_everything(
    begin: Begin, target: MySQLTarget, sql: Sql, setting: Setting, protocol: Protocol
) -> None:
    """It proves that the branch has committed, and this one may still be rolled back, prepared or not."""
    setting("tx_isolation", "'READ-UNCOMMITTED'")
    branch = begin(protocol=protocol)
    branch.write_marker(0, "")
    if protocol is Protocol.two_phase:
        branch.prepare()
    assert sql("SELECT count(*) FROM rescind_marker") == [(1,)]  # so it is shown to others
    assert target.markers(branch.id.ledger, branch.id.task) == []
    assert target.newest_incarnation(branch.id.ledger) == (1 if protocol is Protocol.two_phase else 0)
    branch.commit()
    assert len(target.markers(branch.id.ledger, branch.id.task)) == 1
