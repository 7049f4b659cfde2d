"""Servers that a task may not trust: each is refused naming the setting, its value and the cure."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.support.servers.mariadb import MariaDB
from tests.support.servers.server import running
from tests.unit.targets.mysql.conftest import Setting, Sql, administrator, poor

from rescind.domain.branch import BranchId, Protocol
from rescind.errors import TargetRefused, TargetUnavailable
from rescind.targets.capabilities import Grade
from rescind.targets.mysql import preflight
from rescind.targets.mysql.card import card
from rescind.targets.mysql.preflight import Server
from rescind.targets.mysql.target import MySQLTarget
from rescind.urls import database_url

MARIA = {
    "version": "10.11.6-MariaDB", "innodb_flush_log_at_trx_commit": "1", "log_bin": "OFF", "local_infile": "ON",
}  # fmt: skip
MYSQL = MARIA | {"version": "8.0.36", "log_bin": "ON", "sync_binlog": "1", "xa_detach_on_prepare": "ON"}


@pytest.fixture(scope="module")
def server(mariadb: MariaDB) -> Iterator[MariaDB]:
    """With the binary log, and settings that a test may change; the user may see transactions."""
    with running(MariaDB(log_bin="binlog", sync_binlog=1, server_id=1, max_binlog_cache_size=1 << 30)) as server:
        yield server


@pytest.fixture
def target(server: MariaDB) -> Iterator[MySQLTarget]:
    target = MySQLTarget("default", database_url(server.make_database()))
    target.set_up()
    target.preflight()
    yield target
    target.close()


@pytest.fixture
def sql(server: MariaDB, target: MySQLTarget) -> Sql:
    return administrator(server, f"mysql://root@127.0.0.1/{target._address.database}")


@pytest.mark.parametrize(("name", "value"), [("innodb_flush_log_at_trx_commit", "2"), ("sync_binlog", "0")])
def test_a_server_that_forgets_is_refused(target: MySQLTarget, setting: Setting, name: str, value: str) -> None:
    setting(name, value)
    for verb in (target.preflight, target.set_up):
        with pytest.raises(TargetRefused, match=rf"{name} is {value}.*set {name} = 1"):
            verb()


def test_a_server_that_may_only_be_read_is_waited_for(target: MySQLTarget, setting: Setting) -> None:
    setting("read_only", "1")
    with pytest.raises(TargetUnavailable, match="read_only"):
        target.preflight()


def test_nothing_is_proven_by_a_server_that_may_only_be_read(
    target: MySQLTarget, setting: Setting, identity: BranchId
) -> None:
    """A replica lags: a branch that it does not list and a marker that it does not show may be there."""
    setting("read_only", "1")
    for proof in (
        lambda: target.markers(identity.ledger, identity.task),
        lambda: target.list_prepared(identity.ledger),
        lambda: target.seen_prepared(identity.ledger),
        lambda: target.newest_incarnation(identity.ledger),
        lambda: target.insert_tombstone(identity),
        lambda: target.forget(identity.ledger, identity.task),
    ):
        with pytest.raises(TargetUnavailable, match="is it a replica"):
            proof()


def test_without_a_marker_table_nothing_is_proven(target: MySQLTarget, sql: Sql) -> None:
    sql("DROP TABLE rescind_marker")
    with pytest.raises(TargetUnavailable, match="rescind migrate"):
        target.preflight()
    with pytest.raises(TargetUnavailable, match="rescind_marker"):
        target.markers("abcdefabcdef", "x")
    assert sql("SHOW TABLES LIKE 'rescind%'") == []


def test_a_marker_table_that_is_not_ours_is_refused(target: MySQLTarget, sql: Sql) -> None:
    sql("ALTER TABLE rescind_marker DROP COLUMN checksum")
    for verb in (target.preflight, target.set_up):
        with pytest.raises(TargetRefused, match="not Rescind's"):
            verb()


def test_a_marker_table_that_is_not_rolled_back_is_refused(target: MySQLTarget, sql: Sql) -> None:
    sql("ALTER TABLE rescind_marker ENGINE=MyISAM")
    with pytest.raises(TargetRefused, match="MyISAM"):
        target.preflight()


def test_setting_up_again_changes_nothing(target: MySQLTarget, sql: Sql) -> None:
    before = sql("SHOW CREATE TABLE rescind_marker")
    target.set_up()
    assert sql("SHOW CREATE TABLE rescind_marker") == before


def test_without_the_right_to_make_an_index_the_marker_table_has_its_index(mariadb: MariaDB) -> None:
    url = poor(mariadb, "SELECT, INSERT, UPDATE, DELETE, CREATE")
    target = MySQLTarget("default", database_url(url))
    target.set_up()
    indexes = "SELECT DISTINCT index_name FROM information_schema.statistics WHERE table_schema = DATABASE()"
    found = administrator(mariadb, url)(indexes)
    assert sorted(found) == [("PRIMARY",), ("rescind_marker_incarnation",)]


def test_a_limit_of_the_binary_log_is_on_the_card(target: MySQLTarget) -> None:
    assert any("1,073,741,824 bytes (max_binlog_cache_size)" in warning for warning in target.capabilities().warnings)


def test_a_load_is_not_split_by_itself(target: MySQLTarget) -> None:
    assert (target.capabilities().two_phase.grade, target.capabilities().several_branches.grade) == (
        Grade.full,
        Grade.refused,
    )


def test_the_card_is_as_the_server_was_last_seen(target: MySQLTarget, setting: Setting) -> None:
    assert target.capabilities().bulk_load.grade is Grade.full
    setting("local_infile", "0")
    assert target.capabilities().bulk_load.grade is Grade.full
    target.preflight()
    assert target.capabilities().bulk_load.grade is Grade.limited
    assert "SET GLOBAL local_infile = 1" in target.capabilities().bulk_load.reason


def test_with_the_right_there_is_no_warning_of_it(target: MySQLTarget, sql: Sql) -> None:
    sql("GRANT PROCESS ON *.* TO rescind@'%'")
    target.preflight()
    assert not any("PROCESS" in warning for warning in target.capabilities().warnings)
    sql("REVOKE PROCESS ON *.* FROM rescind@'%'")


def test_two_phase_may_be_switched_off(server: MariaDB, target: MySQLTarget) -> None:
    url = database_url(server.url(target._address.database))
    never = MySQLTarget("default", url, two_phase=False)
    assert (target.protocol(), never.protocol()) == (Protocol.two_phase, Protocol.one_phase)
    with pytest.raises(TargetRefused, match="two_phase=never"):
        never.open_branch(BranchId("abcdefabcdef", 1, "0192f0c0-0000-7000-8000-000000000001", 1, 0), Protocol.two_phase)


@pytest.mark.parametrize(
    ("variables", "xa", "prepare"),
    [
        (MARIA, None, None),
        (MARIA | {"wsrep_on": "ON"}, "Galera", "Galera"),
        (MYSQL, None, None),
        (MYSQL | {"aurora_version": "3.05.2"}, "Aurora", "Aurora"),
        (MYSQL | {"xa_detach_on_prepare": "OFF"}, None, "SET PERSIST xa_detach_on_prepare"),
    ],
)
def test_which_commit_a_server_can(variables: dict[str, str], xa: str | None, prepare: str | None) -> None:
    server = Server(variables, may_list=True, sees_transactions=True)
    for reason, found in ((xa, server.without_xa()), (prepare, server.without_prepare())):
        assert found is None if reason is None else found is not None and reason in found
    assert bool(card(server, two_phase=True).two_phase) is (prepare is None)


def test_who_may_not_list_branches_gets_no_two_phase() -> None:
    server = Server(MYSQL, may_list=False, sees_transactions=True)
    assert "GRANT XA_RECOVER_ADMIN" in card(server, two_phase=True).two_phase.reason
    assert server.without_xa() is None


@pytest.mark.parametrize(
    ("variables", "error", "named"),
    [
        (MARIA | {"version": "5.5.5-10.4.32-MariaDB"}, TargetRefused, "10.4.32"),
        (MYSQL | {"version": "5.7.44-log"}, TargetRefused, "5.7.44"),
        (MYSQL | {"version": "8.0.29", "log_bin": "OFF"}, TargetRefused, r"8.0.29 is too old: 8\.0\.30 or later"),
        (MYSQL | {"super_read_only": "ON"}, TargetUnavailable, "super_read_only"),
        (MYSQL | {"innodb_read_only": "ON"}, TargetUnavailable, "innodb_read_only"),
        (MYSQL | {"sync_binlog": "1000"}, TargetRefused, "sync_binlog is 1000"),
    ],
)
def test_a_server_that_is_refused(variables: dict[str, str], error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        preflight.check(Server(variables, may_list=True, sees_transactions=True))


def test_limits_of_a_group_are_on_the_card() -> None:
    variables = MYSQL | {
        "group_replication_transaction_size_limit": "150000000",
        "max_binlog_cache_size": str(2**64 - 1),
    }
    warnings = card(Server(variables, may_list=True, sees_transactions=True), two_phase=True).warnings
    assert [warning for warning in warnings if "150,000,000" in warning]
    assert not [warning for warning in warnings if "binlog" in warning]


def test_a_proxy_is_refused(target: MySQLTarget, server: MariaDB) -> None:
    with Renumbering(server.port) as port:
        url = database_url(server.url(target._address.database)).set(port=port)
        through = MySQLTarget("default", url)
        for verb in (through.set_up, through.preflight):
            with pytest.raises(TargetRefused, match="proxy"):
                verb()
        with pytest.raises(TargetUnavailable, match="proxy"):
            through.capabilities()


class Renumbering:
    """A proxy whose greeting has a number of its own, as ProxySQL's."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> int:
        self._threads[0].start()
        return int(self._listener.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                greeting = bytearray(server.recv(1_000))
                number = greeting.index(0, 5) + 1
                greeting[number] ^= 0xFF
                client.sendall(greeting)
                for one, other in ((client, server), (server, client)):
                    self._threads.append(threading.Thread(target=_pump, args=(one, other)))
                    self._threads[-1].start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
    source.close()
