"""XLSX and ODS."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.reading import MIB, Files, columns, never, rows
from tests.support.workbooks import Formula, Rows, archive, ods, ods_of, parts, xlsx
from tests.unit.readers.test_parquet import outcome

from rescind.domain.schema import Type
from rescind.errors import InvalidHeader, InvalidInput, Stopped
from rescind.readers import workbook_scan
from rescind.readers.reader import Source
from rescind.readers.registry import open_reader

Make = Callable[[Rows], bytes]
each = pytest.mark.parametrize("make", [xlsx, ods])
moment = datetime.fromisoformat


@each
def test_cells_have_types(files: Files, make: Make) -> None:
    data = make(
        [
            ["n", "r", "t", "d", "m", "b"],
            [1, 0.1, "007", date(2024, 2, 29), moment("2024-02-29 12:34:56.789"), True],
            [None, 2, "", None, moment("2024-02-29"), False],
            [10**15, -1.5, "é<&>", date(1999, 12, 31), None, None],
        ]
    )
    reader = files.open(data)
    found = reader.infer(never)
    assert [column.type for column in found] == ["integer", "real", "text", "date", "timestamp", "boolean"]
    assert rows(reader, found) == [
        (1, 0.1, "007", date(2024, 2, 29), moment("2024-02-29 12:34:56.789"), True),
        (None, 2.0, None, None, moment("2024-02-29"), False),
        (10**15, -1.5, "é<&>", date(1999, 12, 31), None, None),
    ]
    assert (reader.rows_read, reader.bytes_read) == (3, len(data))


@each
def test_cells_go_into_columns_of_other_types_as_text_does(files: Files, make: Make) -> None:
    data = make([["a", "b", "c", "d"], [1, "12", 0.1, moment("2024-02-29")]])
    assert files.rows(data, Type.decimal, Type.integer, Type.decimal, Type.date) == [
        ("1", 12, "0.1", date(2024, 2, 29))
    ]
    assert files.rows(data, Type.boolean, Type.text, Type.text, Type.timestamp) == [
        (True, "12", "0.1", moment("2024-02-29"))
    ]


@each
def test_case_c12_nothing_is_rounded(files: Files, make: Make) -> None:
    rejects = files.rejected(make([["a"], [1.5], ["x"], [True]]), Type.integer)
    assert [(reject.record, reject.value) for reject in rejects] == [(1, "1.5"), (2, "x"), (3, "true")]


def test_a_time_of_day_is_less_than_a_day(files: Files) -> None:
    data = xlsx([["a"], [time(1, 2, 3)], [timedelta(hours=30)]])
    [reject] = files.rejected(data, Type.time)
    assert (reject.record, reject.value) == (2, "30:00:00.000000")
    assert files.open(xlsx([["a"], [time(1, 2, 3)]])).infer(never)[0].type is Type.time


def test_a_formula_has_the_value_it_was_saved_with_and_an_error_is_a_reject(files: Files) -> None:
    assert files.rows(xlsx([["a"], [Formula("7")]]), Type.integer) == [(7,)]
    data = xlsx([[], [None, "a", "b"], [None, 1, 2], [None, Formula("#DIV/0!"), 4], [None, 5, Formula("#N/A")]])
    assert [str(reject) for reject in files.rejected(data, Type.integer, Type.integer)] == [
        "record 2, column a: the cell shows the error #DIV/0!",
        "record 3, column b: the cell shows the error #N/A",
    ]


def test_an_error_in_ods_is_a_reject_too(files: Files) -> None:
    cell = '<table:table-cell office:value-type="string" {}><text:p>{}</text:p></table:table-cell>'
    lines = [cell.format("", "a"), cell.format('calcext:value-type="error"', "#DIV/0!")]
    inside = "".join(f"<table:table-row>{line}</table:table-row>" for line in lines)
    [reject] = files.rejected(ods_of(f'<table:table table:name="x">{inside}</table:table>'), Type.text)
    assert (reject.record, reject.column, reject.reason) == (1, "a", "the cell shows the error #DIV/0!")


@each
def test_the_table_may_stand_anywhere_and_empty_rows_are_no_records(files: Files, make: Make) -> None:
    data = make([[], [], [None, "a", "b"], [None, 1, None], [], [None, None, 2]])
    assert files.rows(data) == [("1", None), (None, "2")]


@each
def test_without_a_header_columns_are_numbered(files: Files, make: Make) -> None:
    reader = files.open(make([["x", 1], ["y", 2]]), header=False)
    assert reader.header == ("column1", "column2")
    assert rows(reader, columns(reader)) == [("x", "1"), ("y", "2")]


def test_a_sheet_is_chosen_by_name(files: Files) -> None:
    data = xlsx([["a"], [1]], Other=[["b"], [2]])
    assert files.rows(data) == [("1",)]
    assert files.open(data, sheet="Other").header == ("b",)
    with pytest.raises(InvalidInput, match=r"no sheet 'other'; there are: 'Sheet1', 'Other'"):
        files.open(data, sheet="other")


@each
@pytest.mark.parametrize("cells", [[], [["a", None, "b"]], [["a", "a"]]])
def test_a_header_that_is_none_is_refused(files: Files, make: Make, cells: Rows) -> None:
    with pytest.raises(InvalidHeader):
        files.open(make(cells))


@each
def test_where_an_answer_is_waited_for_no_workbook_is_opened(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "x"
    path.write_bytes(make([["a"], [1]]))
    reader = open_reader(Source(path, MIB, MIB))
    assert (reader.header, reader.header_is_whole) == ((), False)


@each
def test_what_check_raises_ends_the_reading(files: Files, make: Make) -> None:
    def check() -> None:
        raise Stopped("A stop was asked for.")

    reader = files.open(make([["a"], [1]]))
    with pytest.raises(Stopped):
        rows(reader, columns(reader), check)


@each
def test_case_c2_cut_off_at_any_byte_it_is_refused(files: Files, make: Make) -> None:
    data = make([["a"], [1]])
    for length in range(4, len(data), 7):
        with pytest.raises(InvalidInput):
            files.rows(data[:length])


@each
def test_case_c15_a_changed_byte_ends_nothing_but_the_load(files: Files, make: Make) -> None:
    data = make([["a"], [1]])
    files.expect_told(data, range(4, len(data), 5))


def changed(data: bytes, part: str, change: Callable[[bytes], bytes]) -> bytes:
    found: dict[str, Any] = dict(parts(data))
    return archive(found | {part: change(found[part])})


SHEET, STRINGS = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        (SHEET, lambda xml: xml[:-10], "is not valid XML"),
        (SHEET, lambda xml: xml.replace(b'r="A2"', b'r="!2"'), "a cell '!2', which is no place"),
        (SHEET, lambda xml: xml.replace(b"<v>0</v>", b"<v>7</v>"), "shows a text '7' that the workbook does not have"),
        (SHEET, lambda xml: b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + xml.partition(b"?>")[2].lstrip(), "document type"),
        (SHEET, lambda xml: xml.replace(b"<sheetData>", b"<sheetData a='" + b"x" * 9 * MIB + b"'>"), "in one place"),
        ("xl/workbook.xml", lambda xml: xml.replace(b"r:id", b"id"), "has no sheet"),
        ("xl/_rels/workbook.xml.rels", lambda xml: xml.replace(b"sheet1", b"sheet9"), "lacks its part"),
    ],
)
def test_case_c15_a_malformed_workbook_is_refused(
    files: Files, part: str, change: Callable[[bytes], bytes], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        files.open(changed(xlsx([["a"], [1]]), part, change))


def test_case_c1_a_workbook_that_expands_beyond_the_limit_is_refused_by_its_word(files: Files) -> None:
    found: dict[str, Any] = dict(parts(xlsx([["a"], [1]])))
    with pytest.raises(InvalidInput, match=f"more than the limit of {512 * MIB}: save it as CSV"):
        files.open(archive(found | {f"xl/media/{n}": bytes(110 * MIB) for n in range(5)}))


def test_case_c1_and_by_its_bytes_where_its_word_is_not_true(files: Files, tmp_path: Path) -> None:
    """Readers of other languages believe the stream, not the word."""
    data = changed(xlsx([["a"], [1]]), SHEET, lambda xml: xml.replace(b"<sheetData>", b"<sheetData>" + b" " * MIB))
    with zipfile.ZipFile(files.open(data)._source.path) as opened:  # type: ignore[attr-defined]
        entry = opened.getinfo(SHEET)
    size = entry.file_size.to_bytes(4, "little")
    lie = data.replace(size, (1000).to_bytes(4, "little"))
    with pytest.raises(InvalidInput, match="damaged"):
        files.open(lie)


def test_case_c1_one_cell_far_away_makes_a_sheet_too_large(files: Files) -> None:
    far = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    data = changed(xlsx([["a"], [1]]), SHEET, lambda xml: xml.replace(b"</sheetData>", far))
    with pytest.raises(InvalidInput, match=f"17179869184 cells or more .*, more than the limit of {2_000_000}"):
        files.open(data)


def test_case_c1_in_ods_a_row_may_be_repeated(files: Files) -> None:
    cell = '<table:table-cell office:value-type="float" office:value="1" table:number-columns-repeated="16384"/>'
    row = f'<table:table-row table:number-rows-repeated="1000000">{cell}</table:table-row>'
    with pytest.raises(InvalidInput, match=f"more than the limit of {2_000_000}"):
        files.open(ods_of(f'<table:table table:name="x">{row}</table:table>'))


def test_empty_cells_that_are_repeated_to_the_end_of_a_sheet_are_not_used(files: Files) -> None:
    """As every spreadsheet program writes them."""
    cells = '<table:table-cell office:value-type="string"><text:p>a</text:p></table:table-cell>'
    cells += '<table:table-cell table:number-columns-repeated="16383"/>'
    rest = '<table:table-row table:number-rows-repeated="1048575"><table:table-cell/></table:table-row>'
    data = ods_of(f'<table:table table:name="x"><table:table-row>{cells}</table:table-row>{rest}</table:table>')
    assert files.open(data).header == ("a",)


def test_case_c1_a_long_text_in_many_cells_is_refused(files: Files) -> None:
    data = xlsx([["x" * 30_000] * 3] * 1000)
    with pytest.raises(InvalidInput, match=f"more than the limit of {64 * MIB} bytes of text"):
        files.open(data)


def test_a_sheet_below_the_limit_takes_less_memory_than_the_limit(tmp_path: Path) -> None:
    texts = [f"{n} is a text of some length, as there are in sheets" for n in range(1000)]
    width = 20
    data = xlsx([[f"c{n}" for n in range(width)], *([n, *texts[n % 900 : n % 900 + width - 1]] for n in range(20_000))])
    (tmp_path / "x").write_bytes(data)
    said, peak = outcome(tmp_path / "x")
    assert said == "20000"
    assert peak < 512 * MIB


def test_the_limits_are_of_the_sheet_that_is_read(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook_scan, "MAX_CELLS", 4)
    data = xlsx([["a"], [1]], Other=[["b"]] * 5)
    assert files.rows(data) == [("1",)]
    with pytest.raises(InvalidInput, match="5 cells or more"):
        files.open(data, sheet="Other")
