"""Statements to the database of an address, from a connection of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, create_engine, text

from rescind.urls import database_url


@contextmanager
def engine(url: str) -> Iterator[Engine]:
    made = create_engine(database_url(url))
    try:
        yield made
    finally:
        made.dispose()


def run(url: str, *statements: str) -> list[Any]:
    """Commit the statements; the last one's rows, or nothing where it has none."""
    with engine(url) as made, made.begin() as connection:
        rows: list[Any] = []
        for statement in statements:
            answer = connection.execute(text(statement))
            rows = [tuple(row) for row in answer] if answer.returns_rows else []
        return rows
