"""The ledger's engine: durable, migrated, and honest about an outage."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from rescind.errors import ConfigurationError, LedgerUnavailable
from rescind.ledger import tables
from rescind.ledger.engine import Ledger
from rescind.ledger.migrate import check, migrate


def test_sqlite_is_in_wal_mode_and_syncs_every_commit(ledger: Ledger) -> None:
    with ledger.read() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2  # FULL


def test_the_migrations_make_the_tables_that_the_code_knows(ledger: Ledger) -> None:
    with ledger.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []


def test_migrating_twice_changes_nothing(ledger: Ledger) -> None:
    before = ledger.identity()
    migrate(ledger)
    assert Ledger(ledger.url).identity() == before


def test_a_ledger_without_tables_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="rescind migrate"):
        check(Ledger(f"sqlite:///{tmp_path}/empty.db"))


def test_a_locked_ledger_is_an_outage_and_not_an_answer(ledger: Ledger, tmp_path: Path) -> None:
    blocker = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailable, match="locked"), ledger.write():
        pass
    with ledger.read() as connection:  # readers go on
        assert connection.execute(text("SELECT count(*) FROM task")).scalar_one() == 0
    blocker.execute("ROLLBACK")
    blocker.close()


def test_a_taken_key_is_an_answer_and_not_an_outage(ledger: Ledger) -> None:
    with pytest.raises(IntegrityError), ledger.write() as connection:
        connection.execute(text("INSERT INTO identity VALUES (1, 'x', 1)"))


def test_settle_asks_until_the_ledger_answers(ledger: Ledger, tmp_path: Path) -> None:
    outages = iter([LedgerUnavailable("away"), LedgerUnavailable("away")])

    def ask(_: object) -> str:
        for outage in outages:
            raise outage
        return "here"

    assert ledger.settle(ask, pause_seconds=0.0) == "here"
