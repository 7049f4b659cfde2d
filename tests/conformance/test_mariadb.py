"""The MariaDB target under the suite: two-phase, one-phase, and without LOAD DATA."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
import sqlalchemy as sa
from tests.support.indexes import indexes_of
from tests.support.servers.mariadb import MariaDB
from tests.support.servers.server import running

from rescind.targets.mysql.session import SessionId
from rescind.targets.mysql.target import MySQLTarget
from rescind.testing.conformance import Conformance, Connect
from rescind.testing.conformance.indexes import IndexesOf
from rescind.urls import database_url


@pytest.fixture(scope="module")
def without_load(mariadb: MariaDB) -> Iterator[MariaDB]:
    """A server beside the shared one, whose fixture says what an absent MariaDB means."""
    with running(MariaDB(local_infile=0)) as server:
        yield server


class TestMariaDB(Conformance):
    @pytest.fixture
    def url(self, mariadb_url: str) -> str:
        return mariadb_url

    @pytest.fixture
    def connect(self, url: str) -> Connect:
        return partial(MySQLTarget, "default", database_url(url))

    @pytest.fixture
    def engine(self, url: str) -> sa.Engine:
        return sa.create_engine(database_url(url).set(drivername="mysql+pymysql"))

    @pytest.fixture
    def indexes(self, url: str) -> IndexesOf:
        return partial(indexes_of, url)

    def recycled(self, session: str) -> str:
        found = SessionId.parse(session)
        return str(SessionId(found.number, found.started - 1, found.server))


class TestMariaDBWithoutTwoPhase(TestMariaDB):
    @pytest.fixture
    def connect(self, url: str) -> Connect:
        return partial(MySQLTarget, "default", database_url(url), False)


class TestMariaDBWithoutLoadData(TestMariaDB):
    @pytest.fixture
    def url(self, without_load: MariaDB) -> str:
        return without_load.make_database()

    @pytest.fixture
    def engine(self) -> None:
        """The table is the same."""
