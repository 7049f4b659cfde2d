"""The suite's own servers: what they promise to the tests that use them, and what an absent one means."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import amqp
import psutil
import psycopg
import pymysql
import pytest
from sqlalchemy import make_url
from tests.support.servers.mariadb import MariaDB
from tests.support.servers.postgresql import PostgreSQL
from tests.support.servers.programs import AbsentError, program, skip_or_fail
from tests.support.servers.rabbitmq import RabbitMQ
from tests.support.servers.server import PASSWORD, USER, running
from tests.support.waiting import until

ROOT = Path(__file__).parents[3]


def mysql(url: str) -> pymysql.Connection[pymysql.cursors.Cursor]:
    parts = make_url(url)
    return pymysql.connect(
        host=parts.host,
        port=parts.port or 0,
        user=parts.username,
        password=parts.password or "",
        database=parts.database,
    )


def asked(connection: pymysql.Connection[pymysql.cursors.Cursor], query: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
        return row and row[0]


def test_mariadb_is_durable_and_its_user_has_no_privilege_elsewhere(mariadb: MariaDB, mariadb_url: str) -> None:
    with mysql(mariadb_url) as connection:
        assert asked(connection, "SELECT @@innodb_flush_log_at_trx_commit") == 1
        assert asked(connection, "SELECT CURRENT_USER()") == f"{USER}@%"
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            asked(connection, "SELECT 1 FROM mysql.user")
    assert mariadb.make_database() != mariadb_url


def test_a_killed_mariadb_comes_back_with_its_data(own_mariadb: MariaDB) -> None:
    url = own_mariadb.make_database()
    with mysql(url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (id int PRIMARY KEY) ENGINE=InnoDB")
        cursor.execute("INSERT INTO kept VALUES (7)")
        connection.commit()
        own_mariadb.kill()
    with pytest.raises(pymysql.err.OperationalError):
        mysql(url)
    own_mariadb.start()
    with mysql(url) as connection:
        assert asked(connection, "SELECT id FROM kept") == 7


@pytest.mark.parametrize(("name", "allowed"), [("postgresql", "64"), ("postgresql_unprepared", "0")])
def test_postgresql_is_durable_and_its_user_unprivileged(
    name: str, allowed: str, request: pytest.FixtureRequest
) -> None:
    server: PostgreSQL = request.getfixturevalue(name)
    with psycopg.connect(server.make_database()) as connection:
        shown = {
            setting: connection.execute(f"SHOW {setting}").fetchone()
            for setting in ("fsync", "synchronous_commit", "max_prepared_transactions", "is_superuser")
        }
    expected = {
        "fsync": "on",
        "synchronous_commit": "on",
        "max_prepared_transactions": allowed,
        "is_superuser": "off",
    }
    assert shown == {setting: (value,) for setting, value in expected.items()}


def test_a_killed_postgresql_comes_back_with_what_was_prepared(own_postgresql: PostgreSQL) -> None:
    url = own_postgresql.make_database()
    with closing(psycopg.connect(url)) as connection:
        connection.tpc_begin("kept")
        connection.execute("CREATE TABLE made (id int)")
        connection.tpc_prepare()
        own_postgresql.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    own_postgresql.start()
    with closing(psycopg.connect(url)) as connection:
        assert [xid.gtrid for xid in connection.tpc_recover()] == ["kept"]
        connection.tpc_rollback("kept")


def test_a_frozen_server_answers_nobody_until_it_is_thawed(own_postgresql: PostgreSQL) -> None:
    url = own_postgresql.make_database()
    own_postgresql.freeze()
    try:
        with pytest.raises(psycopg.OperationalError, match="timeout"):
            psycopg.connect(url, connect_timeout=2)
    finally:
        own_postgresql.thaw()
    psycopg.connect(url, connect_timeout=20).close()


def test_each_virtual_host_has_queues_of_its_own(rabbitmq: RabbitMQ) -> None:
    for _ in range(2):
        vhost = rabbitmq.make_vhost().rpartition("/")[2]
        connection = amqp.Connection(
            f"127.0.0.1:{rabbitmq.port}", userid=USER, password=PASSWORD, virtual_host=vhost, connect_timeout=5
        )
        with connection as connected:
            channel = connected.channel()
            assert channel.queue_declare("same").message_count == 0
            channel.basic_publish_confirm(amqp.Message("one"), routing_key="same")


@pytest.mark.parametrize("kind", ["mariadb.MariaDB", "postgresql.PostgreSQL", "rabbitmq.RabbitMQ"])
def test_a_server_dies_with_the_process_that_started_it(kind: str, rabbitmq: RabbitMQ) -> None:
    """Also when that is killed: no finally runs."""
    module, name = kind.split(".")
    code = (
        f"import time; from tests.support.servers.{module} import {name}; server = {name}().start()\n"
        "print(server.directory, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        directory = parent.stdout.readline().strip()
        family = psutil.Process(parent.pid).children(recursive=True)
        assert family
        parent.send_signal(signal.SIGKILL)
    until(lambda: not any(map(alive, family)), f"{family} to be gone")
    subprocess.run(["rm", "-r", directory], check=True)


def alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_server_that_does_not_start_says_why_and_leaves_nothing() -> None:
    server = PostgreSQL(max_connections="many")
    with pytest.raises(RuntimeError, match=r'(?s)did not start.*"max_connections"'), running(server):
        pass
    assert not server.directory.exists()


@pytest.mark.parametrize(("variable", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_an_absent_program_skips_at_home_and_fails_in_ci(
    variable: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", variable)
    with pytest.raises(AbsentError) as absent:
        program("no-such-server")
    with pytest.raises(outcome, match=r"no-such-server is not installed.*make services"):
        skip_or_fail(absent.value)


def test_the_newest_version_of_a_program_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    for version in ("9", "15", "14"):
        file = tmp_path / version / "bin" / "postgres-like"
        file.parent.mkdir(parents=True)
        file.touch(0o755)
    assert program("postgres-like", [f"{tmp_path}/*/bin"]) == f"{tmp_path}/15/bin/postgres-like"
