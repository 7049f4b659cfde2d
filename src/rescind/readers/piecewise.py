"""What readers have in common that take a file in pieces and make typed rows of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from rescind.domain.schema import Column
from rescind.pipeline import Check, in_order
from rescind.readers.reader import InputField, Rows

P = TypeVar("P")


class PiecewiseReader(Generic[P]):
    """A reader, but for its header, its types, its pieces and what is to be made of one."""

    header: tuple[str, ...]
    header_is_whole = True
    whole = True

    def __init__(self) -> None:
        self._rows_read = 0
        self._bytes_read = 0

    def infer(self, check: Check) -> tuple[Column, ...]:
        """See Reader."""
        raise NotImplementedError

    def _pieces(self, names: Sequence[str], check: Check) -> Iterator[P]:
        """The file, as far as those fields need it. It also keeps `_bytes_read`."""
        raise NotImplementedError

    def _fit(self, piece: P, fields: Sequence[InputField], keep: int | None) -> tuple[int, Rows]:
        """How many records the piece has, and its rows as if the piece were the file. Several threads ask at once."""
        raise NotImplementedError

    def rows(self, fields: Sequence[InputField], check: Check, *, keep: int | None = None) -> Iterator[Rows]:
        """See Reader."""
        self._rows_read = self._bytes_read = 0
        pieces = self._pieces([field.name for field in fields], check)
        for records, rows in in_order(pieces, lambda piece: self._fit(piece, fields, keep), check):
            before, self._rows_read = self._rows_read, self._rows_read + records
            yield rows.after(before)

    @property
    def rows_read(self) -> int:
        """Records of this pass over the file so far, rejected ones included."""
        return self._rows_read

    @property
    def bytes_read(self) -> int:
        """Bytes of the file, as it is stored, that this pass has read, about."""
        return self._bytes_read

    def close(self) -> None:
        """Nothing is open between two calls."""
