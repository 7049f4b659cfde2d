"""Types from the whole file, such that nothing is altered."""

from __future__ import annotations

import pytest
from tests.support.reading import Files, never

from rescind.domain.schema import Type

CASES: list[tuple[Type, list[str]]] = [
    (Type.integer, ["1", "-2", "0"]),
    (Type.integer, ["1", "NA", ""]),
    (Type.integer, ["NA", str(2**63 - 1), str(-(2**63))]),
    (Type.integer, ["0", "1"]),
    (Type.integer, ['"1"', "2"]),
    (Type.real, ["1", "2.5"]),
    (Type.real, ["1.50", "-0.1", "1.0E5", "1e+21", "1E-3", ".5", "NA"]),
    (Type.real, ["0.30000000000000004"]),
    (Type.boolean, ["true", "false", "NA", ""]),
    (Type.boolean, ["True", "FALSE"]),
    (Type.date, ["2024-02-29", "NA"]),
    (Type.timestamp, ["2024-02-29 10:11", "2024-02-29T10:11:12.5Z"]),
    (Type.text, []),
    (Type.text, ["", "NA"]),
    (Type.text, ["01234", "5"]),
    (Type.text, ["007.5"]),
    (Type.text, ["+1"]),
    (Type.text, [str(2**63)]),
    (Type.text, ["1.5", str(2**63)]),
    (Type.text, ["1.5", str(2**53 + 1)]),
    (Type.text, ["0.1234567890123456789"]),
    (Type.text, ["1234567890.12345678901"]),
    (Type.text, ["0.5", "100000000000000000000.5"]),
    (Type.real, ["1.2345678901234567e-05", "-0.00012345678901234567", "123456789012.5"]),
    (Type.text, ["00.5"]),
    (Type.text, ["-01.5"]),
    (Type.text, ["1E5"]),
    (Type.text, ["1.5", "2e7"]),
    (Type.text, ["-1E5"]),
    (Type.text, ["1.5e999"]),
    (Type.text, ["1.0", "1e-400"]),
    (Type.text, ["1.23456789012345e-320"]),
    (Type.text, ["0." + 400 * "0" + "1"]),
    (Type.real, ["0.0", "-0e-999", "2.2250738585072014e-308"]),
    (Type.text, ["nan"]),
    (Type.text, ["1", '"NA"']),
    (Type.text, ["1", '""']),
    (Type.text, ["1", "x"]),
    (Type.text, ["true", "1"]),
    (Type.text, ["t", "f"]),
    (Type.text, ["2024-02-30"]),
    (Type.text, ["2024-02-29", "2024-02-29 10:11"]),
    (Type.text, ["0x10"]),
    (Type.text, [" 1"]),
]


@pytest.mark.parametrize(("type_", "values"), CASES)
def test_a_column_gets_the_narrowest_type_that_alters_nothing(files: Files, type_: Type, values: list[str]) -> None:
    assert files.inferred(*values) is type_


def test_negative_zero_keeps_its_sign(files: Files) -> None:
    assert files.inferred("-0") is Type.real


def test_one_value_at_the_very_end_counts(files: Files) -> None:
    """No sample would see it."""
    lines = b"1,2024-01-01,2.5\n" * 300_000
    reader = files.open(b"a,b,c\n" + lines + b"x,,NA\n")
    assert [column.type for column in reader.infer(never)] == [Type.text, Type.date, Type.real]
    assert reader.rows_read == 300_001


def test_columns_come_with_the_files_names_in_its_order(files: Files) -> None:
    found = files.open(b'b,"a,c"\n1,x\n').infer(never)
    assert [(column.name, column.type, column.declared) for column in found] == [
        ("b", "integer", ""),
        ("a,c", "text", ""),
    ]


def test_records_that_cannot_be_read_do_not_count(files: Files) -> None:
    """They are rejected when the rows are read."""
    reader = files.open(b'a,b\n1,2\nx\ny,"z"z\n3,4\n')
    assert [column.type for column in reader.infer(never)] == [Type.integer, Type.integer]
    assert reader.rows_read == 4
