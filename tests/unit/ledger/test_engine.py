"""The ledger's engine: durable, and honest about an outage."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError
from tests.support.ledgers import on_every_ledger, on_servers
from tests.support.servers.mariadb import MariaDB
from tests.support.servers.server import running

from rescind import durability
from rescind.domain.states import State
from rescind.errors import ConfigurationError, LedgerUnavailable
from rescind.ledger import tables, tasks
from rescind.ledger.engine import Ledger, clock, now
from rescind.ledger.migrate import migrate
from rescind.tasks.submission import new_id

IDENTITY = {"one": 1, "ledger": "0123456789ab", "incarnation": 1}


def submit(ledger: Ledger) -> str:
    task_id = new_id()
    with ledger.write() as connection:
        tasks.insert_task(connection, task_id, "load", {"table": "t"}, ["default"])
    return task_id


def test_sqlite_is_in_wal_mode_and_syncs_every_commit(ledger: Ledger) -> None:
    with ledger.read() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2  # FULL


def test_a_locked_ledger_is_an_outage_and_not_an_answer(ledger: Ledger, tmp_path: Path) -> None:
    blocker = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailable, match="locked"), ledger.write():
        pass
    with ledger.read() as connection:  # readers go on
        assert connection.execute(text("SELECT count(*) FROM task")).scalar_one() == 0
    blocker.execute("ROLLBACK")
    blocker.close()


@on_every_ledger
def test_a_taken_key_is_an_answer_and_not_an_outage(ledger: Ledger) -> None:
    ledger.identity()
    with pytest.raises(IntegrityError), ledger.write() as connection:
        connection.execute(insert(tables.identity).values(IDENTITY))


@on_servers
def test_a_value_that_does_not_fit_is_an_answer(ledger: Ledger) -> None:
    with pytest.raises(DataError), ledger.write() as connection:
        connection.execute(insert(tables.identity).values(IDENTITY | {"ledger": "x" * 13}))
    with ledger.read() as connection:
        assert connection.execute(select(tables.identity)).all() == []


@on_servers
def test_a_fault_in_a_statement_is_no_outage(ledger: Ledger) -> None:
    with pytest.raises(ProgrammingError), ledger.read() as connection:
        connection.execute(text("SELEKT"))


@on_every_ledger
@pytest.mark.parametrize("statement", ["SELECT 1 FROM tasc", "SELECT colour FROM task"])
def test_tables_of_another_version_are_named_with_the_cure(ledger: Ledger, statement: str) -> None:
    with pytest.raises(LedgerUnavailable, match="rescind migrate"), ledger.read() as connection:
        connection.execute(text(statement))


@on_every_ledger
def test_the_name_of_a_new_ledger_is_one_for_all(ledger: Ledger) -> None:
    """Several processes see an empty ledger at the same time."""
    with ledger.write() as connection:
        connection.execute(delete(tables.identity))
    together = threading.Barrier(4)
    names: list[tuple[str, int]] = []

    def ask() -> None:
        with closing(Ledger(ledger.url)) as mine:
            together.wait()
            names.append(mine.identity())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 4
    assert set(names) == {ledger.identity()}


@on_every_ledger
def test_a_name_that_the_ledger_lost_is_not_used(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(*_: object) -> None:
        raise LedgerUnavailable("The answer was lost.")

    with ledger.write() as connection:
        connection.execute(delete(tables.identity))
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "write", lose)
        with pytest.raises(LedgerUnavailable):
            ledger.identity()
    with ledger.write() as connection:
        connection.execute(insert(tables.identity).values(IDENTITY))
    assert ledger.identity() == (IDENTITY["ledger"], 1)


@on_every_ledger
def test_an_update_that_changes_nothing_has_found_its_row(ledger: Ledger) -> None:
    """A guarded UPDATE is answered by the rows that it found; MySQL counts those that it changed unless told to."""
    task_id = submit(ledger)
    with ledger.write() as connection:
        same = update(tables.task).where(tables.task.c.id == task_id).values(state=State.queued)
        assert connection.execute(same).rowcount == 1


@on_every_ledger
def test_ids_and_keys_are_compared_by_every_letter(ledger: Ledger) -> None:
    with ledger.write() as connection:
        for name in ("orders", "Orders", "órders"):
            connection.execute(insert(tables.made_table).values(target="t", name=name, task="x", at=now()))
        made = select(tables.made_table.c.name).where(tables.made_table.c.name == "ORDERS")
        assert connection.execute(made).all() == []


@on_every_ledger
@pytest.mark.parametrize("words", ["", "a" * 100_000, "'\"\\%s{}\n\r\t 🦋 ü", "NUL\0"])
def test_any_text_is_kept(ledger: Ledger, ledger_kind: str, words: str) -> None:
    task_id = submit(ledger)
    reject = {"task": task_id, "ordinal": 0, "record": 1, "column_name": words, "value": words, "reason": words}
    with ledger.write() as connection:
        connection.execute(insert(tables.reject).values(reject))
        connection.execute(update(tables.task).values(args={words: words}))
    kept = words.replace("\0", "␀") if ledger_kind == "postgresql" else words
    with ledger.read() as connection:
        assert connection.execute(select(tables.reject.c.value)).scalar_one() == kept
        found = tasks.get(connection, task_id)
    assert found is not None
    assert found.args == {words: words}


@on_every_ledger
def test_no_task_has_an_id_with_nul_in_it(ledger: Ledger) -> None:
    with ledger.read() as connection:
        assert tasks.get(connection, "a\0b") is None
        assert tasks.page(connection, name="\0") == []


@on_every_ledger
def test_times_are_kept_to_the_microsecond_in_utc(ledger: Ledger) -> None:
    task_id = submit(ledger)
    at = datetime(2024, 3, 31, 2, 30, 0, 123_457, tzinfo=UTC)  # an hour that many zones skip
    with ledger.write() as connection:
        connection.execute(update(tables.task).where(tables.task.c.id == task_id).values(not_before=at))
        assert connection.execute(select(tables.task.c.not_before)).scalar_one() == at


@on_every_ledger
def test_the_clock_goes_on_within_a_transaction(ledger: Ledger) -> None:
    with ledger.read() as connection:
        first, second = clock(connection), clock(connection)
    assert first < second
    assert abs(first - now()) < timedelta(minutes=1)  # UTC, and not the zone of somebody


@on_servers
def test_each_statement_sees_what_is_committed(ledger: Ledger) -> None:
    """READ COMMITTED: who waited for a row looks at it as it is."""
    count = select(tables.task.c.id)
    with ledger.read() as connection:
        before = connection.execute(count).all()
        submit(ledger)
        assert len(connection.execute(count).all()) == len(before) + 1


@on_servers
def test_who_holds_a_row_holds_up_nobody_for_ever(ledger: Ledger) -> None:
    task_id = submit(ledger)
    change = update(tables.task).where(tables.task.c.id == task_id).values(phase="x")
    with ledger.write() as holder:
        holder.execute(change)
        with pytest.raises(LedgerUnavailable), ledger.write() as connection:
            connection.execute(change)
    with ledger.write() as connection:
        assert connection.execute(change).rowcount == 1


@on_servers
def test_a_deadlock_is_an_outage_for_one_of_the_two(ledger: Ledger) -> None:
    rows = [submit(ledger), submit(ledger)]
    together = threading.Barrier(2)
    ended: list[str] = []

    def change(mine: Ledger, first: str, second: str) -> None:
        try:
            with mine.write() as connection:
                for task_id in (first, second):
                    connection.execute(update(tables.task).where(tables.task.c.id == task_id).values(phase="x"))
                    if task_id == first:
                        together.wait()
            ended.append("committed")
        except LedgerUnavailable:
            ended.append("unavailable")

    with closing(Ledger(ledger.url)) as patient:
        threads = [threading.Thread(target=change, args=(patient, *order)) for order in (rows, rows[::-1])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(ended) == ["committed", "unavailable"]


@on_every_ledger
def test_deleting_a_task_takes_what_hangs_on_it(ledger: Ledger) -> None:
    submit(ledger)
    with ledger.write() as connection:
        connection.execute(delete(tables.task))
        assert connection.execute(select(tables.event)).all() == []


@pytest.mark.parametrize("ledger_kind", ["postgresql"])
def test_a_session_of_postgresql_waits_for_the_disk_whatever_its_role_is_told(ledger: Ledger) -> None:
    with closing(Ledger(f"{ledger.url}?options=-c%20synchronous_commit%3Doff")) as hasty, hasty.read() as connection:
        assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"


@pytest.mark.parametrize("ledger_kind", ["postgresql"])
def test_what_waits_for_more_than_the_disk_is_left_so(ledger: Ledger) -> None:
    url = f"{ledger.url}?options=-c%20synchronous_commit%3Dremote_apply"
    with closing(Ledger(url)) as careful, careful.read() as connection:
        assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "remote_apply"


def test_a_file_on_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durability, "file_system", lambda directory: "nfs4")
    with (
        closing(Ledger(f"sqlite:///{tmp_path}/ledger.db")) as ledger,
        pytest.raises(ConfigurationError, match=r"network file system \(nfs4\)"),
    ):
        migrate(ledger)


def test_a_binary_log_that_is_not_synced_is_refused(mariadb: MariaDB) -> None:
    """After a power cut the server would take back what InnoDB has and the log lacks."""
    with (
        running(MariaDB(log_bin="binlog", sync_binlog=0)) as server,
        closing(Ledger(server.make_database())) as ledger,
        pytest.raises(ConfigurationError, match="sync_binlog is 0"),
    ):
        migrate(ledger)


def test_settle_asks_until_the_ledger_answers(ledger: Ledger) -> None:
    outages = iter([LedgerUnavailable("away"), LedgerUnavailable("away")])

    def ask(_: object) -> str:
        for outage in outages:
            raise outage
        return "here"

    assert ledger.settle(ask, pause_seconds=0.0) == "here"


@pytest.mark.parametrize("url", ["", "ledger.db", "oracle://me:secret@db/x", "mysql://me:secret@db:secret/x"])
def test_a_url_that_names_no_ledger_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="URL of the ledger") as refused:
        Ledger(url)
    assert "secret" not in str(refused.value)
