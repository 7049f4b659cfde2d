"""A statement to the database of an address, from a connection of its own."""

from __future__ import annotations

from typing import Any

from sqlalchemy import create_engine, text

from rescind.urls import database_url


def run(url: str, statement: str) -> list[Any]:
    """Commit the statement; its rows, or nothing where it has none."""
    engine = create_engine(database_url(url))
    try:
        with engine.begin() as connection:
            answer = connection.execute(text(statement))
            return [tuple(row) for row in answer] if answer.returns_rows else []
    finally:
        engine.dispose()
