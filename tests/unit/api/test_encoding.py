from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rescind.api import encoding
from rescind.domain.schema import Type

TEXTS = st.lists(st.none() | st.text(st.characters(codec="utf-8")), max_size=20)


def rows_of(batches: list[pa.RecordBatch]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(b"[" + b"".join(encoding.json_array(batches)) + b"]")
    return found


@given(TEXTS, st.text(st.characters(codec="utf-8")))
def test_any_text_comes_back_from_json(values: list[str | None], name: str) -> None:
    batch = pa.record_batch([pa.array(values, pa.string())], names=[name])
    assert rows_of([batch]) == [{name: value} for value in values]
    lines = b"".join(encoding.ndjson([batch])).splitlines()
    assert [json.loads(line) for line in lines] == [{name: value} for value in values]


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        (2**62, pa.int64(), 2**62),
        (1.5, pa.float64(), 1.5),
        (float("nan"), pa.float64(), None),
        (float("-inf"), pa.float64(), None),
        (True, pa.bool_(), True),
        (Decimal("1.10"), pa.decimal128(5, 2), "1.10"),
        (date(2026, 2, 3), pa.date32(), "2026-02-03"),
        (datetime(2026, 2, 3, 4, 5, 6, 7), pa.timestamp("us"), "2026-02-03T04:05:06.000007"),  # noqa: DTZ001
        (b"\x00\xff", pa.binary(), "AP8="),
        (None, pa.null(), None),
    ],
)
def test_every_type_has_its_json(value: object, kind: pa.DataType, said: object) -> None:
    batch = pa.record_batch([pa.array([value, None], kind)], names=["a"])
    assert rows_of([batch]) == [{"a": said}, {"a": None}]


def test_batches_follow_one_another() -> None:
    batch = pa.record_batch({"a": [1, 2], "b": ["x", None]})
    empty = batch.slice(0, 0)
    expected = [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert rows_of([empty, batch, empty, batch.slice(1)]) == [*expected, expected[1]]
    assert rows_of([]) == []


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (date(2026, 2, 3), Type.date),
        (datetime(2026, 2, 3, 4, 5, 6, 7), Type.timestamp),  # noqa: DTZ001
        (b"\x00\xff", Type.binary),
        ("x", Type.text),
        (5, Type.integer),
    ],
)
def test_keys_come_back_from_cursors(value: object, kind: Type) -> None:
    assert encoding.from_plain(encoding.plain(value), kind) == value
