"""The MariaDB target under the suite: two-phase, one-phase, and without LOAD DATA."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
import sqlalchemy as sa
from tests.support.servers.mariadb import MariaDB
from tests.support.servers.server import running

from rescind.targets.mysql.session import SessionId
from rescind.targets.mysql.target import MySQLTarget
from rescind.testing.conformance import Conformance, Connect
from rescind.urls import database_url


@pytest.fixture(scope="module")
def without_load(mariadb: MariaDB) -> Iterator[MariaDB]:
    """A server beside the shared one, whose fixture says what an absent MariaDB means."""
    with running(MariaDB(local_infile=0)) as server:
        yield server


class TestMariaDB(Conformance):
    @pytest.fixture
    def connect(self, mariadb_url: str) -> Connect:
        return partial(MySQLTarget, "default", database_url(mariadb_url))

    @pytest.fixture
    def engine(self, mariadb_url: str) -> sa.Engine:
        return sa.create_engine(database_url(mariadb_url).set(drivername="mysql+pymysql"))

    def recycled(self, session: str) -> str:
        found = SessionId.parse(session)
        return str(SessionId(found.number, found.started - 1, found.server))


class TestMariaDBWithoutTwoPhase(TestMariaDB):
    @pytest.fixture
    def connect(self, mariadb_url: str) -> Connect:
        return partial(MySQLTarget, "default", database_url(mariadb_url), "never")


class TestMariaDBWithoutLoadData(TestMariaDB):
    @pytest.fixture
    def connect(self, without_load: MariaDB) -> Connect:
        return partial(MySQLTarget, "default", database_url(without_load.make_database()))

    @pytest.fixture
    def engine(self) -> None:
        """The table is the same."""
