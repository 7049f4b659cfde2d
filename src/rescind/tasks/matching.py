"""Which field of a file goes into which column of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from rescind.domain.schema import Column, Table
from rescind.errors import InvalidArguments, MissingColumn, UnknownColumn
from rescind.readers.reader import InputField

MOST_NAMES = 10_000
MOST_INDEXES = 64  #: of a table: MySQL has no more
SEPARATOR = ":"


def _listed(value: object) -> object:
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else value


#: A list, or in a query string and on the command line its members separated by commas.
Names = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=1_000)], ...],
    BeforeValidator(_listed),
    Field(max_length=MOST_NAMES, strict=False),
]


def _several(value: object) -> object:
    return [value] if isinstance(value, str) else value


#: A list of such lists, none of them empty; one alone may stand without a list around it.
Indexes = Annotated[
    tuple[Annotated[Names, Field(min_length=1)], ...],
    BeforeValidator(_several),
    Field(min_length=1, max_length=MOST_INDEXES, strict=False),
]


class Naming(BaseModel):
    """What is said of the names in a file: which column each field is for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: Names | None = Field(
        None,
        description="Of a file with a header: `field:column` for each field whose column has another name. Of one "
        "without: the columns' names in the order of the fields.",
    )
    ignore: Names | None = Field(
        None, description="Fields of the file that the table need not have; they are left out."
    )


AS_NAMED = Naming()


def columns_of_fields(header: Sequence[str], said: Naming, *, named: bool) -> dict[str, str]:
    """The column's name for each field that is not ignored, in the file's order. `named`: the file has a header.

    Raises InvalidArguments for a field that the file lacks, UnknownColumn where two fields are for one column.
    """
    ignored = set(said.ignore or ())
    _expect_fields(ignored, header, "ignore")
    kept = [name for name in header if name not in ignored]
    if named:
        renamed = _renamed(said.columns or (), header)
        found = {name: renamed.get(name, name) for name in kept}
    else:
        found = _by_position(said.columns, kept)
    doubled = [column for column, times in Counter(found.values()).items() if times > 1]
    if doubled:
        raise UnknownColumn(f"Two fields of the file are for column {doubled[0]!r}.")
    return found


def match(found: Mapping[str, str], table: Table) -> tuple[InputField, ...]:
    """The fields with the table's columns, in the file's order.

    Columns that may be NULL, and those with an identity, a default or a generated value, may be absent. Raises
    UnknownColumn for a name that the table lacks or computes itself, MissingColumn for any other column that is
    absent.
    """
    extra = [field for field, column in found.items() if table.column(column) is None]
    if extra:
        raise UnknownColumn(_no_column(table, found, extra))
    matched = tuple(InputField(f, c) for f, name in found.items() if (c := table.column(name)) is not None)
    computed = [column.name for _, column in matched if column.generated]
    if computed:
        raise UnknownColumn(f"Column {computed[0]!r} of table {table.name} is computed by the database.")
    names = set(found.values())
    missing = [column.name for column in table.columns if not column.optional and column.name not in names]
    if missing:
        listed = ", ".join(map(repr, missing))
        raise MissingColumn(f"The file lacks {'column' if len(missing) == 1 else 'columns'} {listed} of {table.name}.")
    return matched


def agreed(matched: Mapping[str, tuple[InputField, ...]]) -> tuple[InputField, ...]:
    """The fields by which the file is read for all targets. Raises InvalidArguments where their types differ.

    A value that one of the targets cannot hold, though it is of the type, is refused by that target's writer.
    """
    (first, wanted), *others = matched.items()
    for other, theirs in others:
        for mine, their in zip(wanted, theirs, strict=True):
            if mine.column.type is not their.column.type:
                raise InvalidArguments(
                    f"Column {mine.column.name!r} is {mine.column.type} in target {first}, but {their.column.type} in "
                    f"target {other}: the same rows cannot be read for both."
                )
    return wanted


def new_table(
    name: str,
    columns: Sequence[Column],
    found: Mapping[str, str],
    key: Sequence[str] = (),
    indexes: Sequence[tuple[str, ...]] = (),
) -> Table:
    """A table for the columns, which are called as the file's fields, without those that are ignored.

    Raises InvalidArguments for a key or index of others.
    """
    kept = [replace(column, name=found[column.name]) for column in columns if column.name in found]
    expect_columns([column.name for column in kept], key, indexes)
    places = {column: place for place, column in enumerate(key, 1)}
    columns = tuple(
        replace(column, key=places[column.name], nullable=False) if column.name in places else column for column in kept
    )
    return Table(name, columns, (tuple(key),) if key else (), tuple(indexes))


def expect_columns(names: Collection[str], key: Sequence[str], indexes: Sequence[Sequence[str]]) -> None:
    """Raise InvalidArguments for a key or index of columns that the table to be made would not have."""
    for parameter, wanted in [("key", key), *(("index", columns) for columns in indexes)]:
        absent = [column for column in wanted if column not in names]
        if absent:
            raise InvalidArguments.of(parameter, f"the table to be made has no column {absent[0]!r}")


def _renamed(columns: Sequence[str], header: Sequence[str]) -> dict[str, str]:
    pairs = [_pair(entry, header) for entry in columns]
    _expect_fields({field for field, _ in pairs}, header, "columns")
    return dict(pairs)


def _pair(entry: str, header: Sequence[str]) -> tuple[str, str]:
    """`field:column`; the colon meant is the first behind a field of the file. An entry without one names both."""
    at = entry.find(SEPARATOR)
    while at >= 0:
        if entry[:at] in header:
            return entry[:at], entry[at + 1 :]
        at = entry.find(SEPARATOR, at + 1)
    field, _, column = entry.partition(SEPARATOR)
    return (entry, entry) if entry in header else (field, column or field)


def _by_position(columns: Sequence[str] | None, kept: Sequence[str]) -> dict[str, str]:
    if columns is None:
        return {name: name for name in kept}
    if len(columns) != len(kept):
        raise InvalidArguments.of(
            "columns", f"names {len(columns)} columns, and the file has {len(kept)} fields that are not ignored"
        )
    return dict(zip(kept, columns, strict=True))


def _expect_fields(names: set[str], header: Sequence[str], parameter: str) -> None:
    unknown = sorted(names - set(header))
    if unknown:
        has = ", ".join(map(repr, header[:20])) + (", …" if len(header) > 20 else "")
        raise InvalidArguments.of(parameter, f"the file has no field {unknown[0]!r}; it has {has}")


def _no_column(table: Table, found: Mapping[str, str], extra: Sequence[str]) -> str:
    """What the table lacks, and whether the letters' case is all that differs."""
    text = f"Table {table.name} has no column {', '.join(repr(found[field]) for field in extra)}."
    alike = [c.name for c in table.columns if c.name.lower() == found[extra[0]].lower()]
    return f"{text[:-1]}; it has {alike[0]!r}, and names are compared exactly." if alike else text
