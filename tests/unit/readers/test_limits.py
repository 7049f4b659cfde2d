"""Case 11 of bad input, long records; and what reading costs in memory."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.reading import MIB, Files, columns, never, rows

from rescind.domain.rejects import KEPT, VALUE_CHARACTERS
from rescind.domain.schema import Type
from rescind.errors import RecordTooLong, RowsRejected

READ_IT = """
import sys
from pathlib import Path
from rescind.readers.reader import InputField, Source
from rescind.readers.registry import open_reader

reader = open_reader(Source(Path(sys.argv[1]), 2**24, 2**40))
fields = [InputField(column.name, column) for column in reader.infer(lambda: None)]
print(sum(rows.batch.num_rows for rows in reader.rows(fields, lambda: None)))
"""

PEAK = """
status = Path("/proc/self/status").read_text()  # not getrusage, which knows the parent's peak too
print(1024 * int(status.partition("VmHWM:")[2].split()[0]))
"""
OPEN_IT = """
import sys
from pathlib import Path
from rescind.domain.schema import Column, Type
from rescind.readers import inspect as inspecting
from rescind.readers.reader import InputField, Source
from rescind.readers.registry import open_reader

source = Source(Path(sys.argv[1]), 2**24, 2**40)
"""
REJECT_ALL = f"""{OPEN_IT}
reader = open_reader(source)
fields = [InputField(name, Column(name, Type.integer, "")) for name in reader.header]
print(sum(len(rows.rejects) for rows in reader.rows(fields, lambda: None)))
{PEAK}
"""
INSPECT_IT = f"""{OPEN_IT}
inspecting.LONGEST_SECONDS = 600.0  # however slow the machine is
print(inspecting.inspect(source).rejected)
{PEAK}
"""


@pytest.mark.parametrize("quote", [b"", b'"'])
def test_case_11_a_field_of_10_mb_is_read(files: Files, quote: bytes) -> None:
    field = b"0123456789" * MIB
    data = b"a,b\n1,x\n2," + quote + field + quote + b"\n3,y\n"
    assert files.rows(data) == [("1", "x"), ("2", field.decode()), ("3", "y")]
    assert [column.type for column in files.open(data).infer(never)] == [Type.integer, Type.text]


@pytest.mark.parametrize("end", [b"\n3,y\n", b""], ids=["amid", "last"])
@pytest.mark.parametrize("length", [1025, 10_000, 5 * MIB])
def test_case_11_a_record_above_the_limit_is_refused_by_number(files: Files, length: int, end: bytes) -> None:
    before = b"1,x\n" * 100
    reader = files.open(b"a,b\n" + before + b"2," + b"x" * (length - 2) + end, max_record_bytes=1024)
    message = "Record 101, which begins at byte 404 of the file, is longer than the limit of 1024 bytes"
    with pytest.raises(RecordTooLong, match=message):
        rows(reader, columns(reader))


def test_case_11_a_quote_that_is_never_closed_reaches_the_limit(files: Files) -> None:
    reader = files.open(b'a,b\n1,"x\n' + b"2,y\n" * 1000, max_record_bytes=1024)
    with pytest.raises(RecordTooLong, match=r"Record 1, .* perhaps a quote in it is not closed"):
        rows(reader, columns(reader))


def test_a_long_value_is_shortened_in_its_reject(files: Files) -> None:
    [reject] = files.rejected(b"a\n" + b"x" * 10_000 + b"\n", Type.integer)
    assert reject.value == "x" * (VALUE_CHARACTERS - 1) + "…"


def test_the_first_rejects_are_kept_and_all_are_counted(files: Files) -> None:
    count = 300_000
    reader = files.open(b"a\n" + b"1\nx\n" * count)
    with pytest.raises(RowsRejected, match=f"{count} rows do not fit; record 2, column a: not a valid") as caught:
        rows(reader, columns(reader, Type.integer))
    assert caught.value.total == count
    assert [reject.record for reject in caught.value.rejects] == [2 * i + 2 for i in range(KEPT)]
    assert reader.rows_read == 2 * count


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    line = b'12345,2024-01-31 10:11:12,1.5,"some, quoted text",and some more that is not\n'
    path = tmp_path / "x"
    count = 200
    with gzip.open(path, "wb", 1) as file:
        file.write(b"a,b,c,d,e\n")
        for _ in range(count):
            file.write(line * 10_000)
    found, peak = measured(READ_IT + PEAK, path)
    assert found == count * 10_000
    assert peak < 400 * MIB


@pytest.mark.parametrize(("header", "line"), [(b"a\n", b"x\n"), (b"a,b\n", b"x\n")])
def test_case_c1_rejects_of_millions_of_short_lines_are_not_all_in_memory(
    tmp_path: Path, header: bytes, line: bytes
) -> None:
    path = tmp_path / "x"
    count = 1_000_000
    path.write_bytes(header + line * count)
    found, peak = measured(REJECT_ALL, path)
    assert found == count
    assert peak < 350 * MIB


def test_case_c1_nor_are_those_of_a_file_that_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    count = 2 * MIB
    path.write_bytes(b"a,b\n" + b"x\n" * count)
    found, peak = measured(INSPECT_IT, path)
    assert found == count
    assert peak < 350 * MIB


def measured(program: str, path: Path) -> list[int]:
    """What the program prints of the file: a number, and the peak of its memory in bytes."""
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=True, capture_output=True, text=True)
    return [*map(int, done.stdout.split())]
