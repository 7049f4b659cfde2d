"""What is told of a file before it is loaded: format, dialect, columns with the evidence, first rows, a table."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.reading import MIB, gzipped

from rescind.domain.schema import Type
from rescind.errors import InputChanged, InvalidArguments, InvalidEncoding, InvalidHeader, InvalidInput
from rescind.readers import inspect as inspecting
from rescind.readers.dialect import Dialect
from rescind.readers.evidence import Evidence
from rescind.readers.inspect import ROWS, Inspection, inspect, table_name
from rescind.readers.options import Format, Options
from rescind.readers.reader import Source

Look = Callable[..., Inspection]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    def look(data: bytes, *, name: str | None = "x.csv", **said: Any) -> Inspection:
        path = tmp_path / "x"
        path.write_bytes(data)
        return inspect(Source(path, 16 * MIB, 1024 * MIB, Options(**said), name))

    return look


def types(found: Inspection) -> dict[str, str]:
    return {column.name: column.type.value for column in found.columns}


def proposed(found: Inspection) -> dict[str, str]:
    return {proposal.option: proposal.value for proposal in found.proposals}


def test_columns_come_with_type_nulls_and_first_rows(look: Look) -> None:
    found = look(b"id,price,name,born\n1,1.5,NA,2024-02-29\n2,NA,x,\n")
    assert types(found) == {"id": "integer", "price": "real", "name": "text", "born": "date"}
    assert [column.nulls for column in found.columns] == [0, 1, 0, 1]
    assert [tuple(row.values())[:3] for row in found.rows.to_pylist()] == [(1, 1.5, "NA"), (2, None, "x")]
    assert (found.format, found.compression, found.dialect) == (Format.csv, None, Dialect(",", '"'))
    assert (found.records, found.whole, found.rejected) == (2, True, 0)


def test_the_value_that_ruled_out_a_narrower_type_is_told_with_its_record(look: Look) -> None:
    """Records are counted, not lines, and rejected ones count."""
    lines = [f"{number},2024-01-01" for number in range(1, 5_001)]
    lines[99] = '"1\n2"x,2024-01-01'
    lines[2_999] = "2.5,2024-01-01"
    lines[4_999] = "1e+3,"
    found = look(("a,b\n" + "\n".join(lines)).encode())
    assert found.columns[0].evidence == (Evidence(Type.integer, 3000, "2.5"),)
    assert [(e.type, e.record) for e in found.columns[1].evidence] == [
        (Type.integer, 1),
        (Type.real, 1),
        (Type.boolean, 1),
    ]
    assert [reject.record for reject in found.rejects] == [100]


def test_a_column_without_a_value_is_text_and_nothing_is_ruled_out(look: Look) -> None:
    [column, _] = look(b"a,b\nNA,1\n,2\n").columns
    assert (column.type, column.evidence) == (Type.text, ())


def test_rows_that_do_not_fit_are_told_and_counted(look: Look) -> None:
    found = look(b"a,b\n1,2\n3\n" + b"4,5,6\n" * 20)
    assert (found.rejected, len(found.rejects), found.records) == (21, 10, 22)
    assert found.rejects[0].reason == "1 fields where 2 are expected"
    assert found.rows.num_rows == 1


def test_of_a_long_file_a_sample_is_read_and_that_is_said(look: Look) -> None:
    line = b'12345,"some text, quoted\nand more"\n'
    count = 20 * MIB // len(line)
    found = look(gzipped(b"a,b\n" + line * count))
    assert not found.whole
    assert inspecting.SAMPLE_BYTES // len(line) <= found.records < count / 2
    assert found.compression == "gzip"
    assert found.rows.num_rows == ROWS


@pytest.mark.parametrize(("mark", "said"), [(";", ";"), ("\t", "tab"), ("|", "|")])
def test_another_delimiter_is_proposed_with_the_reason(look: Look, mark: str, said: str) -> None:
    lines = ["a,b", "1,x", f'"2{mark}2",y'] * 5
    assert proposed(look("\n".join(lines).encode())) == {}
    found = look("\n".join(line.replace(",", mark) for line in lines).encode())
    assert proposed(found) == {"delimiter": said}
    assert "15 of the first 15 lines have 2 fields" in found.proposals[0].reason
    assert found.dialect == Dialect(mark, '"')
    assert list(types(found)) == ["a", "b"]


def test_what_was_said_is_taken_and_nothing_else_proposed_in_its_place(look: Look) -> None:
    found = look(b"a;b\n1;2\n", delimiter=",")
    assert (proposed(found), types(found)) == ({}, {"a;b": "text"})


@pytest.mark.parametrize("text", ["a\n1\n2\n", "a,b;c\n1,2;3\n", 'a\n"x;y"\n"z;w"\n', "a\nx;y;z\nv\nw\n"])
def test_no_delimiter_is_proposed_without_evidence(look: Look, text: str) -> None:
    assert "delimiter" not in proposed(look(text.encode()))


def test_a_decimal_comma_and_a_form_of_dates_are_proposed_and_shown_as_they_would_be_read(look: Look) -> None:
    found = look(b"Tag;Betrag\n31.1.2024;1234,5\n1.2.2024;-0,25\n")
    assert proposed(found) == {"delimiter": ";", "decimal": ",", "date_format": "%d.%m.%Y"}
    assert types(found) == {"Tag": "date", "Betrag": "real"}
    assert found.rows.column(1).to_pylist() == [1234.5, -0.25]
    assert found.options.decimal == ","


@pytest.mark.parametrize(
    ("values", "not_there"),
    [
        (["1,234", "12,345,678"], "decimal"),  # may well be thousands
        (["1,5", "x"], "decimal"),
        (["01/02/2024", "03/04/2024"], "date_format"),  # day or month first?
        (["31.1.2024", "x"], "date_format"),
    ],
)
def test_what_is_open_is_not_proposed(look: Look, values: list[str], not_there: str) -> None:
    assert not_there not in proposed(look(("a;b\n" + "".join(f"{value};x\n" for value in values)).encode()))


def test_one_value_settles_whether_the_day_comes_first(look: Look) -> None:
    assert proposed(look(b"a,b\n01/02/2024,x\n01/13/2024,x\n")) == {"date_format": "%m/%d/%Y"}


def test_a_spelling_is_not_proposed_against_other_columns(look: Look) -> None:
    found = look(b'a,b,c,d\n"1,5",2.5,31.12.2024,2024-12-31\n')
    assert proposed(found) == {}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_case_c5_an_encoding_is_proposed_by_its_mark(look: Look, encoding: str) -> None:
    found = look("größe,b\n1,2\n".encode(encoding))
    assert (proposed(found), list(types(found))) == ({"encoding": encoding}, ["größe", "b"])


def test_case_c5_no_encoding_is_guessed(look: Look) -> None:
    with pytest.raises(InvalidEncoding, match="'café' with encoding=windows-1252"):
        look(b"a,b\n1,caf\xe9\n")
    assert look(b"a,b\n1,caf\xe9\n", encoding="windows-1252").rows.to_pylist() == [{"a": 1, "b": "café"}]


def test_nobody_waits_for_long_even_where_other_threads_do_the_work(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock goes on by a second whenever it is read."""
    monkeypatch.setattr(inspecting, "time", SimpleNamespace(monotonic=count().__next__))
    with pytest.raises(InvalidInput, match="takes too long to be looked through"):
        look(b"a,b\n1,2\n")


def test_options_are_obeyed(look: Look) -> None:
    found = look(b"1'2'-\n", delimiter="'", header=False, null=["-"])
    assert types(found) == {"column1": "integer", "column2": "integer", "column3": "text"}
    assert [column.nulls for column in found.columns] == [0, 0, 1]
    with pytest.raises(InvalidArguments, match="no option sheet"):
        look(b"a,b\n", sheet="x")


def test_what_cannot_be_read_is_said(look: Look, tmp_path: Path) -> None:
    with pytest.raises(InvalidHeader):
        look(b"")
    with pytest.raises(InputChanged):
        inspect(Source(tmp_path / "none", MIB, MIB))


def test_a_header_alone_has_no_rows(look: Look) -> None:
    found = look(codecs.BOM_UTF8 + b"a,b\n")
    assert (types(found), found.rows.num_rows, found.whole) == ({"a": "text", "b": "text"}, 0, True)


def test_json_has_columns_and_rows_too(look: Look) -> None:
    found = look(b'{"a": 1, "b": null}\n{"a": 2.5}\n', name="x.ndjson")
    assert (found.format, found.dialect, types(found)["a"]) == (Format.ndjson, None, "real")
    assert [column.nulls for column in found.columns] == [0, 2]


@pytest.mark.parametrize("name", ["x.ndjson", "x.json"])
def test_of_long_json_a_sample_is_read_too(look: Look, name: str) -> None:
    line = '{"a": 1, "b": "some text"}'
    count = 12 * MIB // len(line)
    array = name == "x.json"
    found = look((f"[{','.join([line] * count)}]" if array else "\n".join([line] * count)).encode(), name=name)
    assert (found.whole, found.rows.num_rows) == (False, ROWS)
    assert found.records < count / 2


def test_of_long_parquet_the_first_rows_are_read(look: Look, tmp_path: Path) -> None:
    path = tmp_path / "long.parquet"
    count = 5 * inspecting.SAMPLE_RECORDS
    pq.write_table(pa.table({"a": pa.array(range(count)), "b": pa.nulls(count, pa.string())}), path)
    found = look(path.read_bytes(), name="long.parquet")
    assert (found.format, found.whole, types(found)) == (Format.parquet, False, {"a": "integer", "b": "text"})
    assert inspecting.SAMPLE_RECORDS <= found.records < count
    assert [column.nulls for column in found.columns] == [0, found.records]


@pytest.mark.parametrize(
    ("file", "table"),
    [
        ("flights.csv.gz", "flights"),
        ("My Data (2).csv", "my_data_2"),
        ("2013.csv", "_2013"),
        ("größe.csv", "größe"),
        ("/etc/passwd", "passwd"),
        ("x" * 100, "x" * 60),
        *((name, "upload") for name in (None, "", ".csv", "rescind_marker.csv", "sqlite_x", "--")),
    ],
)
def test_a_table_is_proposed_by_the_files_name(file: str | None, table: str) -> None:
    assert table_name(file) == table
