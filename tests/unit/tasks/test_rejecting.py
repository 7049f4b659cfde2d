"""Bad rows that are left out: each is kept, and there is a limit."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from tests.support.reading import Files, columns, never

from rescind.domain.rejects import KEPT, Reject
from rescind.domain.schema import Type
from rescind.errors import RowsRejected
from rescind.readers.reader import InputField
from rescind.tasks.rejecting import MostRejects, Rejects, without_rejects
from rescind.uploads.output_file import OutputFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rejects.csv"


@pytest.fixture
def file(path: Path) -> Any:
    with path.open("xb", buffering=0) as raw:
        yield OutputFile(raw, never)


def read(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_bytes().decode(), newline="")))


def test_each_is_kept_as_csv_however_many_there_are(file: OutputFile, path: Path) -> None:
    rejects = Rejects(file, None)
    for record in range(1, 50_001):
        rejects.add(Reject(record, "a", 'x,"\n', "not a valid integer"))
    rejects.add(Reject(50_001, None, None, "too few fields"))
    rejects.finish(100_000)
    found = read(path)
    assert found[0] == ["record", "column", "value", "reason"]
    assert found[1] == ["1", "a", 'x,"\n', "not a valid integer"]
    assert found[50_001] == ["50001", "", "", "too few fields"]
    assert len(found) == 50_002
    assert rejects.total == 50_001


@pytest.mark.parametrize(
    ("most", "bad", "read", "fits"),
    [
        ("0", 0, 10, True),
        ("0", 1, 10, False),
        ("3", 3, 10, True),
        ("3", 4, 1_000_000, False),
        ("10%", 1, 10, True),
        ("10%", 2, 10, False),
        ("0.1%", 1, 1_000, True),
        ("0.1%", 1, 999, False),
        ("100%", 10, 10, True),
        ("0%", 0, 0, True),
        (None, 10, 10, True),
    ],
)
def test_more_than_the_limit_end_the_load(file: OutputFile, most: str | None, bad: int, read: int, fits: bool) -> None:
    rejects = Rejects(file, most)

    def run() -> None:
        for record in range(bad):
            rejects.add(Reject(record + 1, None, None, "bad"))
        rejects.finish(read)

    if fits:
        run()
    else:
        with pytest.raises(RowsRejected, match=f"max_rejects={most}") as caught:
            run()
        assert caught.value.total == bad


def test_a_load_that_ends_by_them_carries_the_first(file: OutputFile) -> None:
    rejects = Rejects(file, str(KEPT + 5))
    for record in range(1, KEPT + 6):
        rejects.add(Reject(record, None, None, "bad"))
    with pytest.raises(RowsRejected) as caught:
        rejects.add(Reject(KEPT + 6, None, None, "bad"))
    assert [reject.record for reject in caught.value.rejects] == list(range(1, KEPT + 1))
    assert caught.value.total == KEPT + 6


@pytest.mark.parametrize("most", ["0", "17", "5%", "0.25%", "100%", 17])
def test_a_limit_is_a_number_or_a_part(most: object) -> None:
    assert TypeAdapter(MostRejects).validate_python(most) == str(most)


@pytest.mark.parametrize("most", ["", "-1", "1.5", "101%", "x", "%", True, None])
def test_anything_else_is_no_limit(most: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(MostRejects).validate_python(most)


def test_case_c17_ragged_rows_are_left_out_and_the_others_come_with_their_numbers(
    files: Files, file: OutputFile, path: Path
) -> None:
    reader = files.open(b'n,t\n1,a\n2\nx,b\n4,c,d\n5,"e\n"\n6,f\n')
    rejects = Rejects(file, None)
    fields = [InputField(c.name, c) for c in columns(reader, Type.integer, Type.text)]
    good = [
        (int(record), *row.values())
        for rows in without_rejects(reader, fields, rejects, never)
        for record, row in zip(rows.records, rows.batch.to_pylist(), strict=True)
    ]
    rejects.finish(reader.rows_read)
    assert good == [(1, 1, "a"), (5, 5, "e\n"), (6, 6, "f")]
    assert [row[:3] for row in read(path)[1:]] == [["2", "", "2"], ["3", "n", "x"], ["4", "", "4,c,d"]]
