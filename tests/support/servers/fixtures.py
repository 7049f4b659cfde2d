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
from tests.support.servers.server import S, running


@contextmanager
def started(make: Callable[[], S]) -> Iterator[S]:
    """The server, running; where its programs are absent the test is skipped, in CI it fails."""
    try:
        server = make()
    except AbsentError as absent:
        skip_or_fail(absent)
    with running(server):
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """Shared: leave it running, and use a database of your own."""
    with started(MariaDB) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """Shared: leave it running, and use a database of your own. It allows 64 prepared transactions."""
    with started(PostgreSQL) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_unprepared() -> Iterator[PostgreSQL]:
    """Shared. As PostgreSQL comes: it allows no prepared transaction."""
    with started(lambda: PostgreSQL(max_prepared_transactions=0)) as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    """Shared: leave it running, and use a virtual host of your own."""
    with started(RabbitMQ) as server:
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
