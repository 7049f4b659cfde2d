"""A ledger that is down, frozen, read-only or cut off: bounded, said, and over when it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, select, text, update
from tests.support.ledgers import on_servers
from tests.support.servers.mariadb import MariaDB
from tests.support.servers.postgresql import PostgreSQL
from tests.support.servers.proxy import Proxy
from tests.support.servers.server import PASSWORD
from tests.support.waiting import until
from tests.unit.ledger.test_engine import submit

from rescind.errors import ConfigurationError, LedgerUnavailable
from rescind.ledger import connections, tables
from rescind.ledger.engine import Ledger
from rescind.ledger.migrate import check, migrate
from rescind.urls import database_url

Server = MariaDB | PostgreSQL

pytestmark = on_servers


@pytest.fixture
def server(ledger_kind: str, request: pytest.FixtureRequest) -> Server:
    """The module's own."""
    own: Server = request.getfixturevalue(f"own_{ledger_kind}")
    return own


@pytest.fixture
def patient(server: Server) -> Iterator[Ledger]:
    """As the service has it, for all that must succeed: a busy machine takes its time."""
    with closing(Ledger(server.make_database())) as opened:
        migrate(opened)
        yield opened


@pytest.fixture
def ledger(patient: Ledger, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """The same ledger, which soon gives up: for all that must fail."""
    monkeypatch.setattr(connections, "CONNECT_SECONDS", 2)
    monkeypatch.setattr(connections, "GRACE_SECONDS", 1.0)
    with closing(Ledger(patient.url, busy_seconds=0.5)) as opened:
        opened.settle(lambda _: None)  # it has a connection from before the outage
        yield opened


def administrate(server: Server, *statements: str) -> None:
    engine = create_engine(database_url(server.admin_url()), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def set_phase(phase: str) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(update(tables.task).values(phase=phase))


def write(ledger: Ledger, *acts: Callable[[Connection], object]) -> None:
    """All in one transaction."""
    with ledger.write() as connection:
        for act in acts:
            act(connection)


def writes(ledger: Ledger, *acts: Callable[[Connection], object]) -> bool:
    try:
        write(ledger, *acts)
    except LedgerUnavailable:
        return False
    return True


def phase_of(ledger: Ledger, task_id: str) -> str:
    phase = select(tables.task.c.phase).where(tables.task.c.id == task_id)
    return str(ledger.settle(lambda connection: connection.execute(phase).scalar_one()))


def test_who_waits_for_a_frozen_server_gives_up(server: Server, patient: Ledger, ledger: Ledger) -> None:
    """It keeps its connections and takes new ones: nothing but our own patience ends the wait."""
    task_id = submit(patient)
    server.freeze()
    try:
        with pytest.raises(LedgerUnavailable), ledger.read():  # on the connection of before
            pass
        with (
            closing(Ledger(ledger.url, 0.5)) as another,
            pytest.raises(LedgerUnavailable),
            another.read(),
        ):  # on a new one
            pass
    finally:
        server.thaw()
    # It answers at once, but the row is locked until it has noticed that its client has gone.
    until(lambda: writes(patient, set_phase("thawed")), "the thawed server to take the write")
    assert phase_of(patient, task_id) == "thawed"


def test_a_server_that_freezes_within_a_transaction(server: Server, patient: Ledger, ledger: Ledger) -> None:
    task_id = submit(patient)
    try:
        with pytest.raises(LedgerUnavailable):
            write(ledger, set_phase("begun"), lambda _: server.freeze(), set_phase("lost"))
    finally:
        server.thaw()
    # It answers at once, but the row is locked until it has noticed that its client has gone.
    until(lambda: writes(patient, set_phase("thawed")), "the thawed server to take the write")
    assert phase_of(patient, task_id) == "thawed"


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_a_server_that_is_gone_between_two_transactions(
    server: Server, patient: Ledger, ledger: Ledger, end: str
) -> None:
    task_id = submit(patient)
    getattr(server, end)()
    with pytest.raises(LedgerUnavailable), ledger.read():
        pass
    server.start()
    assert phase_of(patient, task_id) == "waiting"  # what was committed is there


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_a_server_that_is_gone_within_a_transaction(server: Server, patient: Ledger, ledger: Ledger, end: str) -> None:
    task_id = submit(patient)
    with pytest.raises(LedgerUnavailable):
        write(ledger, set_phase("lost"), lambda _: getattr(server, end)())
    server.start()
    assert phase_of(patient, task_id) == "waiting"


@pytest.mark.parametrize(("lost", "phase"), [("reply", "changed"), ("request", "waiting")])
def test_a_lost_commit_is_an_outage_whatever_it_did(server: Server, patient: Ledger, lost: str, phase: str) -> None:
    task_id = submit(patient)
    proxy = Proxy(server.port)
    with closing(proxy), closing(Ledger(proxy.through(patient.url))) as far:
        with pytest.raises(LedgerUnavailable):
            write(far, set_phase("changed"), lambda _: getattr(proxy, f"lose_{lost}")(b"COMMIT"))
        assert proxy.lost == 1
        assert phase_of(far, task_id) == phase


def test_a_process_that_stands_still_in_a_transaction_is_put_out(
    patient: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = submit(patient)
    with monkeypatch.context() as impatience:
        impatience.setattr(connections, "IDLE_SECONDS", 1)
        stopped = Ledger(patient.url)
        phase_of(stopped, task_id)  # it has connected
    with closing(stopped):
        waits_for_the_row = lambda _: write(patient, set_phase("other"))  # noqa: E731
        with pytest.raises(LedgerUnavailable):
            write(stopped, set_phase("late"), waits_for_the_row, set_phase("later"))
    assert phase_of(patient, task_id) == "other"


def test_more_work_than_connections_waits_and_is_an_outage_in_the_end(
    patient: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections._POOL, "pool_timeout", 0.1)
    monkeypatch.setitem(connections._POOL, "pool_size", 1)
    monkeypatch.setitem(connections._POOL, "max_overflow", 0)
    with closing(Ledger(patient.url)) as narrow, narrow.read(), pytest.raises(LedgerUnavailable), narrow.read():
        pass


def test_a_wrong_password_is_named_and_not_shown(server: Server, patient: Ledger) -> None:
    url = database_url(patient.url).set(password="not-the-secret").render_as_string(hide_password=False)
    with (
        closing(Ledger(url)) as stranger,
        pytest.raises(LedgerUnavailable, match="rescind") as refused,
        stranger.read(),
    ):
        pass
    said = f"{refused.value} {refused.value.__cause__} {stranger!r} {stranger.engine!r}"
    assert "not-the-secret" not in said
    assert PASSWORD not in said


READ_ONLY = {
    MariaDB: ("SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0"),
    PostgreSQL: ("ALTER ROLE rescind SET default_transaction_read_only = on", "ALTER ROLE rescind RESET ALL"),
}


def test_a_read_only_server_is_an_outage_for_who_writes(server: Server, patient: Ledger) -> None:
    task_id = submit(patient)
    on, off = READ_ONLY[type(server)]
    administrate(server, on)
    try:
        patient.close()
        with pytest.raises(LedgerUnavailable, match=r"read.only"):
            write(patient, set_phase("x"))
        assert phase_of(patient, task_id) == "waiting"
    finally:
        administrate(server, off)
    patient.close()
    write(patient, set_phase("x"))


NOT_DURABLE: dict[type[Any], tuple[tuple[str, ...], tuple[str, ...], str]] = {
    MariaDB: (
        ("SET GLOBAL innodb_flush_log_at_trx_commit = 2",),
        ("SET GLOBAL innodb_flush_log_at_trx_commit = 1",),
        "innodb_flush_log_at_trx_commit is 2",
    ),
    PostgreSQL: (
        ("ALTER SYSTEM SET full_page_writes = off", "SELECT pg_reload_conf()"),
        ("ALTER SYSTEM RESET full_page_writes", "SELECT pg_reload_conf()"),
        "full_page_writes is off",
    ),
}


def test_a_server_that_may_lose_a_commit_is_refused(server: Server, patient: Ledger) -> None:
    spoil, mend, said = NOT_DURABLE[type(server)]
    administrate(server, *spoil)
    try:
        until(lambda: said in refusal(patient), "the server to read its settings")
        with pytest.raises(ConfigurationError, match=said):
            migrate(patient)
    finally:
        administrate(server, *mend)
    until(lambda: not refusal(patient), "the server to read its settings")


def refusal(ledger: Ledger) -> str:
    try:
        check(ledger)
    except ConfigurationError as error:
        return str(error)
    return ""
