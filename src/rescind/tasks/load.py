"""`load`: the rows of an upload into a table, all or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Annotated

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy import table as sql_table

from rescind.domain.rejects import Reason, Reject
from rescind.domain.schema import Column, Table
from rescind.errors import (
    ConstraintViolated,
    InvalidArguments,
    MissingColumn,
    RowsRejected,
    UnknownColumn,
    UnknownTable,
)
from rescind.readers.policy import all_or_none
from rescind.readers.reader import InputField, Reader
from rescind.tasks.transactional import Transaction, UploadId, Writers, transactional
from rescind.tasks.writing import TableWriter

MOST_WRITERS = 16
ONE_WRITER = Writers(1)


@transactional(name="load", anywhere=True)
def load(
    tx: Transaction,
    table: Annotated[str, Field(max_length=255, pattern=r"\S")],
    upload: UploadId,
    create: bool = False,
    count: bool = False,
    writers: Annotated[Writers, Field(ge=1, le=MOST_WRITERS)] = ONE_WRITER,
) -> dict[str, str]:
    """Append the rows of an uploaded file to a table; any bad row takes all back.

    `create` makes the table if it is missing, with types inferred from the whole file. `count` puts the
    table's row count before and after into the receipt. `writers` splits the rows over so many branches. With
    several targets each gets all rows.
    """
    with tx.upload(upload) as reader:
        tx.progress(phase="checking")
        known = {target: _known(tx, table, target) for target in tx.targets}
        missing = [target for target in tx.targets if known[target] is None]
        if missing and not create:
            raise UnknownTable(f"There is no table {table}{_in(tx, missing[0])}.")
        new = Table(table, reader.infer(tx.check)) if missing else None
        into = {target: found or new for target, found in known.items()}
        tables = {target: found for target, found in into.items() if found is not None}
        columns = agreed({target: match(reader.header, found) for target, found in tables.items()})
        for target in missing:
            tx.create_table(tables[target], target)
        for target in tx.targets:
            if target in missing or count:
                tx.counted("before", 0 if target in missing else _count(tx, table, target), target)
        tx.progress(phase="writing")
        with ExitStack() as stack:
            writing = [stack.enter_context(tx.writer(tables[name], reader.header, name)) for name in tx.targets]
            _copy(tx, reader, columns, writing)
        tx.rows_read(reader.rows_read)
        for target in tx.targets:
            if target in missing:
                tx.counted("after", reader.rows_read, target)
            elif count:
                tx.counted("after", _count(tx, table, target), target)
    return {"table": table}


def agreed(columns: Mapping[str, tuple[Column, ...]]) -> tuple[Column, ...]:
    """The columns by which the file is read for all targets. Raises InvalidArguments where their types differ.

    A value that one of the targets cannot hold, though it is of the type, is refused by that target's writer.
    """
    (first, wanted), *others = columns.items()
    for other, found in others:
        for mine, theirs in zip(wanted, found, strict=True):
            if mine.type is not theirs.type:
                raise InvalidArguments(
                    f"Column {mine.name!r} is {mine.type} in target {first}, but {theirs.type} in target {other}: "
                    "the same rows cannot be read for both."
                )
    return wanted


def match(header: Sequence[str], table: Table) -> tuple[Column, ...]:
    """The table's columns in the header's order.

    Columns with an identity, a default or a generated value may be absent. Raises UnknownColumn for a name
    that the table lacks or computes itself, MissingColumn for any other column that is absent.
    """
    extra = [name for name in header if table.column(name) is None]
    if extra:
        raise UnknownColumn(f"Table {table.name} has no column {', '.join(map(repr, extra))}.")
    found = tuple(column for name in header if (column := table.column(name)) is not None)
    computed = [column.name for column in found if column.generated]
    if computed:
        raise UnknownColumn(f"Column {computed[0]!r} of table {table.name} is computed by the database.")
    missing = [column.name for column in table.columns if not column.optional and column.name not in header]
    if missing:
        what = "column" if len(missing) == 1 else "columns"
        raise MissingColumn(f"The file lacks {what} {', '.join(map(repr, missing))} of table {table.name}.")
    return found


def _known(tx: Transaction, table: str, target: str) -> Table | None:
    try:
        return tx.table(table, target)
    except UnknownTable:
        return None


def _in(tx: Transaction, target: str) -> str:
    return f" in target {target}" if len(tx.targets) > 1 else ""


def _copy(tx: Transaction, reader: Reader, columns: Sequence[Column], writing: Sequence[TableWriter]) -> None:
    try:
        fields = [InputField(column.name, column) for column in columns]
        for rows in all_or_none(reader, fields, tx.check):
            for writer in writing:
                writer.write(rows.batch)
            tx.progress(bytes=reader.bytes_read)
        for writer in writing:
            writer.close()
    except ConstraintViolated as error:
        raise _rejected(error) from error


def _rejected(error: ConstraintViolated) -> Exception:
    """The constraint's message with the record it is about."""
    if error.row is None:
        return error
    reject = Reject(error.row + 1, None, None, Reason.constraint.format(message=str(error).rstrip(".")))
    return RowsRejected(f"Nothing was loaded: {reject}.", [reject], 1)


def _count(tx: Transaction, table: str, target: str) -> int:
    return int(tx.connection(target).execute(select(func.count()).select_from(sql_table(table))).scalar_one())
