from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rescind.ledger.engine import Ledger
from rescind.ledger.migrate import migrate


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty one, made anew."""
    opened = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    migrate(opened)
    yield opened
    opened.close()
