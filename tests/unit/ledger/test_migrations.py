"""Migrations: the tables that the code knows, whatever was there, whoever else is at it, whenever it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, event, inspect, text
from tests.support.ledgers import on_every_ledger, on_servers

from rescind.errors import ConfigurationError, LedgerUnavailable
from rescind.ledger import migrate as migration
from rescind.ledger import tables
from rescind.ledger.engine import Ledger
from rescind.ledger.migrate import check, migrate


@pytest.fixture
def empty(empty_url: str) -> Iterator[Ledger]:
    with closing(Ledger(empty_url)) as opened:
        yield opened


def differences(ledger: Ledger) -> list[Any]:
    with ledger.read() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), tables.metadata))


def run(connection: Connection, version: str) -> None:
    config = migration._config()
    config.attributes["connection"] = connection
    command.upgrade(config, version)


def end_after(statements: int, engine: Engine, end: Callable[[], None]) -> None:
    """Call `end` after so many statements that make or alter a table."""
    left = statements

    def after(*arguments: Any) -> None:
        nonlocal left
        left -= str(arguments[2]).lstrip().startswith(("CREATE", "ALTER"))
        if left == 0:
            end()

    event.listen(engine, "after_cursor_execute", after)


def cut_off() -> None:
    raise Killed


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Killed(Exception):
    pass


@on_every_ledger
def test_they_make_the_tables_that_the_code_knows(empty: Ledger) -> None:
    migrate(empty)
    assert differences(empty) == []
    check(empty)


@on_every_ledger
def test_migrating_twice_changes_nothing(empty: Ledger) -> None:
    migrate(empty)
    before = empty.identity()
    migrate(empty)
    with closing(Ledger(empty.url)) as again:
        assert again.identity() == before


@on_every_ledger
def test_a_ledger_of_the_first_version_is_brought_on_with_its_tasks(empty: Ledger) -> None:
    with empty.write() as connection:
        run(connection, "0001")
        columns = "id, name, args, state, attempt, beat, stop_requested, created_at, changed_at, errors, losses, phase"
        row = "'t', 'load', '{}', 'queued', 0, 0, %s, '2026-01-02 03:04:05.678901', '2026-01-02', 0, 0, 'waiting', 0, 0"
        false = "false" if connection.dialect.name == "postgresql" else "0"
        names = "rows, bytes" if connection.dialect.name != "mysql" else "`rows`, `bytes`"
        connection.execute(text(f"INSERT INTO task ({columns}, {names}) VALUES ({row % false})"))
    migrate(empty)
    assert differences(empty) == []
    with empty.read() as connection:
        found = connection.execute(tables.task.select()).one()
    assert (found.id, found.commit, found.dry_run, found.created_at.microsecond) == ("t", "auto", False, 678901)


@on_every_ledger
def test_a_ledger_without_tables_is_named(empty: Ledger) -> None:
    with pytest.raises(ConfigurationError, match="rescind migrate"):
        check(empty)


@on_every_ledger
def test_tables_of_somebody_else_are_left_alone(empty: Ledger) -> None:
    with empty.write() as connection:
        connection.execute(text("CREATE TABLE task (mine INTEGER)"))
    with pytest.raises(ConfigurationError, match="somebody else's with the names task; give the ledger a database"):
        migrate(empty)
    with empty.read() as connection:
        assert inspect(connection).get_table_names() == ["task"]


@on_every_ledger
def test_a_ledger_of_a_later_version_is_left_alone(empty: Ledger) -> None:
    migrate(empty)
    with empty.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="9999"):
        migrate(empty)
    with pytest.raises(ConfigurationError, match="is at version 9999"):
        check(empty)


@on_every_ledger
@pytest.mark.parametrize("statements", [1, 2, 6, 12, 18, 22])
def test_one_that_was_cut_off_is_begun_again(empty: Ledger, statements: int) -> None:
    with closing(Ledger(empty.url)) as victim:
        end_after(statements, victim.engine, cut_off)
        with pytest.raises(Killed):
            migrate(victim)
    migrate(empty)
    assert differences(empty) == []
    check(empty)


def process(code: str, url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code, url])


@on_every_ledger
def test_one_that_was_killed_is_begun_again(empty: Ledger) -> None:
    code = "import sys; from tests.unit.ledger.test_migrations import *; ledger = Ledger(sys.argv[1]); "
    with process(code + "end_after(9, ledger.engine, kill); migrate(ledger)", empty.url) as victim:
        assert victim.wait() == -signal.SIGKILL
    migrate(empty)
    assert differences(empty) == []


@on_every_ledger
def test_several_processes_may_try_at_once(empty: Ledger) -> None:
    code = "import sys; from tests.unit.ledger.test_migrations import *; migrate(Ledger(sys.argv[1]))"
    processes = [process(code, empty.url) for _ in range(3)]
    assert [each.wait() for each in processes] == [0, 0, 0]
    assert differences(empty) == []
    check(empty)


@on_servers
def test_it_waits_for_another_but_not_for_ever(empty: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is what makes them take turns: CREATE TABLE IF NOT EXISTS would meet in the middle."""
    monkeypatch.setattr(migration, "STATEMENT_SECONDS", 0.2)
    with (
        closing(Ledger(empty.url, busy_seconds=0.2)) as impatient,
        empty.write() as connection,
        migration._alone(connection),
        pytest.raises(LedgerUnavailable),
    ):
        migrate(impatient)
    migrate(empty)
    check(empty)
