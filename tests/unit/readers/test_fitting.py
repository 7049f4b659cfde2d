"""What a reader lets through fits its columns by the rule that writers go by, who do not look again."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from tests.support.reading import never

from rescind.domain.limits import require
from rescind.domain.schema import Column, Limits, Type
from rescind.readers.dialect import Dialect
from rescind.readers.fields import Parser
from rescind.readers.fitting import Given, fit
from rescind.readers.reader import Rows
from rescind.readers.records import Block
from rescind.readers.rows import typed_rows
from rescind.readers.spelling import Spelling

#: Every kind of limit, near enough to the values below for both sides of it to be met.
LIMITED = [
    (Type.integer, Limits(low=-5, high=127)),
    (Type.unsigned, Limits(high=255)),
    (Type.real, Limits(single=True, finite=True)),
    (Type.decimal, Limits(precision=4, scale=2)),
    (Type.decimal, Limits(precision=3, scale=-2)),
    (Type.decimal, Limits(precision=3)),
    (Type.decimal, Limits(number=True, finite=True)),
    (Type.boolean, Limits()),
    (Type.date, Limits(low=0, high=20_000)),
    (Type.time, Limits(scale=0)),
    (Type.timestamp, Limits(low=0, scale=3)),
    (Type.timestamptz, Limits(high=10**15, scale=0)),
    (Type.text, Limits(characters=3, nul=False, codec="latin-1")),
    (Type.text, Limits(values=("1", "true", "a"))),
    (Type.text, Limits(number=True, bytes=8)),
    (Type.binary, Limits(bytes=2)),
    (Type.json, Limits(nul=False, characters=8)),
    (Type.uuid, Limits()),
]
COLUMNS = st.builds(
    lambda limited, nullable: Column("c", limited[0], "", nullable, limits=limited[1]),
    st.sampled_from(LIMITED),
    st.booleans(),
)
TEXTS = st.one_of(
    st.text(alphabet="0123456789+-.eE", max_size=7),
    st.text(alphabet='01a{}[]":\\uäé漢🙂', max_size=6),
    st.sampled_from(
        [
            "true",
            "F",
            "nan",
            "Infinity",
            "1e400",
            "24:00",
            "12:00",
            "12:00:00.5",
            "1970-01-02",
            "2024-02-29",
            "2024-02-30",
            "0000-01-01",
            "2024-02-29T12:00Z",
            "2024-02-29T12:00:00.5",
            "2024-02-29 12:00:00.123456+05:30",
            r"\x00ff",
            "0123ABCD-0123-0123-0123-0123456789ab",
            "{0123abcd-0123-0123-0123-0123456789ab}",
            r'"\u0000"',
        ]
    ),
)
VALUES = st.one_of(
    st.tuples(st.just(pa.string()), st.lists(st.none() | TEXTS)),
    st.tuples(st.just(pa.int64()), st.lists(st.none() | st.integers(-300, 300))),
    st.tuples(st.just(pa.uint64()), st.lists(st.none() | st.integers(0, 2**64 - 1))),
    st.tuples(st.just(pa.float64()), st.lists(st.none() | st.floats())),
    st.tuples(st.just(pa.float32()), st.lists(st.none() | st.floats(width=32))),
    st.tuples(st.just(pa.decimal128(9, 3)), st.lists(st.none() | st.decimals(-99999, 99999, places=3))),
    st.tuples(st.just(pa.bool_()), st.lists(st.none() | st.booleans())),
    st.tuples(st.just(pa.binary()), st.lists(st.none() | st.binary(max_size=4))),
    st.tuples(st.just(pa.date32()), st.lists(st.none() | st.dates())),
    st.tuples(st.just(pa.time64("us")), st.lists(st.none() | st.times())),
    st.tuples(st.just(pa.timestamp("us")), st.lists(st.none() | st.datetimes())),
    st.tuples(st.just(pa.timestamp("us", "UTC")), st.lists(st.none() | st.datetimes(timezones=st.just(UTC)))),
)


def test_a_stop_is_heard_at_each_column() -> None:
    """A block whose values are all wrong takes seconds if it is wide."""
    asked: list[None] = []
    fields = Parser(3, Dialect()).parse(Block(b"x,y,z\n", 0))
    columns = [(Column(name, Type.integer, ""), place) for place, name in enumerate("abc")]
    typed_rows(fields, columns, Spelling(), None, lambda: asked.append(None))
    assert len(asked) == len(columns)


def expect_fitting(rows: Rows, column: Column) -> None:
    assert rows.columns == (column,)
    require(rows.columns, rows.batch.columns)


@given(column=COLUMNS, typed=VALUES)
def test_typed_values_that_are_let_through_fit(column: Column, typed: tuple[pa.DataType, list[Any]]) -> None:
    kind, values = typed
    rows = fit([Given(column, pa.array(values, kind))], np.arange(len(values)) + 1, None)
    assert rows.batch.num_rows + rows.rejected == len(values)
    expect_fitting(rows, column)


@given(column=COLUMNS, texts=st.lists(TEXTS, min_size=1))
def test_fields_of_text_that_are_let_through_fit(column: Column, texts: list[str]) -> None:
    quoted = "".join('"' + text.replace('"', '""') + '"\n' for text in texts)
    fields = Parser(1, Dialect()).parse(Block(quoted.encode(), 0))
    rows = typed_rows(fields, [(column, 0)], Spelling(), None, never)
    assert rows.batch.num_rows + rows.rejected == len(texts)
    expect_fitting(rows, column)
