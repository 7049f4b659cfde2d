"""What Python's csv module writes comes back as it was, NULL and the empty string told apart."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.reading import Files, columns, rows

#: Text with what has a meaning in CSV, and any other text, surrogates apart: those have no UTF-8.
CELLS = st.none() | st.text('",\r\n aN🙂', max_size=8) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TABLES = st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[CELLS] * width), min_size=1, max_size=12))

Table = list[tuple[str | None, ...]]


def written(table: Table, line_end: str) -> bytes:
    header = tuple(f"column {i}" for i in range(len(table[0])))
    return "".join(",".join(map(field, row)) + line_end for row in (header, *table)).encode()


def field(value: str | None) -> str:
    """As the csv module writes it. NULL is nothing at all; what the module would write as nothing is quoted."""
    if value is None:
        return ""
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL if value == "" else csv.QUOTE_MINIMAL).writerow([value])
    return file.getvalue().removesuffix("\r\n")


@given(TABLES, st.sampled_from(["\n", "\r\n"]), st.booleans())
@example([("NA", None), (None, "NA")], "\n", False)
@example([("\ufeff",)], "\n", False)
@example([(None,), ("",), (None,)], "\n", False)
@example([("\0", "a\0b")], "\r\n", True)
def test_rows_come_back_as_they_were(table: Table, line_end: str, zipped: bool) -> None:
    data = written(table, line_end)
    with TemporaryDirectory() as directory:
        reader = Files(Path(directory)).open(gzip.compress(data) if zipped else data)
        assert rows(reader, columns(reader)) == table
        assert reader.rows_read == len(table)
