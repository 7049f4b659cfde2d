from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.desk import Desk
from tests.support.protocol import World, world


@pytest.fixture
def w(ledger_url: str) -> Iterator[World]:
    with world(ledger_url) as made:
        yield made


@pytest.fixture
def desk(w: World) -> Desk:
    return Desk(w)
