"""Values that would make a column of NDJSON something else."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from rescind.domain.arrow import ARROW
from rescind.domain.schema import Column, Table, Type
from rescind.encoders.misfits import fit_for_json
from rescind.errors import Unwritable


def batch(values: list[Any], kind: pa.DataType) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(values, kind)], names=["a"])


def checked(kind: Type, *batches: pa.RecordBatch) -> list[pa.RecordBatch]:
    return list(fit_for_json(Table("t", (Column("a", kind, ""),)), batches))


@pytest.mark.parametrize(
    ("kind", "sound", "text", "row"),
    [
        (Type.integer, [1, None], ["5", "abc"], 4),
        (Type.unsigned, [1, None], ["-1"], 3),
        (Type.real, [1.5, None], [None, "1.5", "x"], 5),
        (Type.boolean, [True, None], ["2", "1"], 3),
        (Type.json, ["{}", None], ["[1]", None, "[1"], 5),
    ],
)
def test_a_value_that_is_none_of_its_type_is_named(kind: Type, sound: list[Any], text: list[Any], row: int) -> None:
    before, after = batch(sound, ARROW[kind]), batch(text, pa.string())
    with pytest.raises(Unwritable, match=f"Row {row} of table 't', .* in column 'a', which is {kind}: NDJSON"):
        checked(kind, before, after)
    assert checked(kind, before, before) == [before, before]


@pytest.mark.parametrize("kind", [Type.date, Type.time, Type.timestamp, Type.timestamptz, Type.decimal, Type.text])
def test_what_json_has_as_text_may_be_any_text(kind: Type) -> None:
    assert len(checked(kind, batch(["infinity", None], pa.string()))) == 1


def test_nothing_at_all_is_of_any_type() -> None:
    assert len(checked(Type.integer, batch([None], pa.null()))) == 1
