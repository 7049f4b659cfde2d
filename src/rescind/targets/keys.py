"""The key by which rows are found: what every database must be asked before a write or a read, and every batch."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from pyarrow import compute as pc

from rescind.domain.schema import Table
from rescind.errors import ConstraintViolated, InvalidArguments, TargetRefused, UnknownColumn


def check(table: Table, columns: Sequence[str], key: Sequence[str]) -> None:
    """Whether rows of those columns can be found by the key; by none they need not be.

    `table` is as the transaction sees it. Raises UnknownColumn, TargetRefused.
    """
    absent = [name for name in key if name not in columns]
    if absent:
        raise UnknownColumn(f"Column {absent[0]!r} is part of the key, but is not among the columns that are written.")
    if key and not table.has_key(key):
        known = "; it has " + " and ".join(map(_listed, table.unique)) if table.unique else ""
        raise TargetRefused(f"Table {table.name} has no primary key or unique index of {_listed(key)}{known}.")


def check_place(table: Table, after: Sequence[object]) -> None:
    """Whether a read of the table can begin after the row of that key. Raises InvalidArguments."""
    if not table.key or len(after) != len(table.key):
        raise InvalidArguments(f"Rows of {table.name} are not found by a key of {len(after)} values.")


def check_values(batch: pa.RecordBatch, key: Sequence[str]) -> None:
    """Raises ConstraintViolated for the first row of the batch without a value in one of the key's columns."""
    found = [(pc.index(batch[name].is_null(), True).as_py(), name) for name in key if batch[name].null_count]
    if found:
        row, name = min(found)
        raise ConstraintViolated(f"Column {name}: no value, but it is part of the key by which rows are found.", row)


def _listed(names: Sequence[str]) -> str:
    return f"({', '.join(names)})"
