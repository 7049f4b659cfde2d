from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.stack import Stack, up


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One running Rescind for the module, on a free port and in a home of its own."""
    with up(tmp_path_factory.mktemp("stack") / "home") as started:
        yield started
