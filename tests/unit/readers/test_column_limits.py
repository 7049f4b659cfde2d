"""What a column cannot hold although it is of its type: every such row is a reject."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.reading import Files, rows

from rescind.domain.rejects import Reject
from rescind.domain.schema import Column, Limits, Type
from rescind.errors import RowsRejected


def rejects(files: Files, data: bytes, *columns: Column) -> list[Reject]:
    reader = files.open(data)
    with pytest.raises(RowsRejected) as caught:
        rows(reader, columns)
    return list(caught.value.rejects)


def column(kind: Type, name: str = "a", **limits: Any) -> Column:
    return Column(name, kind, "", limits=Limits(**limits))


CASES: list[tuple[Column, list[str], list[str], str]] = [
    (column(Type.integer, low=-128, high=127), ["-128", "127", ""], ["128", "999"],
     "more than 127, the greatest that the column holds"),
    (column(Type.text, characters=3), ["äöü", '""', ""], ["abcd", "🙂🙂🙂🙂"],
     "longer than the 3 characters that the column holds"),
    (column(Type.text, values=("s", "m")), ["s", "m", ""], ["S", '""', "xl"],
     "not one of the column's values: 's', 'm'"),
    (column(Type.text, codec="utf8mb3"), ["漢", ""], ["🙂"],
     "holds a character that is not in utf8mb3, the column's encoding"),
    (column(Type.text, nul=False), ["a", ""], ["a\0"], "holds U+0000, which the database cannot store"),
    (column(Type.binary, bytes=2), ["ab", ""], ["abc"], "longer than the 2 bytes that the column holds"),
    (column(Type.decimal, precision=5, scale=2), ["-999.99", "1.5000", "0001", "5.", ""], ["1.005", "0.001"],
     "more than the 2 digits after the point that the column holds"),
    (column(Type.decimal, precision=3, scale=0), ["999", "5.000", "", "NA"], ["1000"],
     "more than the 3 digits before the point that the column holds"),
    (column(Type.time, scale=0), ["12:30:01", ""], ["12:30:01.5"],
     "more than the 0 digits after the point that the column holds"),
    (column(Type.real, single=True), ["3.4e38", ""], ["3.5e38"], "out of range for real of 32 bits"),
    (column(Type.json, bytes=4), ["1234", ""], ["12345"], "longer than the 4 bytes that the column holds"),
]  # fmt: skip


@pytest.mark.parametrize(("limited", "fit", "unfit", "reason"), CASES)
def test_every_row_beyond_a_limit_is_rejected_and_no_other(
    files: Files, limited: Column, fit: list[str], unfit: list[str], reason: str
) -> None:
    good = "".join(f"{value},x\n" for value in fit)
    other = column(Type.text, "b")
    assert len(rows(files.open(f"a,b\n{good}".encode()), [limited, other])) == len(fit)
    bad = "".join(f"{value},x\n" for value in unfit)
    assert rejects(files, f"a,b\n{good}{bad}{good}{bad}".encode(), limited, other) == [
        Reject(record + offset, "a", value.strip('"'), reason)
        for record in (len(fit) + 1, 2 * len(fit) + len(unfit) + 1)
        for offset, value in enumerate(unfit)
    ]


def test_values_of_no_type_and_values_beyond_a_limit_are_named_side_by_side(files: Files) -> None:
    assert rejects(files, b"a\n5\nx\n200\n99999999999999999999\n", column(Type.integer, high=127)) == [
        Reject(2, "a", "x", "not a valid integer"),
        Reject(3, "a", "200", "more than 127, the greatest that the column holds"),
        Reject(4, "a", "99999999999999999999", "out of range for integer"),
    ]


@pytest.mark.parametrize(
    ("scale", "text", "read"),
    [(2, "1.5000", "1.50"), (2, "1.5", "1.5"), (2, "100.00000", "100.00"), (0, "100.000", "100"), (0, "100", "100")],
)
def test_zeros_beyond_the_scale_are_let_go_and_none_before_the_point(
    files: Files, scale: int, text: str, read: str
) -> None:
    reader = files.open(f"a\n{text}\n".encode())
    assert rows(reader, [column(Type.decimal, precision=9, scale=scale)]) == [(read,)]
