"""Which field of a file goes into which column."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rescind.domain.schema import Column, Table, Type
from rescind.errors import InvalidArguments, MissingColumn, UnknownColumn
from rescind.tasks.matching import AS_NAMED, Naming, agreed, columns_of_fields, match, new_table

TABLE = Table(
    "t",
    (
        Column("id", Type.integer, "INTEGER", nullable=False, has_default=True, key=1),
        Column("name", Type.text, "TEXT", nullable=False),
        Column("note", Type.text, "TEXT"),
        Column("since", Type.date, "DATE", nullable=False, has_default=True),
        Column("twice", Type.integer, "INTEGER", generated=True),
    ),
)


def matched(header: Sequence[str], said: Naming = AS_NAMED, *, with_header: bool = True) -> list[tuple[str, str]]:
    found = columns_of_fields(header, said, named=with_header)
    return [(field, column.name) for field, column in match(found, TABLE)]


def test_fields_come_in_the_files_order() -> None:
    assert matched(["since", "name", "id"]) == [("since", "since"), ("name", "name"), ("id", "id")]


def test_a_column_that_the_database_fills_or_that_may_be_null_may_be_absent() -> None:
    assert matched(["name"]) == [("name", "name")]


@pytest.mark.parametrize("header", [["id", "since", "note"], []])
def test_any_other_absent_column_is_named(header: list[str]) -> None:
    with pytest.raises(MissingColumn, match="column 'name' of t"):
        matched(header)


@pytest.mark.parametrize("extra", ["other", ""])
def test_an_extra_field_is_named(extra: str) -> None:
    with pytest.raises(UnknownColumn, match=repr(extra)):
        matched(["name", extra])


def test_letters_of_another_case_are_told() -> None:
    with pytest.raises(UnknownColumn, match="no column 'Name'; it has 'name', and names are compared exactly"):
        matched(["Name"])


def test_a_computed_column_cannot_be_loaded() -> None:
    with pytest.raises(UnknownColumn, match="computed"):
        matched(["name", "twice"])


def test_a_field_can_have_another_name_than_its_column() -> None:
    said = Naming(columns=("Full name:name", "note"))
    assert matched(["Full name", "note", "id"], said) == [("Full name", "name"), ("note", "note"), ("id", "id")]


@pytest.mark.parametrize(
    ("header", "entry", "found"),
    [
        (["a:b"], "a:b:name", ("a:b", "name")),
        (["a:b", "a"], "a:b:name", None),  # the first colon behind a field is meant, and there is no column b:name
        (["name:x"], "name:x", None),  # names itself, and there is no such column
    ],
)
def test_a_colon_may_be_part_of_a_fields_name(header: list[str], entry: str, found: tuple[str, str] | None) -> None:
    if found is None:
        with pytest.raises(UnknownColumn):
            matched(header, Naming(columns=(entry,)))
    else:
        assert matched(header, Naming(columns=(entry,))) == [found]


def test_a_field_may_be_ignored() -> None:
    assert matched(["name", "junk"], Naming(ignore=("junk",))) == [("name", "name")]


@pytest.mark.parametrize(
    ("said", "parameter"), [(Naming(columns=("x:name",)), "columns"), (Naming(ignore=("x",)), "ignore")]
)
def test_a_field_that_the_file_lacks_is_named_with_those_it_has(said: Naming, parameter: str) -> None:
    with pytest.raises(InvalidArguments, match=rf"^{parameter}: the file has no field 'x'; it has 'name', 'note'\.$"):
        matched(["name", "note"], said)


def test_two_fields_cannot_be_for_one_column() -> None:
    with pytest.raises(UnknownColumn, match="for column 'name'"):
        matched(["name", "b"], Naming(columns=("b:name",)))


def test_without_a_header_columns_are_named_by_position() -> None:
    said = Naming(columns=("name", "id"), ignore=("column2",))
    assert matched(["column1", "column2", "column3"], said, with_header=False) == [
        ("column1", "name"),
        ("column3", "id"),
    ]


def test_as_many_columns_are_named_as_there_are_fields() -> None:
    with pytest.raises(InvalidArguments, match="names 1 columns, and the file has 2"):
        matched(["column1", "column2"], Naming(columns=("name",)), with_header=False)


def test_a_new_tables_columns_are_called_as_wanted_and_lack_what_is_ignored() -> None:
    inferred = [Column("A", Type.integer, ""), Column("B", Type.text, ""), Column("C", Type.date, "")]
    found = columns_of_fields(["A", "B", "C"], Naming(columns=("A:a",), ignore=("B",)), named=True)
    table = new_table("t", inferred, found)
    assert [(c.name, c.type) for c in table.columns] == [("a", Type.integer), ("C", Type.date)]
    assert (table.key, table.unique) == ((), ())


def test_a_new_tables_key_has_its_order_and_no_nulls() -> None:
    inferred = [Column("a", Type.integer, ""), Column("b", Type.text, ""), Column("c", Type.date, "")]
    table = new_table("t", inferred, {"a": "a", "b": "B", "c": "c"}, ["c", "B"])
    assert [column.name for column in table.key] == ["c", "B"]
    assert [column.nullable for column in table.columns] == [True, False, False]
    assert table.unique == (("c", "B"),)


def test_a_new_tables_key_is_among_its_columns() -> None:
    with pytest.raises(InvalidArguments, match=r"^key: the table to be made has no column 'x'"):
        new_table("t", [Column("a", Type.integer, "")], {"a": "a"}, ["x"])


def test_targets_whose_types_differ_are_named() -> None:
    other = Table("t", (Column("name", Type.integer, "INT"),))
    found = {"name": "name"}
    with pytest.raises(InvalidArguments, match="'name' is text in target a, but integer in target b"):
        agreed({"a": match(found, TABLE), "b": match(found, other)})
