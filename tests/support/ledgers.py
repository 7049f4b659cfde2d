"""Ledgers for tests: SQLite for every test, PostgreSQL and MariaDB where a test says `on_every_ledger`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import delete

from rescind.ledger import tables
from rescind.ledger.engine import Ledger
from rescind.ledger.migrate import migrate

KINDS = ("sqlite", "postgresql", "mariadb")
SERVERS = ("postgresql", "mariadb")

on_every_ledger = pytest.mark.parametrize("ledger_kind", KINDS)
on_servers = pytest.mark.parametrize("ledger_kind", SERVERS)


@pytest.fixture
def ledger_kind() -> str:
    return "sqlite"


@pytest.fixture
def empty_url(ledger_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Of a new, empty database."""
    if ledger_kind == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    return str(request.getfixturevalue(f"{ledger_kind}_url"))


@pytest.fixture(scope="session")
def _shared_ledger(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """The URL of the run's one ledger on that kind of server: making its tables takes MariaDB a second."""

    @cache
    def url(kind: str) -> str:
        made = str(request.getfixturevalue(kind).make_database())
        with closing(Ledger(made)) as ledger:
            migrate(ledger)
        return made

    return url


@pytest.fixture
def ledger_url(ledger_kind: str, tmp_path: Path, _shared_ledger: Callable[[str], str]) -> str:
    """Of a ledger with its tables, in which nothing is."""
    if ledger_kind == "sqlite":
        url = f"sqlite:///{tmp_path}/ledger.db"
        with closing(Ledger(url)) as ledger:
            migrate(ledger)
        return url
    url = _shared_ledger(ledger_kind)
    with closing(Ledger(url)) as ledger, ledger.write() as connection:
        for table in reversed(tables.metadata.sorted_tables):
            connection.execute(delete(table))
    return url
