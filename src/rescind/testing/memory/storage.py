"""Committed tables, and what one transaction has changed of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rescind.domain.branch import BranchId, Marker
from rescind.domain.schema import Column, Table, Type
from rescind.testing.memory.failures import Kind, Refusal

Row = tuple[Any, ...]
MarkerKey = tuple[str, str, int, int]


def marker_key(branch: BranchId) -> MarkerKey:
    """The marker table's key: the incarnation is not part of it."""
    return branch.ledger, branch.task, branch.attempt, branch.branch


@dataclass
class Stored:
    """A committed table. `keys` finds a row's number by its primary key; `maker`: made outside a transaction."""

    table: Table
    rows: dict[int, Row] = field(default_factory=dict)
    keys: dict[Row, int] = field(default_factory=dict)
    maker: BranchId | None = None
    inserts: int = 0  #: rows ever inserted: numbers are used up, also by what was rolled back

    def add(self, rows: Sequence[Row]) -> None:
        for row in rows:
            number = len(self.rows) + 1 if not self.rows else next(reversed(self.rows)) + 1
            self.rows[number] = row
            if key := key_of(self.table, row):
                self.keys[key] = number

    def clear(self) -> None:
        self.rows.clear()
        self.keys.clear()

    def sorted(self) -> list[Row]:
        """All rows, in the primary key's order where there is one."""
        rows = list(self.rows.values())
        return sorted(rows, key=lambda row: key_of(self.table, row)) if self.table.key else rows


@dataclass
class Changes:
    """What a transaction did and others do not see. It holds a lock on all that stands here."""

    branch: BranchId
    created: dict[str, Stored] = field(default_factory=dict)
    cleared: set[str] = field(default_factory=set)
    inserted: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    replaced: dict[str, dict[int, Row]] = field(default_factory=lambda: defaultdict(dict))  #: by the row's number
    keys: dict[str, set[Row]] = field(default_factory=lambda: defaultdict(set))
    marker: Marker | None = None

    def alone(self, table: str) -> bool:
        """Whether it needs the table for itself."""
        return table in self.created or table in self.cleared

    def touches(self, table: str) -> bool:
        return self.alone(table) or bool(self.inserted.get(table)) or bool(self.replaced.get(table))

    def insert(self, stored: Stored, rows: Sequence[Row]) -> None:
        """Add rows whose key nobody else holds. Raises Refusal for a key that is taken, and adds none."""
        name = stored.table.name
        new: set[Row] = set()
        for index, row in enumerate(rows):
            key = key_of(stored.table, row)
            if key and (key in new or self._taken(stored, key)):
                raise Refusal(Kind.constraint, f"The key {key} of {name} is taken.", index)
            new.add(key)
        self.inserted[name] += rows
        self.keys[name] |= new

    def replace(self, stored: Stored, rows: Sequence[Row], columns: Sequence[str]) -> None:
        """Put the values of those columns into the rows that have their keys, and add the other rows."""
        for row in rows:
            if not self._taken(stored, key_of(stored.table, row)):
                self.insert(stored, [row])
                continue
            place, number = self._find(stored, key_of(stored.table, row))
            pairs = zip(stored.table.columns, row, place[number], strict=True)
            place[number] = tuple(new if column.name in columns else old for column, new, old in pairs)
            self.keys[stored.table.name].add(key_of(stored.table, row))

    def _taken(self, stored: Stored, key: Row) -> bool:
        name = stored.table.name
        return key in self.keys[name] or (name not in self.cleared and key in stored.keys)

    def _find(self, stored: Stored, key: Row) -> tuple[Any, int]:
        """The row of that key, as this transaction sees it: where it is, and its place there."""
        name = stored.table.name
        for number, row in enumerate(self.inserted[name]):
            if key_of(stored.table, row) == key:
                return self.inserted[name], number
        number = stored.keys[key]
        self.replaced[name].setdefault(number, stored.rows[number])
        return self.replaced[name], number

    def clear(self, stored: Stored) -> int:
        """Delete every row that this transaction sees; how many."""
        name = stored.table.name
        seen = len(self.inserted.get(name, ())) + (0 if name in self.cleared else len(stored.rows))
        self.cleared.add(name)
        self.inserted.pop(name, None)
        self.replaced.pop(name, None)
        self.keys.pop(name, None)
        return seen


def key_of(table: Table, row: Row) -> Row:
    """The row's primary key; empty where the table has none."""
    return tuple(row[table.columns.index(column)] for column in table.key)


def complete(stored: Stored, columns: Sequence[str], values: Sequence[Sequence[Any]]) -> list[Row]:
    """Rows of all columns from rows of some. Raises Refusal for a NULL where none may be."""
    places = [columns.index(c.name) if c.name in columns else None for c in stored.table.columns]
    rows = []
    for index, given in enumerate(values):
        stored.inserts += 1
        row = tuple(None if place is None else given[place] for place in places)
        numbered = tuple(_filled(c, v, stored.inserts) for c, v in zip(stored.table.columns, row, strict=True))
        for column, value in zip(stored.table.columns, numbered, strict=True):
            if value is None and not column.nullable:
                raise Refusal(Kind.constraint, f"Column {column.name} of {stored.table.name} may not be NULL.", index)
        rows.append(numbered)
    return rows


def _filled(column: Column, value: Any, number: int) -> Any:
    """An integer key with a default counts up; any other default is NULL."""
    return number if value is None and column.key and column.has_default and column.type is Type.integer else value
