"""The SQLite target under the suite."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.support.indexes import indexes_of

from rescind.process import ProcessId
from rescind.targets.sqlite import branch
from rescind.targets.sqlite.target import SQLiteTarget
from rescind.testing.conformance import Conformance, Connect
from rescind.testing.conformance.indexes import IndexesOf


class TestSQLite(Conformance):
    @pytest.fixture
    def connect(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Connect:
        monkeypatch.setattr(branch, "BUSY_SECONDS", 0.5)
        return partial(SQLiteTarget, "default", tmp_path / "data.db")

    @pytest.fixture
    def engine(self, tmp_path: Path) -> sa.Engine:
        return sa.create_engine(f"sqlite:///{tmp_path}/data.db")

    @pytest.fixture
    def indexes(self, tmp_path: Path) -> IndexesOf:
        return partial(indexes_of, f"sqlite:///{tmp_path}/data.db")

    def recycled(self, session: str) -> str:
        process, _, serial = session.rpartition("|")
        found = ProcessId.parse(process)
        later = ProcessId(found.host, found.boot, found.namespace, found.pid, found.started - 1)
        return f"{later}|{serial}"
