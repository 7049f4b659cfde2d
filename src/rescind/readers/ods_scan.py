"""The extents of the sheets of an ODS workbook (OpenDocument 1.3, part 3, §9): its reader holds all of them."""

from __future__ import annotations

from rescind.errors import InvalidInput
from rescind.pipeline import Check
from rescind.readers.workbook_scan import MAX_CELLS, Archive, Attributes, Extent, Handler, Sheet, choose, local

_CONTENT = "content.xml"
_TABLE = "urn:oasis:names:tc:opendocument:xmlns:table:1.0"
_OFFICE = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
_CALC = "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"
_CELLS = ("table-cell", "covered-table-cell")


def look(archive: Archive, wanted: str | None, check: Check) -> Sheet:
    """The sheet of that name, or the first. Raises InvalidInput where all together take more memory than the limits."""
    tables = _Tables()
    archive.scan(_CONTENT, tables, check)
    name = choose(wanted, tables.found)
    total = sum(extent.cells for extent in tables.found.values())
    if total > MAX_CELLS:
        raise InvalidInput(
            f"The workbook's sheets have {total} cells, more than the limit of {MAX_CELLS}: save it as CSV."
        )
    return Sheet(name, tables.found[name])


class _Tables(Handler):
    def __init__(self) -> None:
        self.found: dict[str, Extent] = {}
        self._extent = Extent()
        self._row = self._column = 0
        self._rows = self._columns = 1
        self._text = ""
        self._in_cell = self._used = self._error = False

    def start(self, name: str, attributes: Attributes) -> None:
        name = local(name)
        if name == "table":
            self._extent = self.found.setdefault(attributes.get(f"{_TABLE} name", ""), Extent())
            self._row = 0
        elif name == "table-row":
            self._rows, self._column = _times(attributes, f"{_TABLE} number-rows-repeated"), 0
        elif name in _CELLS:
            self._columns = _times(attributes, f"{_TABLE} number-columns-repeated")
            self._in_cell, self._text = True, ""
            self._used = f"{_OFFICE} value-type" in attributes
            self._error = attributes.get(f"{_CALC} value-type") == "error"

    def text(self, data: str) -> None:
        if self._in_cell:
            self._text += data

    def end(self, name: str) -> None:
        name = local(name)
        if name == "table-row":
            self._row += self._rows
        elif name in _CELLS:
            if self._used or self._text.strip():
                self._add()
            self._column += self._columns
            self._in_cell = False

    def _add(self) -> None:
        last_row, last_column = self._row + self._rows - 1, self._column + self._columns - 1
        size = len(self._text.encode()) * self._rows * self._columns
        self._extent.add(self._row, self._column, last_row, last_column, size)
        if self._error:
            for row in range(self._row, last_row + 1):
                for column in range(self._column, last_column + 1):
                    self._extent.errors.setdefault(row, {})[column] = self._text


def _times(attributes: Attributes, name: str) -> int:
    number = attributes.get(name, "1")
    if not number.isdecimal() or len(number) > 9:
        raise InvalidInput(f"The workbook repeats a row or a cell {number!r} times: it is damaged.")
    return int(number)
