"""Why a column has the type that it has: which value first ruled out each narrower one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rescind.domain.rejects import shorten
from rescind.domain.schema import Type
from rescind.readers.inference import NARROWEST_FIRST, holds
from rescind.readers.spelling import Spelling


class Evidence(NamedTuple):
    """The first value that is not of a type, and its record in the file, from 1."""

    type: Type
    record: int
    value: str


def narrowest(
    text: pa.StringArray, records: npt.NDArray[np.int64], spelling: Spelling
) -> tuple[Type, tuple[Evidence, ...]]:
    """The narrowest type that holds all values, and what ruled out those that are narrower still.

    `records` are the numbers of the text's records. Without a value nothing is ruled out, and the type is text.
    """
    rows = np.flatnonzero(text.is_valid().to_numpy(zero_copy_only=False))
    values = text.drop_null()
    evidence: list[Evidence] = []
    for type_ in NARROWEST_FIRST if len(values) else ():
        row = first_unlike(type_, values, spelling)
        if row is None:
            return type_, tuple(evidence)
        evidence.append(Evidence(type_, int(records[rows[row]]), shorten(values[row].as_py())))
    return Type.text, tuple(evidence)


def first_unlike(type_: Type, values: pa.StringArray, spelling: Spelling) -> int | None:
    """Where the first value stands that is not of the type; None if there is none. No value is null."""
    if not holds(type_, values.slice(0, 1), spelling):  # by far the commonest, and cheap to see
        return 0
    if holds(type_, values, spelling):
        return None
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        if holds(type_, values.slice(low, middle - low), spelling):
            low = middle
        else:
            high = middle
    return low
