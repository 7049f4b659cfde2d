"""A table with two old rows, in the database that a service loads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.databases import run
from tests.support.surface import Surface, real_surface

OLD = [(1, "pen"), (2, "ink")]


@contextmanager
def with_items(home: Path, url: str) -> Iterator[Surface]:
    """A service over that database, with the rows OLD in `items`; in the end nothing is prepared."""
    with real_surface(home, default=url) as made:
        run(
            url,
            "CREATE TABLE items (id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL)",
            *(f"INSERT INTO items VALUES ({number}, '{name}')" for number, name in OLD),
        )
        yield made
        assert made.prepared() == []


def items(url: str) -> list[Any]:
    return run(url, "SELECT id, name FROM items ORDER BY id")
