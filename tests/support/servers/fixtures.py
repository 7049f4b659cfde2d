"""Servers for tests: shared by the whole run, or a module's own where a test kills or freezes it.

Each starts when the first test asks for it. Where its programs are absent the test is skipped, in CI it fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.support.servers.mariadb import MariaDB
from tests.support.servers.postgresql import PostgreSQL
from tests.support.servers.programs import AbsentError, skip_or_fail
from tests.support.servers.rabbitmq import RabbitMQ
from tests.support.servers.server import S, Server, running

#: Those whose data has still to be deleted.
_ended: list[Server] = []


@pytest.hookimpl(trylast=True)  # the fixtures end before, also when the run was broken off
def pytest_sessionfinish() -> None:
    """Hundreds of databases are a hundred thousand files: on a slow disk that took longer than a test may."""
    while _ended:
        _ended.pop().delete()


@contextmanager
def started(make: Callable[[], S]) -> Iterator[S]:
    """A module's server, running."""
    with running(_there(make)) as server:
        yield server


@contextmanager
def shared(make: Callable[[], S]) -> Iterator[S]:
    """One for the whole run. What it is left with is deleted when the last test is over."""
    server = _there(make)
    _ended.append(server)
    try:
        yield server.start()
    finally:
        server.end()


def _there(make: Callable[[], S]) -> S:
    """The server; where its programs are absent the test is skipped, in CI it fails."""
    try:
        return make()
    except AbsentError as absent:
        skip_or_fail(absent)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """Shared: leave it running, and use a database of your own."""
    with shared(MariaDB) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """Shared: leave it running, and use a database of your own. It allows 64 prepared transactions."""
    with shared(PostgreSQL) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_unprepared() -> Iterator[PostgreSQL]:
    """Shared. As PostgreSQL comes: it allows no prepared transaction."""
    with shared(lambda: PostgreSQL(max_prepared_transactions=0)) as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    """Shared: leave it running, and use a virtual host of your own."""
    with shared(RabbitMQ) as server:
        yield server


@pytest.fixture(scope="module")
def own_mariadb() -> Iterator[MariaDB]:
    """The module's, to be killed and frozen; start it again at the end of the test."""
    with started(MariaDB) as server:
        yield server


@pytest.fixture(scope="module")
def own_postgresql() -> Iterator[PostgreSQL]:
    """The module's, to be killed and frozen; start it again at the end of the test."""
    with started(PostgreSQL) as server:
        yield server


@pytest.fixture(scope="module")
def own_rabbitmq() -> Iterator[RabbitMQ]:
    """The module's, to be killed and frozen; start it again at the end of the test."""
    with started(RabbitMQ) as server:
        yield server


@pytest.fixture
def mariadb_url(mariadb: MariaDB) -> str:
    """Of a new, empty database."""
    return mariadb.make_database()


@pytest.fixture
def postgresql_url(postgresql: PostgreSQL) -> str:
    """Of a new, empty database."""
    return postgresql.make_database()


@pytest.fixture
def rabbitmq_url(rabbitmq: RabbitMQ) -> str:
    """Of a new, empty virtual host."""
    return rabbitmq.make_vhost()
