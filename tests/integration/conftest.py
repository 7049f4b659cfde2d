from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.stack import Stack, up


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One running Rescind for the module, on a free port and in a home of its own."""
    with up(tmp_path_factory.mktemp("stack") / "home") as started:
        yield started


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new, empty database, on each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/data.db"
    return str(request.getfixturevalue(f"{request.param}_url"))
