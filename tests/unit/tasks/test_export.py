"""What an export is called, and what cannot be asked for together."""

from __future__ import annotations

from typing import Any

import pytest

from rescind.errors import InvalidArguments
from rescind.tasks import export


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("orders", "orders.csv"),
        ("größe €", "größe.csv"),
        ("../../etc/passwd", "etc_passwd.csv"),
        ('a"; filename=b\r\nx', "a_filename_b_x.csv"),
        (".hidden", "hidden.csv"),
        ("-rf", "rf.csv"),
        ("..", "table.csv"),
        ("x" * 255, "x" * 100 + ".csv"),
    ],
)
def test_the_name_of_a_table_makes_a_plain_name_of_a_file(table: str, name: str) -> None:
    assert export.file_name(table, "csv", spreadsheet=False) == name


def test_a_file_for_spreadsheets_is_called_so() -> None:
    assert export.file_name("orders", "csv", spreadsheet=True) == "orders.spreadsheet.csv"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"targets": ("a", "b")}, "targets"),
        ({"columns": ["x", "y", "x"]}, "columns"),
        ({"spreadsheet": True, "format": "ndjson"}, "spreadsheet"),
        ({"spreadsheet": True, "format": "parquet"}, "spreadsheet"),
    ],
)
def test_what_does_not_go_together_is_named(given: dict[str, Any], named: str) -> None:
    usual: dict[str, Any] = {"columns": None, "format": "csv", "spreadsheet": False, "targets": ("a",)}
    with pytest.raises(InvalidArguments) as caught:
        export.check(**usual | given)
    assert [problem["name"] for problem in caught.value.problems] == [named]
    export.check(**usual)
