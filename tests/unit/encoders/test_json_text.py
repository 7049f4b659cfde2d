from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rescind.domain.schema import Column, Type
from rescind.encoders import json_text

TEXTS = st.lists(st.none() | st.text(st.characters(codec="utf-8")), max_size=20)
JSON = (Column("j", Type.json, ""),)


def rows_of(batches: list[pa.RecordBatch]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(b"[" + b"".join(json_text.json_array((), batches)) + b"]")
    return found


@given(TEXTS, st.text(st.characters(codec="utf-8")))
def test_any_text_comes_back_from_json(values: list[str | None], name: str) -> None:
    batch = pa.record_batch([pa.array(values, pa.string())], names=[name])
    assert rows_of([batch]) == [{name: value} for value in values]
    lines = b"".join(json_text.ndjson((), [batch])).splitlines()
    assert [json.loads(line) for line in lines] == [{name: value} for value in values]


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        (2**62, pa.int64(), 2**62),
        (1.5, pa.float64(), 1.5),
        (float("nan"), pa.float64(), "NaN"),
        (float("-inf"), pa.float64(), "-Infinity"),
        (True, pa.bool_(), True),
        (Decimal("1.10"), pa.decimal128(5, 2), "1.10"),
        (date(2026, 2, 3), pa.date32(), "2026-02-03"),
        (datetime(2026, 2, 3, 4, 5, 6, 7), pa.timestamp("us"), "2026-02-03T04:05:06.000007"),  # noqa: DTZ001
        (datetime(2026, 2, 3, 4, 5, 6, 7, UTC), pa.timestamp("us", "UTC"), "2026-02-03T04:05:06.000007Z"),
        (time(4, 5), pa.time64("us"), "04:05:00"),
        (2**64 - 1, pa.uint64(), 2**64 - 1),
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
        (datetime(2026, 2, 3, 4, 5, 6, 7, UTC), Type.timestamptz),
        (time(4, 5, 6, 7), Type.time),
        ("-12.50", Type.decimal),
        ("0192f0c0-0000-7000-8000-00000000abcd", Type.uuid),
        (2**64 - 1, Type.unsigned),
        (b"\x00\xff", Type.binary),
        ("x", Type.text),
        (5, Type.integer),
    ],
)
def test_keys_come_back_from_cursors(value: object, kind: Type) -> None:
    assert json_text.from_plain(json_text.plain(value), kind) == value


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("2026-02-03T04:05:06", Type.timestamptz),
        ("2026-02-03T04:05:06Z", Type.timestamp),
        ("1e999999999", Type.decimal),
        ("NaN", Type.decimal),
        ("x", Type.uuid),
        ("25:00", Type.time),
        ("=", Type.binary),
        (5, Type.decimal),
        (5, Type.timestamptz),
    ],
)
def test_what_is_no_key_of_that_type_is_refused(value: object, kind: Type) -> None:
    with pytest.raises((TypeError, ValueError)):
        json_text.from_plain(value, kind)


def test_json_is_there_letter_by_letter() -> None:
    texts = ['{"a": 1.10, "a": 12345678901234567890.0}', None, '"\\u0041"', "[1,\r\n 2]"]
    batch = pa.record_batch([pa.array(texts, pa.string())], names=["j"])
    said = [*texts[:1], "null", texts[2], "[1,   2]"]
    assert b"".join(json_text.json_array(JSON, [batch])).decode() == ",".join(f'{{"j":{text}}}' for text in said)
    assert b"".join(json_text.ndjson(JSON, [batch])).decode().count("\n") == len(texts)
    assert rows_of([batch])[2] == {"j": '"\\u0041"'}


def test_a_column_that_is_not_all_json_is_text() -> None:
    """SQLite takes anything for JSON."""
    batch = pa.record_batch([pa.array(["1", "{", None])], names=["j"])
    assert b"".join(json_text.json_array(JSON, [batch])) == b'{"j":"1"},{"j":"{"},{"j":null}'
