"""`load`: the rows of an upload into a table, all or none."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from sqlalchemy import func, select
from sqlalchemy import table as sql_table

from rescind import failpoints
from rescind.domain.receipt import REJECTS
from rescind.domain.rejects import Reason, Reject
from rescind.domain.schema import Table, no_table
from rescind.errors import (
    ConstraintViolated,
    InvalidArguments,
    RowsRejected,
    TargetRefused,
    UnknownColumn,
    UnknownTable,
)
from rescind.readers.options import NOTHING_SAID, Options
from rescind.readers.reader import InputField, Reader, Rows
from rescind.targets import keys
from rescind.tasks import rejecting
from rescind.tasks.matching import AS_NAMED, Indexes, Names, Naming, agreed, columns_of_fields, match, new_table
from rescind.tasks.rejecting import MostRejects, Rejects, all_or_none, without_rejects
from rescind.tasks.transaction import Transaction
from rescind.tasks.transactional import AUTO, Spread, UploadId, Writers, transactional
from rescind.tasks.writing import Refused, encoded_ahead

MOST_WRITERS = 16
ONE_WRITER = Writers(1)
WRITERS = (
    "Over how many branches of each target the rows are split; all of them commit, or none does. auto: over two where "
    "that is known to pay, else one; the task's arguments tell which."
)


def in_one_message(value: object, read: ValidatorFunctionWrapHandler) -> object:
    """Of a union each way of reading the value would have its own, named after itself and not the parameter."""
    try:
        return read(value)
    except ValidationError:
        raise ValueError(f"a whole number from 1 to {MOST_WRITERS}, or {AUTO}, is expected") from None


HowManyWriters = Annotated[
    Annotated[Writers, Field(ge=1, le=MOST_WRITERS)] | Literal["auto"], WrapValidator(in_one_message)
]

#: What becomes of the rows that the table has. replace: they are deleted in the same transaction; whoever reads sees
#: them until the commit, and keeps them without one. upsert: those whose key a row of the file has get its values.
Mode = Literal["append", "replace", "upsert"]
#: What becomes of a load with rows that do not fit.
OnError = Literal["abort", "skip"]


class How(BaseModel):
    """How rows are put into the table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    create: bool = Field(False, description="Make the table if it is missing, with types inferred from the file.")
    count: bool = Field(False, description="Put the table's row count before and after into the receipt.")
    mode: Mode = Field(
        "append",
        description="replace: delete the rows that the table has, in the same transaction. upsert: of a row whose key "
        "the table has, replace the values; insert any other. Of rows of one key the last in the file stands.",
    )
    key: Names | None = Field(
        None,
        description="Of mode=upsert: the columns by which rows are found, a primary key or unique index. With "
        "create=true a table that is made gets them as its primary key.",
    )
    index: Indexes | None = Field(
        None,
        description="Of a table that is made (create=true): the columns of an index, and so on for each index. A table "
        "that is there keeps those that it has.",
    )
    on_error: OnError = Field(
        "abort", description="skip: leave out the rows that do not fit, and keep them all for download."
    )
    max_rejects: MostRejects | None = Field(
        None, description="With on_error=skip, how many rows may be left out: a number, or with % a part of all."
    )


USUAL = How()


@transactional(name="load", anywhere=True)
def load(
    tx: Transaction,
    table: Annotated[str, Field(max_length=255, pattern=r"\S")],
    upload: UploadId,
    how: Annotated[How, Spread] = USUAL,
    writers: HowManyWriters = ONE_WRITER,
    reading: Annotated[Options, Spread] = NOTHING_SAID,
    said: Annotated[Naming, Spread] = AS_NAMED,
) -> dict[str, str]:
    """Put the rows of an uploaded file into a table; a bad row takes all back, unless bad rows are to be left out.

    `writers` splits the rows over so many branches; `auto` does where that is known to pay. With several targets each
    gets all rows.
    """
    check(how, writers, tx.targets)
    with tx.upload(upload, reading) as reader:
        tx.progress(phase="checking")
        found = columns_of_fields(reader.header, said, named=reading.header)
        tables, missing = _tables(tx, reader, table, found, how)
        matched = agreed({target: match(found, into) for target, into in tables.items()})
        failpoints.hit("load.checked")
        for into in tables.values():
            check_key(into, matched, how)
        for target in missing:
            expect_seen(writers, inside=tx.makes_inside(target))
        for target, into in tables.items():
            _begin(tx, target, into, how, is_new=target in missing)
        tx.progress(phase="writing")
        with _given(tx, reader, matched, how) as given:
            _write(tx, reader, tables, given, how)
        for target in missing:
            tx.create_indexes(tables[target], target)
        for target in tables:
            _end(tx, target, table, how, is_new=target in missing)
    return {"table": table}


def check_key(table: Table, matched: Sequence[InputField], how: How) -> None:
    """Raises InvalidArguments where rows of the table cannot be found by the key."""
    if how.mode != "upsert" or not how.key:
        return
    try:
        keys.check(table, [field.column.name for field in matched], how.key)
    except (UnknownColumn, TargetRefused) as error:
        raise InvalidArguments.of("key", str(error).rstrip(".")) from error


def check(how: How, writers: int | str, targets: Sequence[str]) -> None:
    """Raises InvalidArguments for what excludes each other."""
    if how.max_rejects is not None and how.on_error == "abort":
        raise InvalidArguments.of("max_rejects", "is for on_error=skip only")
    if how.on_error == "skip" and len(targets) > 1:
        raise InvalidArguments.of(
            "on_error", "cannot be skip with several targets: a row might fit into one of them only"
        )
    if how.mode != "append" and writers not in (1, AUTO):
        raise InvalidArguments.of(
            "writers", f"cannot be more than 1 with mode={how.mode}: its branches would wait for each other"
        )
    if how.mode == "upsert" and not how.key:
        raise InvalidArguments.of("key", "names the columns by which mode=upsert finds rows")
    if how.key and how.mode != "upsert" and not how.create:
        raise InvalidArguments.of("key", "is for mode=upsert, and for a table to be made (create=true)")
    _check_indexes(how)


def expect_seen(writers: int | str, *, inside: bool) -> None:
    """Raises InvalidArguments where the other branches would look for a table in vain that the first one makes."""
    if inside and writers not in (1, AUTO):
        raise InvalidArguments.of(
            "writers", "cannot be more than 1 for a table to be made: only the branch that makes it sees it"
        )


def _check_indexes(how: How) -> None:
    if how.index and not how.create:
        raise InvalidArguments.of("index", "is for a table to be made (create=true)")
    indexes = how.index or ()
    for columns in indexes:
        listed = f"({', '.join(columns)})"
        if indexes.count(columns) > 1:
            raise InvalidArguments.of("index", f"{listed} is there twice")
        if len(set(columns)) < len(columns):
            raise InvalidArguments.of("index", f"a column is twice in {listed}")


@dataclass(frozen=True)
class _Given:
    """Rows to be written, and what becomes of one that the database refuses."""

    fields: Sequence[InputField]
    rows: Iterator[Rows]
    refused: Refused | None = None


@contextmanager
def _given(tx: Transaction, reader: Reader, matched: Sequence[InputField], how: How) -> Iterator[_Given]:
    if how.on_error == "abort":
        yield _Given(matched, all_or_none(reader, matched, tx.check))
        tx.rows_read(reader.rows_read)
        return
    with tx.output(REJECTS, filename=rejecting.FILE_NAME, media_type=rejecting.MEDIA_TYPE) as file:
        rejects = Rejects(file, how.max_rejects)
        yield _Given(
            matched,
            without_rejects(reader, matched, rejects, tx.check),
            lambda record, error: rejects.add(_reject(record, error)),
        )
        rejects.finish(reader.rows_read)
    tx.rows_read(reader.rows_read, rejected=rejects.total)


def _write(tx: Transaction, reader: Reader, tables: Mapping[str, Table], given: _Given, how: How) -> None:
    columns = [field.column.name for field in given.fields]
    key = how.key or () if how.mode == "upsert" else ()
    with ExitStack() as stack:
        writing = [
            stack.enter_context(tx.writer(table, columns, target, key, given.refused))
            for target, table in tables.items()
        ]
        try:
            ahead = stack.enter_context(closing(encoded_ahead(given.rows, writing, tx.check)))
            for rows, encoded in ahead:
                for writer, form in zip(writing, encoded, strict=True):
                    writer.put(rows, form)
                tx.progress(bytes=reader.bytes_read)
            for writer in writing:
                writer.close()
        except ConstraintViolated as error:
            raise _rejected(error) from error


def _tables(
    tx: Transaction, reader: Reader, name: str, found: Mapping[str, str], how: How
) -> tuple[dict[str, Table], Collection[str]]:
    """The table in each target, and the targets in which it is yet to be made. Raises UnknownTable."""
    tables, missing = {}, []
    for target in tx.targets:
        try:
            tables[target] = tx.table(name, target)
        except UnknownTable as error:
            if not how.create:
                raise missing_table(name, target, tx.targets) from error
            missing.append(target)
    if missing:
        new = new_table(name, reader.infer(tx.check), found, how.key or (), how.index or ())
        tables |= dict.fromkeys(missing, new)
    return {target: tables[target] for target in tx.targets}, missing


def missing_table(name: str, target: str, targets: Collection[str]) -> UnknownTable:
    """The error for a table that is not there and is not to be made, with the target where there are several."""
    return no_table(name, f" in target {target}" if len(targets) > 1 else "")


def _begin(tx: Transaction, target: str, table: Table, how: How, *, is_new: bool) -> None:
    """Make the table or empty it, and count what it has, which is free then."""
    if is_new:
        tx.create_table(table, target)
        before = 0
    elif how.mode == "replace":
        before = tx.clear_table(table.name, target)
    elif how.count:
        before = _count(tx, table.name, target)
    else:
        return
    tx.counted("before", before, target)


def _end(tx: Transaction, target: str, table: str, how: How, *, is_new: bool) -> None:
    if how.count:
        tx.counted("after", _count(tx, table, target) + tx.written_beside(target), target)
    elif how.mode == "replace" or (is_new and how.mode == "append"):
        tx.counted("after", tx.written(target), target)


def _rejected(error: ConstraintViolated) -> Exception:
    """The constraint's message with the record it is about."""
    if error.row is None:
        return error
    reject = _reject(error.row + 1, error)
    return RowsRejected(f"Nothing was loaded: {reject}.", [reject], 1)


def _reject(record: int, error: ConstraintViolated) -> Reject:
    return Reject(record, None, None, Reason.constraint.format(message=str(error).rstrip(".")))


def _count(tx: Transaction, table: str, target: str) -> int:
    return int(tx.connection(target).execute(select(func.count()).select_from(sql_table(table))).scalar_one())
