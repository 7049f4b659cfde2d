"""Which parser reads which file."""

from __future__ import annotations

from rescind.errors import InputChanged
from rescind.readers.delimited import DelimitedReader
from rescind.readers.reader import Reader, Source


def open_reader(source: Source) -> Reader:
    """A reader of the source, header checked.

    Raises InvalidInput in one of its kinds; InputChanged if the file is not there.
    """
    try:
        return DelimitedReader(source)
    except FileNotFoundError as error:
        raise InputChanged("The bytes of the upload are gone.") from error
