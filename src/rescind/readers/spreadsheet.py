"""XLSX and ODS: one sheet, whose first used row names the columns.

The library holds a sheet as a whole, so there is a limit (see `workbook_scan`), and above it the file is refused before
it is opened. Cells have types: a text is never a number or a date, whatever it looks like. The value that a formula had
when the file was saved counts; an error is a reject. An empty cell is NULL, and so is one with an empty text: a person
cannot see the difference. Rows without any value are no records.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from rescind.domain.rejects import Reason
from rescind.domain.schema import Column, Type
from rescind.errors import InvalidHeader, InvalidInput
from rescind.pipeline import Check, in_a_thread
from rescind.readers import ods_scan, xlsx_scan
from rescind.readers.casts import Failure, by_reason
from rescind.readers.fitting import Given, fit
from rescind.readers.header import check_names
from rescind.readers.options import Format
from rescind.readers.piecewise import PiecewiseReader
from rescind.readers.reader import InputField, Rows, Source
from rescind.readers.workbook_scan import Archive

Cell = float | str | bool | date | datetime | time | timedelta | int

_PIECE_ROWS = 5_000
_LOOKS = {Format.xlsx: xlsx_scan.look, Format.ods: ods_scan.look}
_PANIC = "PanicException"
_EXACT_INTEGER = 2**53
_MIDNIGHT = " 00:00:00"
#: From the narrowest on: which types of cells a column of that type can hold.
_TYPES: tuple[tuple[Type, tuple[type, ...]], ...] = (
    (Type.boolean, (bool,)),
    (Type.integer, (int,)),
    (Type.real, (int, float)),
    (Type.date, (date,)),
    (Type.timestamp, (date, datetime)),
    (Type.time, (time,)),
)


class Lines(NamedTuple):
    """Rows of a sheet that have a value, with their numbers in the sheet, from 0."""

    cells: list[list[Cell]]
    rows: list[int]


class SpreadsheetReader(PiecewiseReader[Lines]):
    """One sheet of a workbook.

    With `check` the workbook is opened for its header. Where an answer is waited for it is not, since that takes
    seconds and much memory: the header is empty then, and not whole. Raises InvalidInput, InvalidHeader.
    """

    def __init__(self, source: Source, format_: Format, check: Check | None) -> None:
        super().__init__()
        self._source = source
        archive = Archive(source.path)
        self.header: tuple[str, ...] = ()
        self.header_is_whole = check is not None
        if check is not None:
            archive.require_true_sizes(check)
            self._name, self._extent = _LOOKS[format_](archive, source.options.sheet, check)
            self.header = self._names(check)
            check_names(self.header)

    def infer(self, check: Check) -> tuple[Column, ...]:
        """See Reader. The types of the cells tell."""
        self._rows_read = self._bytes_read = 0
        seen: list[set[type]] = [set() for _ in self.header]
        for piece in self._pieces(self.header, check):
            self._rows_read += len(piece.rows)
            for kinds, cells in zip(seen, zip(*piece.cells, strict=True), strict=True):
                kinds.update(map(_kind, cells))
        return tuple(Column(name, _type(kinds), "") for name, kinds in zip(self.header, seen, strict=True))

    def _fit(self, piece: Lines, fields: Sequence[InputField], keep: int | None) -> tuple[int, Rows]:
        columns = list(zip(*piece.cells, strict=True))
        given = []
        for name, column in fields:
            place = self.header.index(name)
            texts = pa.array([_text(cell, column.type) for cell in columns[place]], pa.string())
            given.append(Given(column, texts, self._errors(piece.rows, place)))
        return len(piece.rows), fit(given, np.arange(len(piece.rows)) + 1, keep)

    def _pieces(self, names: Sequence[str], check: Check) -> Iterator[Lines]:
        size = self._source.path.stat().st_size
        sheet = self._sheet(check)
        first = sheet.start[0] if sheet.start else 0
        rows = islice(enumerate(sheet.iter_rows()), first + self._source.options.header, None)
        errors = self._extent.errors
        while piece := list(islice(rows, _PIECE_ROWS)):
            used = [(number, row) for number, row in piece if number in errors or any(cell != "" for cell in row)]
            if used:
                yield Lines([row for _, row in used], [number for number, _ in used])
            check()
            self._bytes_read = size * piece[-1][0] // max(sheet.total_height, 1)
        self._bytes_read = size

    def _errors(self, rows: list[int], place: int) -> tuple[Failure, ...]:
        """The cells of one column that show an error, which come as empty ones."""
        column = place + (self._extent.columns or (0, 0))[0]
        found = [(index, self._extent.errors.get(row, {}).get(column)) for index, row in enumerate(rows)]
        return by_reason({row: Reason.sheet_error.format(error=error) for row, error in found if error is not None})

    def _names(self, check: Check) -> tuple[str, ...]:
        sheet = self._sheet(check)
        first = sheet.start[0] if sheet.start else 0
        top = next(islice(sheet.iter_rows(), first, None), [])
        if not top:
            raise InvalidHeader(f"The sheet {self._name!r} is empty.")
        if not self._source.options.header:
            return tuple(f"column{place}" for place in range(1, len(top) + 1))
        return tuple(_text(cell, Type.text) or "" for cell in top)

    def _sheet(self, check: Check) -> CalamineSheet:
        """The sheet, which is known to be small enough. It is held when this returns: nothing is open."""
        return in_a_thread(self._read, check)

    def _read(self) -> CalamineSheet:
        """Takes seconds."""
        try:
            with closing(CalamineWorkbook.from_path(self._source.path)) as workbook:
                return workbook.get_sheet_by_name(self._name)
        except CalamineError as error:
            raise InvalidInput(f"The workbook cannot be read: {error}.") from error
        except BaseException as error:
            if type(error).__name__ != _PANIC:  # of the library's, which is not written in Python
                raise
            raise InvalidInput("The workbook cannot be read: it is damaged.") from error


def _text(cell: Cell, type_: Type) -> str | None:
    """The cell as a field of a CSV file for a column of that type would have it; None for an empty one."""
    match cell:
        case "":
            return None
        case bool():
            return "true" if cell else "false"
        case float():
            return str(int(cell)) if cell.is_integer() else f"{Decimal(repr(cell)):f}"
        case datetime():
            midnight = cell.time() == time()
            return cell.date().isoformat() if midnight and type_ is Type.date else cell.isoformat(" ")
        case date():
            return cell.isoformat() + (_MIDNIGHT if type_ in (Type.timestamp, Type.timestamptz) else "")
        case time():
            return cell.isoformat()
        case timedelta():
            return _duration(cell)
        case _:
            return str(cell)


def _duration(span: timedelta) -> str:
    """Hours, minutes and seconds; less than a day is a time of it."""
    minutes, seconds = divmod(span.total_seconds(), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02.0f}:{minutes:02.0f}:{seconds:09.6f}"


def _kind(cell: Cell) -> type:
    if cell == "" and isinstance(cell, str):
        return type(None)
    if isinstance(cell, float) and cell.is_integer() and abs(cell) <= _EXACT_INTEGER:
        return int
    return type(cell)


def _type(kinds: set[type]) -> Type:
    """The narrowest type that holds cells of all those types; text if there is none."""
    used = kinds - {type(None)}
    return next((type_ for type_, held in _TYPES if used and used <= set(held)), Type.text)
