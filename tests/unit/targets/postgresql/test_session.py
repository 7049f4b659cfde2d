"""Sessions: by which name, how they end, and that a server which is down or frozen holds up nobody."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from types import SimpleNamespace
from typing import Any

import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa
from psycopg.pq import PGconn, Ping
from sqlalchemy.engine import make_url
from tests.support.servers.postgresql import PostgreSQL
from tests.support.waiting import until
from tests.unit.targets.postgresql.conftest import Begin, Sql

from rescind.domain.branch import BranchId, Protocol
from rescind.domain.schema import Column, Table, Type
from rescind.errors import RescindError, TargetConflict, TargetRefused, TargetUnavailable, Undecided
from rescind.targets.postgresql import preflight, session
from rescind.targets.postgresql.session import SessionName
from rescind.targets.postgresql.target import PostgreSQLTarget

TWO = Protocol.two_phase
T = Table("t", (Column("a", Type.integer, ""),))


@pytest.mark.parametrize("text", ["", "12", "12@", "a@b@c", "12@34", "-1@2@x", "12@34@"])
def test_only_names_of_sessions_are_read(text: str) -> None:
    with pytest.raises(ValueError, match="no name of a PostgreSQL session"):
        SessionName.parse(text)


def test_a_name_reads_back() -> None:
    name = SessionName(12, 1_700_000_000_000_001, "who@ever")
    assert SessionName.parse(str(name)) == name


def test_a_session_whose_start_may_not_be_seen_is_neither_ended_nor_taken_for_gone(
    postgresql: PostgreSQL, target: PostgreSQLTarget
) -> None:
    with psycopg.connect(postgresql.admin_url()) as other:
        with pytest.raises(TargetUnavailable, match="pg_read_all_stats"):
            target.end_session(f"{other.info.backend_pid}@1@admin")
        # The session that is looked for had another login: this one has got its number since.
        assert target.end_session(f"{other.info.backend_pid}@1@rescind")
        other.execute("SELECT 1")


def test_a_process_of_the_servers_own_has_merely_got_the_number(target: PostgreSQLTarget, sql: Sql) -> None:
    for pid, kind in sql("SELECT pid, backend_type FROM pg_stat_activity WHERE datid IS NULL"):
        assert target.end_session(f"{pid}@1@rescind"), kind


def test_a_login_that_acts_as_another_role_sees_and_ends_its_own_sessions(
    postgresql: PostgreSQL, postgresql_url: str, identity: BranchId
) -> None:
    url = make_url(postgresql_url)
    with psycopg.connect(postgresql.admin_url(url.database or "")) as admin:
        admin.execute("DROP ROLE IF EXISTS app_owner; CREATE ROLE app_owner; GRANT app_owner TO rescind")
        admin.execute(f"ALTER ROLE rescind IN DATABASE {url.database} SET role = 'app_owner'".encode())
        admin.execute("GRANT CREATE ON SCHEMA public TO app_owner")
    try:
        with closing(PostgreSQLTarget("default", url)) as target:
            target.set_up()
            target.preflight()
            branch = target.open_branch(identity, TWO)
            branch.start()
            branch.write_marker(0, "")
            until(lambda: target.end_session(branch.session), "it is gone")
            with pytest.raises(TargetUnavailable):
                branch.commit()
            assert target.markers(identity.ledger, identity.task) == []
    finally:
        with psycopg.connect(postgresql.admin_url(url.database or "")) as admin:
            admin.execute("DROP OWNED BY app_owner; DROP ROLE app_owner")


def test_a_session_that_cannot_be_known_again_is_refused(
    target: PostgreSQLTarget, identity: BranchId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_STARTED", "NULL::bigint")
    for verb in (target.preflight, partial(target.open_branch, identity, TWO)):
        with pytest.raises(TargetRefused, match="pg_read_all_stats"):
            verb()


def test_a_session_that_runs_a_statement_is_ended(target: PostgreSQLTarget, begin: Begin, sql: Sql) -> None:
    branch = begin()
    pid = int(branch.session.partition("@")[0])
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(branch.connection().exec_driver_sql, "SELECT pg_sleep(60)")
        until(lambda: sql("SELECT 1 FROM pg_stat_activity WHERE pid = %s AND state = 'active'", pid), "it runs")
        until(lambda: target.end_session(branch.session), "it is gone")
        assert isinstance(target.translate(_error(running.exception(20))), TargetUnavailable)
    assert sql("SELECT 1 FROM pg_stat_activity WHERE pid = %s", pid) == []
    branch.rollback()


def test_settings_of_the_url_are_libpqs(postgresql_url: str) -> None:
    url = make_url(postgresql_url).update_query_dict({"application_name": "mine", "sslmode": "disable"})
    connection = session.connect_control(session.parameters("default", url))
    assert connection.info.parameter_status("application_name") == "mine"
    connection.close()


def test_a_control_connection_that_was_cut_is_replaced(target: PostgreSQLTarget, sql: Sql, identity: BranchId) -> None:
    assert target.markers(identity.ledger, identity.task) == []
    others = "pid <> pg_backend_pid() AND usename = current_user"
    sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
    assert target.markers(identity.ledger, identity.task) == []


def test_a_frozen_server_is_unavailable_and_holds_up_nobody(
    own_postgresql: PostgreSQL, identity: BranchId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machine still acknowledges: no timeout of TCP sees it."""
    monkeypatch.setattr(session.Connection, "patience", 0.5)
    monkeypatch.setitem(session._NETWORK, "connect_timeout", 2)
    target = PostgreSQLTarget("default", make_url(own_postgresql.make_database()))
    target.set_up()
    own_postgresql.freeze()
    try:
        for verb in (
            target.preflight,
            partial(target.open_branch, identity, Protocol.one_phase),
            partial(target.list_prepared, identity.ledger),
            partial(target.end_session, "1@1@rescind"),
            partial(target.insert_tombstone, identity),
            target.catalog().tables,
        ):
            with pytest.raises(TargetUnavailable):
                verb()
    finally:
        own_postgresql.thaw()
    target.preflight()
    target.close()


@pytest.mark.parametrize("asked", ["session.name_of", "preflight.facts"])
def test_a_server_that_freezes_while_a_branch_is_opened_is_unavailable(
    own_postgresql: PostgreSQL, identity: BranchId, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    """Nobody could cancel it yet."""
    target = PostgreSQLTarget("default", make_url(own_postgresql.make_database()))
    target.set_up()
    module, _, question = asked.partition(".")
    ask = getattr({"session": session, "preflight": preflight}[module], question)

    def frozen(*arguments: Any) -> Any:
        own_postgresql.freeze()
        return ask(*arguments)

    monkeypatch.setattr(session.Connection, "patience", 0.5)
    monkeypatch.setattr(f"rescind.targets.postgresql.{asked}", frozen)
    try:
        with pytest.raises(TargetUnavailable):
            target.open_branch(identity, TWO)
    finally:
        own_postgresql.thaw()
    target.close()


def test_a_server_that_is_down_is_unavailable_and_its_sessions_numbers_are_used_again(
    own_postgresql: PostgreSQL, identity: BranchId
) -> None:
    target = PostgreSQLTarget("default", make_url(own_postgresql.make_database()))
    target.set_up()
    branch = target.open_branch(identity, Protocol.one_phase)
    branch.start()
    _, started, role = branch.session.split("@")
    own_postgresql.kill()
    for verb in (target.preflight, partial(target.end_session, branch.session), target.catalog().tables):
        with pytest.raises(TargetUnavailable):
            verb()
    branch.cancel()
    branch.rollback()
    branch.close()
    own_postgresql.start()
    assert target.end_session(branch.session)
    # A session of the new life that has the same number is not the one that is looked for.
    later = target.open_branch(identity, Protocol.one_phase)
    later.start()
    new_pid = later.session.split("@")[0]
    assert target.end_session(f"{new_pid}@{started}@{role}")
    later.write_marker(0, "")
    later.commit()
    later.close()
    target.close()


@pytest.mark.parametrize("verb", ["statement", "copy", "marker"])
def test_a_session_whose_process_dies_while_its_server_runs_on_costs_an_attempt(
    own_postgresql: PostgreSQL, identity: BranchId, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends all its sessions then, and takes none for a moment; what kills one each time would go on."""
    monkeypatch.setattr(session, "CLEAN_UP_SECONDS", 60.0)  # a busy machine takes long to clean up
    target = PostgreSQLTarget("default", make_url(own_postgresql.make_database()))
    target.set_up()
    branch = target.open_branch(identity, Protocol.one_phase)
    branch.start()
    branch.create_table(T)
    writer = branch.writer(T, ["a"])
    os.kill(int(branch.session.partition("@")[0]), signal.SIGKILL)
    lost: dict[str, Callable[[], object]] = {
        "statement": lambda: branch.connection().exec_driver_sql("SELECT 1"),
        "copy": lambda: writer.write(pa.RecordBatch.from_pydict({"a": [1]})),
        "marker": lambda: branch.write_marker(0, ""),
    }
    with pytest.raises((RescindError, sa.exc.DBAPIError)) as error:
        lost[verb]()
    found = error.value if isinstance(error.value, RescindError) else target.translate(error.value)
    assert isinstance(found, TargetConflict)
    assert "has died" in str(found)
    branch.close()
    target.close()


def test_a_server_that_dies_is_an_outage_also_when_another_has_begun_meanwhile(
    own_postgresql: PostgreSQL, identity: BranchId
) -> None:
    target = PostgreSQLTarget("default", make_url(own_postgresql.make_database()))
    target.set_up()
    for restarted in (False, True):
        branch = target.open_branch(identity, Protocol.one_phase)
        branch.start()
        own_postgresql.kill()
        if restarted:
            own_postgresql.start()
        with pytest.raises(TargetUnavailable):
            branch.write_marker(0, "")
        branch.close()
        if not restarted:
            own_postgresql.start()
    target.close()


def test_the_same_server_is_told_from_one_that_has_begun_since(own_postgresql: PostgreSQL) -> None:
    asked = session.parameters("default", make_url(own_postgresql.make_database()))
    with closing(session.connect_control(asked)) as connection:
        began = session.server_began(connection)
    assert session.runs_on(asked, began, lambda: False)
    assert not session.runs_on(asked, began, lambda: True)
    own_postgresql.kill()
    assert not session.runs_on(asked, began, lambda: False)
    own_postgresql.start()
    assert not session.runs_on(asked, began, lambda: False)


def test_a_server_that_hangs_up_for_a_moment_runs_on(
    own_postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one does that ends all its sessions, the one that asks among them."""
    asked = session.parameters("default", make_url(own_postgresql.make_database()))
    with closing(session.connect_control(asked)) as connection:
        began = session.server_began(connection)
    answers = iter([Ping.NO_RESPONSE, Ping.NO_RESPONSE, Ping.REJECT, Ping.NO_RESPONSE])
    hanging_up = SimpleNamespace(ping=lambda address: next(answers, None) or PGconn.ping(address))
    monkeypatch.setattr(session, "PGconn", hanging_up)
    assert session.runs_on(asked, began, lambda: False)
    assert next(answers, None) is None


def test_a_standby_is_waited_for_and_neither_its_markers_nor_its_list_prove_anything(
    own_postgresql: PostgreSQL, identity: BranchId
) -> None:
    target = PostgreSQLTarget("default", make_url(own_postgresql.make_database()))
    target.set_up()
    own_postgresql.stop()
    standby = own_postgresql.directory / "data" / "standby.signal"
    standby.touch()
    own_postgresql.start()
    try:
        for verb in (
            target.preflight,
            partial(target.markers, identity.ledger, identity.task),
            partial(target.list_prepared, identity.ledger),
            partial(target.insert_tombstone, identity),
        ):
            with pytest.raises(TargetUnavailable, match="standby"):
                verb()
    finally:
        own_postgresql.stop()
        standby.unlink()
        own_postgresql.start()
    target.preflight()
    target.close()


@pytest.mark.parametrize("prepared", [True, False])
def test_what_a_kill_of_the_server_leaves(own_postgresql: PostgreSQL, identity: BranchId, prepared: bool) -> None:
    """Prepared survives, with its rows; what was not is gone."""
    target = PostgreSQLTarget("default", make_url(own_postgresql.make_database()))
    target.set_up()
    branch = target.open_branch(identity, TWO)
    branch.start()
    branch.write_marker(0, "")
    if prepared:
        branch.prepare()
    own_postgresql.kill()
    with pytest.raises(RescindError):
        branch.commit()
    branch.rollback()
    branch.close()
    own_postgresql.start()
    assert target.end_session(branch.session)
    assert target.list_prepared(identity.ledger) == [identity] * prepared
    assert target.markers(identity.ledger, identity.task) == []
    if prepared:
        target.commit_prepared(identity)
        (found,) = target.markers(identity.ledger, identity.task)
        assert found.branch == identity
    target.close()


def test_a_tombstone_that_waits_too_long_is_undecided(
    target: PostgreSQLTarget, begin: Begin, monkeypatch: pytest.MonkeyPatch, postgresql_url: str
) -> None:
    branch = begin()
    branch.write_marker(0, "")
    monkeypatch.setitem(session._CONTROL, "lock_timeout", "100ms")
    hurried = PostgreSQLTarget("default", make_url(postgresql_url))
    with pytest.raises(Undecided):
        hurried.insert_tombstone(branch.id)
    hurried.close()
    assert target.markers(branch.id.ledger, branch.id.task) == []


def _error(error: BaseException | None) -> Exception:
    assert isinstance(error, Exception)
    return error
