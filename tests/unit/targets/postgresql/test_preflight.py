"""What a server must be before a task may trust it, and the card that says what it can."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL
from sqlalchemy.engine import make_url
from tests.support.servers.postgresql import PostgreSQL
from tests.support.servers.programs import AbsentError, skip_or_fail
from tests.support.servers.server import PASSWORD, running
from tests.unit.targets.postgresql.conftest import Sql

from rescind.domain.branch import BranchId, Protocol
from rescind.errors import TargetRefused, TargetUnavailable
from rescind.targets.capabilities import Grade
from rescind.targets.postgresql import card, preflight
from rescind.targets.postgresql.preflight import Facts
from rescind.targets.postgresql.target import PostgreSQLTarget

FACTS = Facts("15.4", 150_004, 64, "UTF8", False, False, 1)


@contextmanager
def opened(url: str | URL) -> Iterator[PostgreSQLTarget]:
    with closing(PostgreSQLTarget("orders", make_url(url))) as target:
        yield target


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_does_not_wait_for_the_disk_is_refused_by_the_settings_name(setting: str) -> None:
    try:
        server = PostgreSQL(**{setting: "off"})
    except AbsentError as absent:
        skip_or_fail(absent)
    with running(server), opened(server.make_database()) as target:
        for verb in (target.set_up, target.preflight):
            with pytest.raises(TargetRefused, match=f"{setting} is off"):
                verb()


def test_a_database_that_is_read_only_is_waited_for(target: PostgreSQLTarget, sql: Sql, postgresql_url: str) -> None:
    (database,) = sql("SELECT current_database()")[0]
    sql(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    with opened(postgresql_url) as later, pytest.raises(TargetUnavailable, match="default_transaction_read_only"):
        later.preflight()


def test_wrong_passwords_are_named_without_the_password(postgresql: PostgreSQL, caplog: Any) -> None:
    url = make_url(postgresql.make_database()).set(password="geheim")
    with opened(url) as target:
        for verb in (target.preflight, target.set_up, target.capabilities, partial(target.markers, "x", "y")):
            with pytest.raises(TargetUnavailable, match='password authentication failed for user "rescind"') as error:
                verb()
            assert "geheim" not in f"{error.value!r} {error.value.__cause__!r} {caplog.text}"


def test_no_message_shows_the_password(postgresql: PostgreSQL) -> None:
    url = make_url(postgresql.make_database())
    for wrong in (url.set(database="nowhere"), url.set(port=1), url.set(host="nowhere.invalid")):
        with opened(wrong) as target, pytest.raises(TargetUnavailable) as error:
            target.preflight()
        assert PASSWORD not in f"{error.value!r} {error.value.__cause__!r}"


def test_too_many_connections_are_waited_for(postgresql: PostgreSQL, identity: BranchId) -> None:
    url = postgresql.make_database()
    with psycopg.connect(postgresql.admin_url(), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {make_url(url).database} CONNECTION LIMIT 0".encode())
    with opened(url) as target:
        for verb in (target.preflight, partial(target.open_branch, identity, Protocol.one_phase)):
            with pytest.raises(TargetUnavailable, match="too many connections"):
                verb()


def test_a_marker_table_that_is_not_there_is_not_made(postgresql_url: str) -> None:
    with opened(postgresql_url) as target:
        for verb in (target.preflight, partial(target.markers, "x", "y"), partial(target.newest_incarnation, "x")):
            with pytest.raises(TargetUnavailable, match="rescind migrate"):
                verb()
        assert target.catalog().tables() == []


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("CREATE TABLE rescind_marker(a int)", "not Rescind's"),
        ("CREATE UNLOGGED TABLE rescind_marker(ledger text)", "unlogged"),
        ("CREATE VIEW rescind_marker AS SELECT 1 AS a", "a view"),
    ],
)
def test_another_marker_table_is_refused(postgresql_url: str, sql: Sql, statement: str, reason: str) -> None:
    sql(statement)
    with opened(postgresql_url) as target:
        for verb in (target.set_up, target.preflight):
            with pytest.raises(TargetRefused, match=reason):
                verb()


def test_rights_that_are_missing_are_named(postgresql: PostgreSQL, postgresql_url: str, poor: URL) -> None:
    with opened(poor) as target:
        with pytest.raises(TargetRefused, match="Grant it CREATE"):
            target.set_up()
        with opened(postgresql_url) as owner:
            owner.set_up()
        with psycopg.connect(postgresql.admin_url(poor.database or "")) as admin:
            for right, missing in (("SELECT", "INSERT and DELETE"), ("INSERT", "DELETE")):
                admin.execute(f"GRANT {right} ON rescind_marker TO {poor.username}".encode())
                admin.commit()
                with pytest.raises(TargetRefused, match=f"may not {missing} in rescind_marker.*GRANT SELECT, INSERT"):
                    target.preflight()
            admin.execute(f"GRANT DELETE ON rescind_marker TO {poor.username}".encode())
        target.preflight()
        target.forget("x", "y")


def test_set_up_may_be_run_again_and_by_several_at_once(postgresql_url: str) -> None:
    with opened(postgresql_url) as target, ThreadPoolExecutor(6) as pool:
        together = threading.Barrier(6)

        def set_up(_: int) -> None:
            together.wait(20)
            target.set_up()

        assert list(pool.map(set_up, range(6))) == [None] * 6
        target.preflight()
        target.set_up()


def test_a_pooler_is_refused(postgresql_url: str, target: PostgreSQLTarget, identity: BranchId) -> None:
    """One that answers with a number of its own for the server's process, as poolers do."""
    url = make_url(postgresql_url)
    with pooler(url.port or 0) as port, opened(url.set(port=port)) as pooled:
        for verb in (pooled.preflight, partial(pooled.open_branch, identity, Protocol.one_phase)):
            with pytest.raises(TargetRefused, match="A pooler stands between"):
                verb()


def test_an_old_server_is_refused(target: PostgreSQLTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "OLDEST", 10**6)
    with pytest.raises(TargetRefused, match="version 13 or later"):
        target.preflight()


@pytest.mark.parametrize(("most_prepared", "grade"), [(0, Grade.refused), (15, Grade.refused), (16, Grade.full)])
def test_several_branches_leave_other_tasks_enough_to_prepare(most_prepared: int, grade: Grade) -> None:
    ability = card.of(replace(FACTS, most_prepared=most_prepared)).several_branches
    assert ability.grade is grade
    assert grade is Grade.full or f"max_prepared_transactions is {most_prepared}:" in ability.reason


def test_the_card_says_what_is_missing_and_how_to_get_it() -> None:
    assert card.of(FACTS).two_phase.grade is Grade.full
    refused = card.two_phase(Facts("15.4", 150_004, 0, "UTF8", False, False, 1))
    assert not refused
    assert "max_prepared_transactions is 0" in refused.reason
    assert "restart" in refused.reason
    assert card.of(FACTS).warnings == ()
    few = card.of(Facts("13.1", 130_001, 3, "UTF8", False, False, 1)).warnings
    assert re.match("max_prepared_transactions is 3", few[0])
    assert len(few) == 2


@contextmanager
def pooler(server: int) -> Iterator[int]:
    """Forwards connections, and alters the process's number in the server's BackendKeyData message."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_accept, args=(listening, server), daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def _accept(listening: socket.socket, server: int) -> None:
    with suppress(OSError):
        while True:
            client, _ = listening.accept()
            upstream = socket.create_connection(("127.0.0.1", server))
            threading.Thread(target=_forward, args=(client, upstream, False), daemon=True).start()
            threading.Thread(target=_forward, args=(upstream, client, True), daemon=True).start()


def _forward(source: socket.socket, sink: socket.socket, altered: bool) -> None:
    with suppress(OSError), sink:
        while data := source.recv(65536):
            key = data.find(b"K\x00\x00\x00\x0c") if altered else -1
            if key >= 0:
                data = data[: key + 5] + b"\x00\x00\x00\x07" + data[key + 9 :]
                altered = False
            sink.sendall(data)
