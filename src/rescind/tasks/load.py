"""`load`: the rows of an upload into a table, all or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy import table as sql_table

from rescind.domain.rejects import Reason, Reject
from rescind.domain.schema import Column, Table
from rescind.errors import ConstraintViolated, InvalidHeader, MissingColumn, RowsRejected, UnknownColumn, UnknownTable
from rescind.readers.reader import Reader
from rescind.tasks.transactional import TableWriter, Transaction, UploadId, transactional

OTHER_DELIMITERS = ";\t|"  #: one of them in the only column's name tells of another kind of file


@transactional(name="load")
def load(
    tx: Transaction,
    table: Annotated[str, Field(max_length=255, pattern=r"\S")],
    upload: UploadId,
    create: bool = False,
    count: bool = False,
) -> dict[str, str]:
    """Append the rows of an uploaded file to a table; any bad row takes all back.

    `create` makes the table if it is missing, with types inferred from the whole file. `count` puts the
    table's row count before and after into the receipt.
    """
    with tx.upload(upload) as reader:
        tx.progress(phase="checking")
        known = _known(tx, table)
        if known is None and not create:
            raise UnknownTable(f"There is no table {table}.")
        into = known or Table(table, _inferred(reader, tx))
        columns = match(reader.header, into)
        if known is None:
            tx.create_table(into)
        if count and known is not None:
            tx.counted("before", _count(tx, table))
        tx.progress(phase="writing")
        with tx.writer(into, reader.header) as writer:
            _copy(tx, reader, columns, writer)
        tx.rows_read(reader.rows_read)
        if known is None:
            tx.counted("before", 0)
            tx.counted("after", reader.rows_read)
        elif count:
            tx.counted("after", _count(tx, table))
    return {"table": table}


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
        raise MissingColumn(f"The file lacks column {', '.join(map(repr, missing))} of table {table.name}.")
    return found


def _known(tx: Transaction, table: str) -> Table | None:
    try:
        return tx.table(table)
    except UnknownTable:
        return None


def _inferred(reader: Reader, tx: Transaction) -> tuple[Column, ...]:
    """The columns of a table to be made. Raises InvalidHeader for a file whose fields are not separated by commas."""
    only = reader.header[0]
    if len(reader.header) == 1 and (found := next((mark for mark in OTHER_DELIMITERS if mark in only), None)):
        raise InvalidHeader(f"The header has one column, {only!r}: fields are separated by commas, not by {found!r}.")
    return reader.infer(tx.check)


def _copy(tx: Transaction, reader: Reader, columns: Sequence[Column], writer: TableWriter) -> None:
    written = 0
    for batch in reader.batches(columns, tx.check):
        try:
            writer.write(batch)
        except ConstraintViolated as error:
            raise _rejected(error, written) from error
        written += batch.num_rows
        tx.progress(bytes=reader.bytes_read)


def _rejected(error: ConstraintViolated, written: int) -> Exception:
    """The constraint's message with the record it is about; until now every record had been written."""
    if error.row is None:
        return error
    record = written + error.row + 1
    reject = Reject(record, None, None, Reason.constraint.format(message=str(error).rstrip(".")))
    return RowsRejected(f"Nothing was loaded: {reject}.", [reject], 1)


def _count(tx: Transaction, table: str) -> int:
    return int(tx.connection().execute(select(func.count()).select_from(sql_table(table))).scalar_one())
