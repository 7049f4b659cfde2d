"""What an index cannot be: asked before the table is made, since an index is built when all rows are there."""

from __future__ import annotations

from rescind.domain.schema import Table, Type
from rescind.errors import TargetRefused


def check(table: Table, database: str, most_columns: int) -> None:
    """Raises TargetRefused for an index that the database cannot build, naming the column or their number."""
    for index in table.indexes:
        if len(index) > most_columns:
            raise TargetRefused(f"{database} has no index of {len(index)} columns: {most_columns} are the most.")
        for name in index:
            column = table.column(name)
            if column is not None and column.type is Type.json:
                raise TargetRefused(f"Column {name!r} is JSON, of which {database} has no index.")
