"""What a workbook would take in memory, seen before anything opens it: it is a ZIP archive of XML, and both can lie.

The library that reads spreadsheets holds a whole sheet, from its first to its last used cell; one cell in the last row
and column makes a sheet of 17 thousand million cells. A long text is held once for each cell that shows it. And the
error of a formula is an empty cell there. So sizes are added up, and errors noted, while the XML streams by here.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from xml.parsers import expat

from rescind.errors import InvalidInput
from rescind.pipeline import Check

MIB = 1024 * 1024
MAX_CELLS = 2_000_000  #: of a sheet, from the first used cell to the last, empty ones included
MAX_TEXT_BYTES = 64 * MIB  #: of all cells together
MAX_WORKBOOK_BYTES = 512 * MIB  #: of the archive's content, expanded

_PIECE_BYTES = 256 * 1024
_MOST_TOKEN_BYTES = 8 * MIB  #: between two events of the parser, which holds them

#: What Python's library raises for an archive that is damaged, or made in a way that it does not know.
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)

Attributes = dict[str, str]


@dataclass
class Extent:
    """What the used cells of one sheet take, and where those are that show an error (row and column, from 0)."""

    rows: tuple[int, int] | None = None
    columns: tuple[int, int] | None = None
    text_bytes: int = 0
    errors: dict[int, dict[int, str]] = field(default_factory=dict)

    def add(self, row: int, column: int, last_row: int, last_column: int, text_bytes: int) -> None:
        """Cells that are used. Raises InvalidInput where it is too much."""
        self.rows = _wider(self.rows, row, last_row)
        self.columns = _wider(self.columns, column, last_column)
        self.text_bytes += text_bytes
        if (cells := self.cells) > MAX_CELLS:
            raise InvalidInput(
                f"The sheet has {cells} cells or more between its first and its last used one, more than the limit of "
                f"{MAX_CELLS}: save it as CSV."
            )
        if self.text_bytes > MAX_TEXT_BYTES:
            raise InvalidInput(f"The sheet has more than the limit of {MAX_TEXT_BYTES} bytes of text: save it as CSV.")

    @property
    def cells(self) -> int:
        """Of the rectangle."""
        return _length(self.rows) * _length(self.columns)


class Sheet(NamedTuple):
    """One of a workbook's sheets."""

    name: str
    extent: Extent


def choose(wanted: str | None, names: Iterable[str]) -> str:
    """The sheet that was asked for, or else the first. Raises InvalidInput where there is none."""
    listed = list(names)
    if wanted is None and listed:
        return listed[0]
    if wanted is None or wanted not in listed:
        there = ", ".join(map(repr, listed)) or "none"
        raise InvalidInput(
            f"The workbook has no sheet {wanted!r}; there are: {there}." if wanted else "The workbook has no sheet."
        )
    return wanted


def _wider(span: tuple[int, int] | None, first: int, last: int) -> tuple[int, int]:
    return (first, last) if span is None else (min(span[0], first), max(span[1], last))


def _length(span: tuple[int, int] | None) -> int:
    return 0 if span is None else span[1] - span[0] + 1


@lru_cache(maxsize=1000)
def local(name: str) -> str:
    """A name without its namespace: there are two sets of them for workbooks, which differ in nothing else."""
    return name.rpartition(" ")[2]


class Handler:
    """Is told of a document's elements, by their names with the namespace before them, and of the text between them."""

    def start(self, name: str, attributes: Attributes) -> None: ...
    def end(self, name: str) -> None: ...
    def text(self, data: str) -> None: ...


class Archive:
    """A workbook's ZIP archive. Raises InvalidInput where it is none, or expands to more than the limit."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with zipfile.ZipFile(path) as archive:
                entries = archive.infolist()
        except ZIP_ERRORS as error:
            raise _damaged(error) from error
        self.entries = {entry.filename: entry for entry in entries}
        if len({name.lower() for name in self.entries}) < len(entries):
            raise InvalidInput("The workbook has two parts of the same name: it is damaged.")
        _require_small(sum(entry.file_size for entry in entries))

    def require_true_sizes(self, check: Check) -> None:
        """Raise InvalidInput where a part is not as long as the archive says: readers trust it."""
        for name, entry in self.entries.items():
            size = sum(map(len, self._expanded(name, check)))
            if size != entry.file_size:
                raise InvalidInput(f"The workbook's part {name} is not as long as the archive says: it is damaged.")

    def scan(self, name: str, handler: Handler, check: Check) -> None:
        """Have a handler told of a part's XML."""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = handler.start
        parser.EndElementHandler = handler.end
        parser.CharacterDataHandler = handler.text
        parser.StartDoctypeDeclHandler = _no_doctype
        fed = 0
        try:
            for piece in self._expanded(name, check):
                parser.Parse(piece)
                fed += len(piece)
                if fed - parser.CurrentByteIndex > _MOST_TOKEN_BYTES:
                    raise InvalidInput(
                        f"The workbook's part {name} has more than {_MOST_TOKEN_BYTES} bytes in one place."
                    )
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise InvalidInput(f"The workbook's part {name} is not valid XML: {error}.") from error

    def _expanded(self, name: str, check: Check) -> Any:
        """A part's bytes in pieces; at most one byte more than the archive says."""
        if name not in self.entries:
            raise InvalidInput(f"The workbook lacks its part {name}: it is damaged.")
        entry = self.entries[name]
        declared, entry.file_size = entry.file_size, entry.file_size + 1  # or else what is beyond would not be seen
        try:
            with zipfile.ZipFile(self._path) as archive, archive.open(entry) as part:
                while piece := part.read(_PIECE_BYTES):
                    check()
                    yield piece
        except ZIP_ERRORS as error:
            raise _damaged(error) from error
        finally:
            entry.file_size = declared


def _no_doctype(*declaration: object) -> None:
    raise InvalidInput("The workbook's XML declares a document type, which none has: it is refused.")


def _require_small(size: int) -> None:
    if size > MAX_WORKBOOK_BYTES:
        raise InvalidInput(
            f"The workbook expands to {size} bytes, more than the limit of {MAX_WORKBOOK_BYTES}: save it as CSV."
        )


def _damaged(error: Exception) -> InvalidInput:
    return InvalidInput(f"The workbook is a damaged ZIP archive: {error}.")
