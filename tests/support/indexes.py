"""The indexes that a database itself says a table has."""

from __future__ import annotations

import sqlalchemy as sa

from rescind.urls import database_url


def indexes_of(url: str, table: str) -> list[tuple[str | None, ...]]:
    """The columns of each of them but the primary key's, sorted; none of a table that is not there."""
    engine = sa.create_engine(database_url(url))
    try:
        found = sa.inspect(engine)
        return sorted(tuple(i["column_names"]) for i in found.get_indexes(table)) if found.has_table(table) else []
    finally:
        engine.dispose()
