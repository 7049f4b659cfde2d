"""Which columns of a file go where."""

from __future__ import annotations

import pytest

from rescind.domain.schema import Column, Table, Type
from rescind.errors import MissingColumn, UnknownColumn
from rescind.tasks.load import match

TABLE = Table(
    "t",
    (
        Column("id", Type.integer, "INTEGER", has_default=True, key=1),
        Column("name", Type.text, "TEXT"),
        Column("since", Type.date, "DATE", has_default=True),
        Column("twice", Type.integer, "INTEGER", generated=True),
    ),
)


def test_columns_come_in_the_files_order() -> None:
    assert [c.name for c in match(["since", "name", "id"], TABLE)] == ["since", "name", "id"]


def test_a_column_that_the_database_fills_may_be_absent() -> None:
    assert [c.name for c in match(["name"], TABLE)] == ["name"]


@pytest.mark.parametrize("header", [["id", "since"], []])
def test_any_other_absent_column_is_named(header: list[str]) -> None:
    with pytest.raises(MissingColumn, match="'name'"):
        match(header, TABLE)


@pytest.mark.parametrize("extra", ["other", "NAME", ""])
def test_an_extra_column_is_named(extra: str) -> None:
    with pytest.raises(UnknownColumn, match=repr(extra)):
        match(["name", extra], TABLE)


def test_a_computed_column_cannot_be_loaded() -> None:
    with pytest.raises(UnknownColumn, match="computed"):
        match(["name", "twice"], TABLE)
