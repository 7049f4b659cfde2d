"""`generate`'s rows."""

from __future__ import annotations

import pyarrow as pa
import pytest

from rescind.errors import InvalidArguments
from rescind.tasks.generate import BATCH_ROWS, batches, generate, limited


def rows(count: int, seed: int) -> pa.Table:
    return pa.Table.from_batches(batches(count, seed))


@pytest.mark.parametrize("count", [1, BATCH_ROWS, BATCH_ROWS + 1])
def test_as_many_rows_as_asked_for_of_8_to_12_alphanumeric_characters(count: int) -> None:
    table = rows(count, 7)
    assert table.num_rows == count
    for name in ("field1", "field2"):
        values = [str(value) for value in table[name].to_pylist()]
        assert all(8 <= len(value) <= 12 and value.isascii() and value.isalnum() for value in values)


def test_the_same_seed_gives_the_same_rows_and_another_gives_others() -> None:
    assert rows(1000, 7).equals(rows(1000, 7))
    assert not rows(1000, 7).equals(rows(1000, 8))


@pytest.mark.parametrize("number", [0, -1, 11, "5", 1.5, True, None])
def test_a_number_of_rows_out_of_range_or_of_another_type_is_refused(number: object) -> None:
    with pytest.raises(InvalidArguments, match="rows"):
        limited(10).check({"rows": number})


def test_arguments_have_defaults_and_unknown_ones_are_named() -> None:
    assert generate.check({}) == {"table": "data", "rows": 100_000, "seed": None, "made_by_rescind": False}
    with pytest.raises(InvalidArguments, match="colour"):
        generate.check({"colour": "red"})
