"""Tables and columns, as far as loading rows needs to know them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Type(StrEnum):
    """What a column's values are; the word in the API too."""

    integer = "integer"  #: 64 bits, signed
    real = "real"  #: IEEE double
    decimal = "decimal"  #: exact; travels as text
    boolean = "boolean"
    date = "date"
    timestamp = "timestamp"  #: without a zone, microseconds
    text = "text"
    binary = "binary"


@dataclass(frozen=True)
class Column:
    """One column. `declared` is the database's own spelling of the type."""

    name: str
    type: Type
    declared: str
    nullable: bool = True
    has_default: bool = False  #: a default, identity or rowid alias: may be absent from the input
    generated: bool = False  #: computed by the database: must be absent from the input
    key: int = 0  #: position in the primary key, from 1; 0 if it is not part of it

    @property
    def optional(self) -> bool:
        """Whether the input may lack it."""
        return self.has_default or self.generated


@dataclass(frozen=True)
class Table:
    """A table of a target, or one to be made."""

    name: str
    columns: tuple[Column, ...]

    @property
    def key(self) -> tuple[Column, ...]:
        """The primary key's columns in their order; empty if there is none."""
        return tuple(sorted((c for c in self.columns if c.key), key=lambda c: c.key))

    def column(self, name: str) -> Column | None:
        return next((c for c in self.columns if c.name == name), None)


HIDDEN_PREFIXES = ("rescind_", "sqlite_")


def hidden(table: str) -> bool:
    """Whether a table is Rescind's own or the database's, which no caller may see, make or touch."""
    return table.lower().startswith(HIDDEN_PREFIXES)
