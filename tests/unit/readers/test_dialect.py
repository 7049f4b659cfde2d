"""Files that are separated and quoted otherwise than with commas and double quotes."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.support.reading import MIB, Files, columns, rows

from rescind.domain.rejects import Reason, Reject
from rescind.domain.schema import Type
from rescind.errors import InvalidArguments, InvalidHeader
from rescind.readers.delimited import DelimitedReader
from rescind.readers.options import Format, Options
from rescind.readers.reader import Source

MARKS = [chr(code) for code in range(1, 128) if chr(code) not in "\r\n"]


@pytest.mark.parametrize("mark", [mark for mark in MARKS if mark not in '"ab12'])
def test_any_ascii_character_but_the_quote_and_line_ends_separates(files: Files, mark: str) -> None:
    data = f'a{mark}b\n1{mark}"2{mark}""\n2"\n{mark}\n'.encode()
    assert files.rows(data, delimiter=mark) == [("1", f'2{mark}"\n2'), (None, None)]
    assert files.rejected(f"a{mark}b\n1\n".encode(), delimiter=mark)[0].record == 1


@pytest.mark.parametrize("mark", [mark for mark in MARKS if mark not in ",ab12"])
def test_any_ascii_character_but_the_delimiter_quotes(files: Files, mark: str) -> None:
    data = f"a,b\n1,{mark}2,{mark}{mark}\n2{mark}\n{mark}{mark},\n".encode()
    assert files.rows(data, quote=mark) == [("1", f"2,{mark}\n2"), ("", None)]
    assert files.rejected(f"a,b\n1{mark},2\n".encode(), quote=mark) == [Reject(1, None, f"1{mark},2", Reason.quotes)]


def test_where_another_character_quotes_the_double_quote_is_text(files: Files) -> None:
    assert files.rows(b'a,b\n"1",\'x"\'\n', quote="'") == [('"1"', 'x"')]


def test_where_nothing_quotes_every_character_is_text(files: Files) -> None:
    assert files.rows(b'"a",b\n"1,2"\n"",\n', quote="") == [('"1', '2"'), ('""', None)]
    assert files.open(b'"a",b\n', quote="").header == ('"a"', "b")


def test_where_nothing_quotes_na_is_null_and_cannot_be_a_word(files: Files) -> None:
    assert files.rows(b'a,b\nNA,"NA"\n', Type.integer, Type.text, quote="") == [(None, '"NA"')]


def test_a_quoted_na_is_known_by_the_files_own_quote(files: Files) -> None:
    [reject] = files.rejected(b"a,b\nNA,1\n'NA',2\n", Type.integer, Type.integer, quote="'")
    assert (reject.record, reject.value) == (2, "NA")


CELLS = st.none() | st.text(";'\r\n aN,\"", max_size=6)
TABLES = st.integers(1, 3).flatmap(lambda width: st.lists(st.tuples(*[CELLS] * width), min_size=1, max_size=8))


@given(TABLES, st.sampled_from([";", "\t", " ", "a", "^", "\\", "-", "]", "\x1f"]), st.sampled_from("'`\"|$"))
@example([("'", None)], ";", "'")
def test_rows_come_back_as_they_were(table: list[tuple[str | None, ...]], delimiter: str, quote: str) -> None:
    def field(value: str | None) -> str:
        return "" if value is None else quote + value.replace(quote, quote * 2) + quote

    names = tuple(f"{place}" for place in range(len(table[0])))
    data = "".join(delimiter.join(map(field, row)) + "\n" for row in (names, *table)).encode()
    with TemporaryDirectory() as directory:
        reader = Files(Path(directory)).open(data, delimiter=delimiter, quote=quote)
        assert rows(reader, columns(reader)) == table


def test_tsv_is_separated_by_tabs(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b'a\tb\n1,5\t"x\ty"\n')
    reader = DelimitedReader(Source(path, MIB, MIB), Format.tsv)
    assert rows(reader, columns(reader)) == [("1,5", "x\ty")]


@pytest.mark.parametrize("said", [{"delimiter": ";"}, {"sheet": "x"}])
def test_what_a_tsv_file_does_not_have_is_refused(tmp_path: Path, said: dict[str, str]) -> None:
    (tmp_path / "x").write_bytes(b"a\tb\n")
    with pytest.raises(InvalidArguments, match=f"in the format tsv has no option {next(iter(said))}"):
        DelimitedReader(Source(tmp_path / "x", MIB, MIB, Options(**said)), Format.tsv)


@pytest.mark.parametrize("word", ["tab", r"\t", "\t"])
def test_a_tab_may_be_a_word(files: Files, word: str) -> None:
    assert files.rows(b"a\tb\n1\t2\n", delimiter=word) == [("1", "2")]


@pytest.mark.parametrize(
    "said",
    [
        *[{"delimiter": mark} for mark in ("", "ab", "é", "\n", "\r", "\0")],
        *[{"quote": mark} for mark in ("ab", "é", "\n", "\r", "\0")],
        {"encoding": "nonsense"},
        {"encoding": "rot13"},
        {"decimal": "'"},
        {"null": [""] * 21},
        {"escape": "\\"},
    ],
)
def test_what_is_no_dialect_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Options(**said)


@pytest.mark.parametrize("said", [{"delimiter": '"'}, {"quote": ","}, {"delimiter": ";", "quote": ";"}])
def test_one_character_cannot_be_both(files: Files, said: dict[str, Any]) -> None:
    with pytest.raises(InvalidArguments, match="the same character"):
        files.open(b"a,b\n", **said)


@pytest.mark.parametrize(
    ("mark", "name", "said"), [(";", "a semicolon", ";"), ("\t", "a tab", "tab"), ("|", "a bar", "|")]
)
def test_another_delimiter_is_told_and_not_taken(files: Files, mark: str, name: str, said: str) -> None:
    data = f"a{mark}b\n1{mark}2\n".encode()
    with pytest.raises(
        InvalidHeader,
        match=f"separated by {name}, not by a comma. If so say delimiter={'[|]' if said == '|' else said},",
    ):
        files.open(data)
    assert files.open(data, delimiter=mark).header == ("a", "b")
    assert files.open(data, delimiter=",").header == (f"a{mark}b",)


def test_a_quoted_delimiter_in_the_only_name_is_no_other_one(files: Files) -> None:
    assert files.open(b'"a,b"\n1\n').header == ("a,b",)


def test_commas_in_a_tsv_file_are_told_too(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a,b\n1,2\n")
    with pytest.raises(InvalidHeader, match="separated by a comma, not by a tab"):
        DelimitedReader(Source(tmp_path / "x", MIB, MIB), Format.tsv)


def test_a_file_without_a_header_has_numbered_columns_and_no_record_less(files: Files) -> None:
    reader = files.open(b'\xef\xbb\xbf1,"2\n2"\n3,x\n', header=False)
    assert reader.header == ("column1", "column2")
    assert rows(reader, columns(reader)) == [("1", "2\n2"), ("3", "x")]
    assert reader.rows_read == 2
    assert files.rejected(b"x,2\n1,2\n", Type.integer, Type.integer, header=False)[0].record == 1


def test_an_empty_file_without_a_header_is_refused(files: Files) -> None:
    with pytest.raises(InvalidHeader, match="empty"):
        files.open(b"", header=False)
