"""The extent of one sheet of an XLSX workbook (ECMA-376, part 1, §18)."""

from __future__ import annotations

import posixpath
from array import array
from functools import lru_cache

from rescind.errors import InvalidInput
from rescind.pipeline import Check
from rescind.readers.workbook_scan import (
    MAX_TEXT_BYTES,
    Archive,
    Attributes,
    Extent,
    Handler,
    Sheet,
    choose,
    local,
)

_WORKBOOK = "xl/workbook.xml"
_RELATIONS = "xl/_rels/workbook.xml.rels"
_ID = "http://schemas.openxmlformats.org/officeDocument/2006/relationships id"
_ID_STRICT = "http://purl.oclc.org/ooxml/officeDocument/relationships id"
_SHARED_STRINGS, _WORKSHEET = "/sharedStrings", "/worksheet"
_TYPES_WITH_TEXT = ("s", "str", "inlineStr", "e")
_MOST_OF_A_ROW = 16_384
_DIGITS = "0123456789"


def look(archive: Archive, wanted: str | None, check: Check) -> Sheet:
    """The sheet of that name, or the first. Raises InvalidInput where it takes more memory than the limits."""
    relations = _Relations()
    archive.scan(_RELATIONS, relations, check)
    sheets = _Sheets()
    archive.scan(_WORKBOOK, sheets, check)
    parts = {name: relations.found[id_] for name, id_ in sheets.found.items() if id_ in relations.found}
    name = choose(wanted, [name for name, (kind, _) in parts.items() if kind.endswith(_WORKSHEET)])
    strings = _SharedStrings()
    for kind, target in relations.found.values():
        if kind.endswith(_SHARED_STRINGS):
            archive.scan(_path(target), strings, check)
    cells = _Cells(strings.lengths)
    archive.scan(_path(parts[name][1]), cells, check)
    return Sheet(name, cells.extent)


def _path(target: str) -> str:
    return target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join("xl", target))


class _Relations(Handler):
    """Type and target by id."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[str, str]] = {}

    def start(self, name: str, attributes: Attributes) -> None:
        if local(name) == "Relationship":
            self.found[attributes.get("Id", "")] = (attributes.get("Type", ""), attributes.get("Target", ""))


class _Sheets(Handler):
    """Ids by name."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def start(self, name: str, attributes: Attributes) -> None:
        if local(name) == "sheet":
            if attributes.get("name", "") in self.found:
                raise InvalidInput("The workbook has two sheets of the same name: it is damaged.")
            self.found[attributes.get("name", "")] = attributes.get(_ID) or attributes.get(_ID_STRICT, "")


class _SharedStrings(Handler):
    """The length in bytes of each text that cells share."""

    def __init__(self) -> None:
        self.lengths = array("q")
        self._length = 0

    def start(self, name: str, attributes: Attributes) -> None:
        if local(name) == "si":
            self._length = 0

    def text(self, data: str) -> None:
        self._length += len(data.encode())

    def end(self, name: str) -> None:
        if local(name) == "si":
            self.lengths.append(self._length)
            if len(self.lengths) * 32 + self._length > MAX_TEXT_BYTES:
                raise InvalidInput(
                    f"The workbook has more than the limit of {MAX_TEXT_BYTES} bytes of text: save it as CSV."
                )


class _Cells(Handler):
    """The cells of a sheet. A cell without a value is not used, whatever it looks like."""

    def __init__(self, strings: array[int]) -> None:
        self.extent = Extent()
        self._strings = strings
        self._row = self._column = -1
        self._used: list[int] = []  #: columns of the row
        self._text_bytes = 0
        self._type = self._text = ""
        self._taken = False

    def start(self, name: str, attributes: Attributes) -> None:
        name = local(name)
        if name == "c":
            self._type = attributes.get("t", "n")
            self._place(attributes.get("r"))
        elif name in ("v", "is"):
            self._used.append(self._column)
            if len(self._used) > _MOST_OF_A_ROW:  # of a row that never ends
                self._add()
            self._taken, self._text = self._type in _TYPES_WITH_TEXT, ""
        elif name == "row":
            number = attributes.get("r", "")
            self._begin(int(number) - 1 if number.isdecimal() else self._row + 1)

    def text(self, data: str) -> None:
        if self._taken:
            self._text += data

    def end(self, name: str) -> None:
        name = local(name)
        if self._taken and name in ("v", "is"):
            self._taken = False
            self._take()
        elif name == "sheetData":
            self._begin(-1)

    def _begin(self, row: int) -> None:
        """Another row; what the one before takes is added."""
        self._add()
        self._row, self._column = row, -1

    def _add(self) -> None:
        if self._used:
            self.extent.add(self._row, min(self._used), self._row, max(self._used), self._text_bytes)
        self._used, self._text_bytes = [], 0

    def _take(self) -> None:
        if self._type == "s":
            number = int(self._text) if self._text.isdecimal() else -1
            if not 0 <= number < len(self._strings):
                raise InvalidInput(f"The sheet shows a text {self._text!r} that the workbook does not have.")
            self._text_bytes += self._strings[number]
        elif self._type == "e":
            self.extent.errors.setdefault(self._row, {})[self._column] = self._text
        else:
            self._text_bytes += len(self._text.encode())

    def _place(self, reference: str | None) -> None:
        if reference is None:
            self._column += 1
            return
        letters = reference.rstrip(_DIGITS)
        number = reference[len(letters) :]
        if not number or not letters.isascii() or not letters.isalpha():
            raise InvalidInput(f"The sheet has a cell {reference!r}, which is no place: it is damaged.")
        if (row := int(number) - 1) != self._row:
            self._begin(row)
        self._column = _column(letters)


@lru_cache(maxsize=20_000)
def _column(letters: str) -> int:
    number = 0
    for letter in letters.upper()[:8]:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
