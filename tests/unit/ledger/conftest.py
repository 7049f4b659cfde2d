"""A fresh ledger for each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from rescind.ledger.engine import Ledger

BUSY_SECONDS = 0.2


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with closing(Ledger(ledger_url, BUSY_SECONDS)) as opened:
        yield opened
