"""The PostgreSQL target under the suite, where transactions can be prepared and where they cannot."""

from __future__ import annotations

from functools import partial

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from tests.support.indexes import indexes_of
from tests.support.servers.postgresql import PostgreSQL

from rescind.targets.postgresql.target import PostgreSQLTarget
from rescind.testing.conformance import Conformance, Connect
from rescind.testing.conformance.indexes import IndexesOf


class TestPostgreSQL(Conformance):
    @pytest.fixture
    def url(self, postgresql_url: str) -> str:
        return postgresql_url

    @pytest.fixture
    def connect(self, url: str) -> Connect:
        return partial(PostgreSQLTarget, "default", make_url(url))

    @pytest.fixture
    def engine(self, url: str) -> sa.Engine:
        return sa.create_engine(make_url(url).set(drivername="postgresql+psycopg"))

    @pytest.fixture
    def indexes(self, url: str) -> IndexesOf:
        return partial(indexes_of, url)

    def recycled(self, session: str) -> str:
        pid, started, role = session.split("@")
        return f"{pid}@{int(started) - 1}@{role}"


class TestPostgreSQLAsItComes(TestPostgreSQL):
    """max_prepared_transactions is 0."""

    @pytest.fixture
    def url(self, postgresql_unprepared: PostgreSQL) -> str:
        return postgresql_unprepared.make_database()

    @pytest.fixture
    def engine(self) -> None:
        """The table is the same."""
