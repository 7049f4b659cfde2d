"""A fresh ledger for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rescind.ledger.engine import Ledger
from rescind.ledger.migrate import migrate


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(f"sqlite:///{tmp_path}/ledger.db", busy_seconds=0.2)
    migrate(opened)
    yield opened
    opened.close()
