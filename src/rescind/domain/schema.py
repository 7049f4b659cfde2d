"""Tables and columns, as far as loading rows needs to know them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from rescind.errors import InvalidArguments, UnknownColumn, UnknownTable


class Type(StrEnum):
    """What a column's values are; the word in the API too."""

    integer = "integer"  #: 64 bits, signed
    unsigned = "unsigned"  #: 64 bits, from 0
    real = "real"  #: IEEE double
    decimal = "decimal"  #: exact; travels as text
    boolean = "boolean"
    date = "date"
    time = "time"  #: of a day, without a zone, microseconds
    timestamp = "timestamp"  #: without a zone, microseconds
    timestamptz = "timestamptz"  #: an instant, microseconds; without an offset in the input it is UTC
    text = "text"
    binary = "binary"
    json = "json"  #: travels as text
    uuid = "uuid"  #: travels as text, lower case with hyphens


#: 0001-01-01 and 9999-12-31 in days since 1970, and their first and last microsecond: the years that Python and most
#: databases have.
CALENDAR_DAYS = (-719_162, 2_932_896)
CALENDAR_MICROSECONDS = (CALENDAR_DAYS[0] * 86_400_000_000, (CALENDAR_DAYS[1] + 1) * 86_400_000_000 - 1)


@dataclass(frozen=True)
class Limits:
    """What a column cannot hold although it is of its type. None: no limit but the type's own."""

    low: int | None = None  #: least integer; of a date or timestamp in days or microseconds since 1970
    high: int | None = None  #: greatest
    precision: int | None = None  #: digits of a decimal in all
    #: Of them after the point; of a time, digits of its seconds' fraction: a value with more is refused, never rounded.
    scale: int | None = None
    characters: int | None = None  #: longest text
    bytes: int | None = None  #: longest text in UTF-8, or longest binary
    values: tuple[str, ...] | None = None  #: an enumeration's labels
    codec: str | None = None  #: Python's name of the only encoding that text must be representable in
    nul: bool = True  #: text may hold U+0000
    #: A decimal is kept as an integer of 64 bits or a double, and so is text or JSON that looks like a number, as in
    #: SQLite's NUMERIC: what would come out another is refused.
    number: bool = False
    single: bool = False  #: a real of 32 bits
    finite: bool = False  #: NaN and the infinities are not among a real's values


@dataclass(frozen=True)
class Column:
    """One column. `declared` is the database's own spelling of the type."""

    name: str
    type: Type
    declared: str
    nullable: bool = True  #: NULL may be written: it is stored, or stands for the next number of an identity
    has_default: bool = False  #: a default, identity or rowid alias: may be absent from the input
    generated: bool = False  #: computed by the database: must be absent from the input
    key: int = 0  #: position in the primary key, from 1; 0 if it is not part of it
    limits: Limits = Limits()

    @property
    def optional(self) -> bool:
        """Whether the input may lack it: the database has a value for it, or NULL is one."""
        return self.has_default or self.generated or self.nullable


@dataclass(frozen=True)
class Table:
    """A table of a target, or one to be made."""

    name: str
    columns: tuple[Column, ...]
    #: Names of the columns by which the database finds at most one row, the primary key's first. Without those that it
    #: enforces for some rows only, for parts or expressions of values, or at the commit. Empty for a table to be made.
    unique: tuple[tuple[str, ...], ...] = ()
    #: Names of the columns of each further index that a table to be made gets. Not told of a table that is there.
    indexes: tuple[tuple[str, ...], ...] = ()

    @property
    def key(self) -> tuple[Column, ...]:
        """The primary key's columns in their order; empty if there is none."""
        return tuple(sorted((c for c in self.columns if c.key), key=lambda c: c.key))

    def only(self, names: Sequence[str] | None) -> Table:
        """The same table with those of its columns, in their order; None: with all. Raises UnknownColumn."""
        if names is None:
            return self
        known = {column.name: column for column in self.columns}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise UnknownColumn(f"Table {self.name} has no column {', '.join(map(repr, unknown))}.")
        shown = tuple(names)
        return replace(
            self,
            columns=tuple(known[name] for name in shown),
            unique=tuple(key for key in self.unique if set(key) <= set(shown)),
        )

    def has_key(self, names: Sequence[str]) -> bool:
        """Whether those columns, in any order, are the primary key or another by which rows can be found."""
        keys = ({column.name for column in self.key}, *map(set, self.unique))
        return bool(names) and len(set(names)) == len(names) and set(names) in keys

    @property
    def identity(self) -> Column | None:
        """The column whose values the database makes: an integer with a default that is the key alone."""
        found = self.key[0] if len(self.key) == 1 else None
        return found if found and found.has_default and found.type is Type.integer else None

    def column(self, name: str) -> Column | None:
        return next((c for c in self.columns if c.name == name), None)


#: What to do about a name with a dot, where there is no table of that name.
NO_SCHEMAS = (
    "A table is named without its schema: those of another schema or database are reached by a target of their own "
    "(docs/loading.md)."
)


def no_table(name: str, where: str = "") -> UnknownTable:
    """The error for a table that is not there."""
    return UnknownTable(f"There is no table {name!r}{where}." + (f" {NO_SCHEMAS}" if "." in name else ""))


def expect_plain(table: str) -> None:
    """Raise InvalidArguments for a new table whose name reads like one of another schema.

    Databases take `sales.people` for a table's whole name where it is quoted, and nobody who writes it means that.
    """
    if "." in table:
        raise InvalidArguments(f"A new table cannot be called {table!r}. {NO_SCHEMAS}")


HIDDEN_PREFIXES = ("rescind_", "sqlite_")


def hidden(table: str) -> bool:
    """Whether a table is Rescind's own or the database's, which no caller may see, make or touch."""
    return table.lower().startswith(HIDDEN_PREFIXES)
