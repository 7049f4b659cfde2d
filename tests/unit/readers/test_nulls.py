"""What is NULL, what is an empty string, and what the letters NA are."""

from __future__ import annotations

import pytest
from tests.support.reading import Files, rows

from rescind.domain.rejects import Reject
from rescind.domain.schema import Column, Type
from rescind.errors import RowsRejected

NOT_TEXT = [type_ for type_ in Type if type_ not in (Type.text, Type.binary)]


def test_an_empty_unquoted_field_is_null_and_a_quoted_one_the_empty_string(files: Files) -> None:
    assert files.rows(b'a,b\n,""\n"",\n') == [(None, ""), ("", None)]


def test_text_keeps_na(files: Files) -> None:
    assert files.rows(b'a,b\nNA,"NA"\n') == [("NA", "NA")]
    assert files.rows(b"a,b\nNA,\n", Type.binary, Type.binary) == [(b"NA", None)]


@pytest.mark.parametrize("type_", NOT_TEXT)
def test_unquoted_na_is_null_in_a_column_that_is_not_text(files: Files, type_: Type) -> None:
    assert files.rows(b"a,b\nNA,NA\n,NA\n", type_, Type.text) == [(None, "NA"), (None, "NA")]


@pytest.mark.parametrize("type_", NOT_TEXT)
def test_quoted_na_is_a_value_that_fits_text_alone(files: Files, type_: Type) -> None:
    """The quotes are known to matter although the same block has both."""
    assert files.rejected(b'a,b\nNA,1\n"NA",2\nNA,"NA"\n', type_, Type.text) == [
        Reject(2, "a", "NA", f"not a valid {type_}")
    ]


@pytest.mark.parametrize("type_", NOT_TEXT)
def test_a_quoted_empty_field_fits_text_alone(files: Files, type_: Type) -> None:
    assert files.rejected(b'a,b\n"",1\n', type_, Type.text) == [Reject(1, "a", "", f"not a valid {type_}")]


@pytest.mark.parametrize("value", ["na", "N/A", "NAN", "NULL", "null", r"\N", " NA", "NA "])
def test_no_other_word_is_null(files: Files, value: str) -> None:
    assert files.rejected(f"a\n{value}\n".encode(), Type.integer) == [Reject(1, "a", value, "not a valid integer")]


def test_null_where_the_column_does_not_allow_it_is_rejected(files: Files) -> None:
    reason = "no value, but the column does not allow NULL"
    assert files.rejected(b"a,b\n1,\n2,NA\nNA,x\n", Type.integer, Type.text, nullable=False) == [
        Reject(1, "b", None, reason),
        Reject(3, "a", "NA", reason),
    ]


def test_null_does_not_stand_for_a_default(files: Files) -> None:
    """It is written as NULL; the default is for a column that the file lacks."""
    reader = files.open(b"a,b\n,1\n2,1\n")
    wanted = [Column("a", Type.integer, "", nullable=False, has_default=True), Column("b", Type.integer, "")]
    with pytest.raises(RowsRejected) as caught:
        rows(reader, wanted)
    assert [(reject.record, reject.column) for reject in caught.value.rejects] == [(1, "a")]


def test_in_a_file_of_one_column_an_empty_line_is_a_null(files: Files) -> None:
    assert files.rows(b'a\n1\n\n""\n3\n') == [("1",), (None,), ("",), ("3",)]


def test_in_a_wider_file_an_empty_line_is_nothing_and_is_not_counted(files: Files) -> None:
    reader = files.open(b"a,b\n1,2\n\n\r\n3\n\n")
    with pytest.raises(RowsRejected) as caught:
        rows(reader, [Column("a", Type.text, ""), Column("b", Type.text, "")])
    assert [reject.record for reject in caught.value.rejects] == [2]


def test_said_spellings_take_the_place_of_the_usual_ones(files: Files) -> None:
    data = b'a,b\n-,1\nn/a,"-"\nNA,\n"",-\n'
    assert files.rows(data, null=["-", "n/a"]) == [(None, "1"), (None, "-"), ("NA", ""), ("", None)]


def test_a_said_spelling_is_null_in_every_type(files: Files) -> None:
    header = ",".join(Type)
    data = f"{header}\n{','.join('-' for _ in Type)}\n".encode()
    assert files.rows(data, *Type, null=["-"]) == [(None,) * len(Type)]


def test_what_is_no_longer_null_is_a_value(files: Files) -> None:
    assert files.rejected(b"a,b\nNA,x\n,x\n-,x\n", Type.integer, Type.text, null=["-"]) == [
        Reject(1, "a", "NA", "not a valid integer"),
        Reject(2, "a", "", "not a valid integer"),
    ]


def test_spellings_are_taken_by_the_letter(files: Files) -> None:
    assert files.rows(b"a\nNULL\nnull\n NULL\n", null=["NULL"]) == [(None,), ("null",), (" NULL",)]


def test_where_nothing_is_null(files: Files) -> None:
    assert files.rows(b"a,b\n,NA\n", null=[]) == [("", "NA")]


def test_types_are_told_without_the_said_nulls(files: Files) -> None:
    assert files.inferred("1", "-", "2", null=["-"]) is Type.integer
    assert files.inferred("1", "NA", null=["-"]) is Type.text
