"""`generate`: rows of random text, as many as wanted; the demo's `/insert`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

import numpy as np
import pyarrow as pa
from pydantic import Field, create_model

from rescind.domain.schema import Column, Table, Type
from rescind.errors import NotMadeHere, UnknownTable
from rescind.tasks.transaction import Transaction
from rescind.tasks.transactional import TaskDefinition, transactional

FIELDS = ("field1", "field2")
SHORTEST, LONGEST = 8, 12  #: characters of a value
BATCH_ROWS = 50_000

_ALPHABET = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", dtype=np.uint8)


def demo_table(name: str) -> Table:
    """The demo's table: `id` by the database, two short texts."""
    return Table(
        name,
        (
            Column("id", Type.integer, "", nullable=False, has_default=True, key=1),
            *(Column(field, Type.text, "VARCHAR(50)") for field in FIELDS),
        ),
    )


@transactional(name="generate", anywhere=True)
def generate(
    tx: Transaction,
    table: Annotated[str, Field(max_length=64, pattern=r"\S")] = "data",
    rows: Annotated[int, Field(ge=1)] = 100_000,
    seed: Annotated[int, Field(ge=0)] | None = None,
    made_by_rescind: bool = False,
) -> dict[str, int]:
    """Insert rows of random text into `field1` and `field2`; the table is made if it is missing.

    The same seed gives the same rows; without one, the task's id is the seed. With `made_by_rescind` a table
    that Rescind did not make is refused.
    """
    tables = {target: existing_or_made(tx, table, made_by_rescind, target) for target in tx.targets}
    tx.progress(phase="writing", rows_total=rows * len(tables))
    with ExitStack() as stack:
        writing = [stack.enter_context(tx.writer(found, FIELDS, target)) for target, found in tables.items()]
        for batch in batches(rows, UUID(tx.task_id).int if seed is None else seed):
            for writer in writing:
                writer.write(batch)
    return {"rows": rows}


def limited(most_rows: int) -> TaskDefinition:
    """`generate` with the limit of the settings."""
    fields: dict[str, Any] = {"rows": (Annotated[int, Field(ge=1, le=most_rows)], 100_000)}
    model = create_model(generate.arguments.__name__, __base__=generate.arguments, **fields)
    return replace(generate, arguments=model)


def existing_or_made(tx: Transaction, name: str, made_by_rescind: bool, target: str) -> Table:
    """The table to write to. Raises NotMadeHere, UnknownColumn."""
    try:
        table = tx.table(name, target)
    except UnknownTable:
        table = demo_table(name)
        tx.create_table(table, target)
        return table
    if made_by_rescind and not tx.made_here(name, target):
        raise NotMadeHere(f"Table {name} was not made by Rescind; nothing was changed.")
    table.only(FIELDS)  # before another target's table is made, or a row
    return table


def batches(rows: int, seed: int) -> Iterator[pa.RecordBatch]:
    """`rows` rows in batches of BATCH_ROWS: two columns of text, the same for the same seed."""
    random = np.random.Generator(np.random.PCG64(seed))
    for first in range(0, rows, BATCH_ROWS):
        count = min(BATCH_ROWS, rows - first)
        yield pa.record_batch([_texts(random, count) for _ in FIELDS], names=list(FIELDS))


def _texts(random: np.random.Generator, count: int) -> pa.StringArray:
    """Arrow text built from its two buffers: no Python object is made for any row."""
    offsets = np.zeros(count + 1, dtype=np.int32)
    np.cumsum(random.integers(SHORTEST, LONGEST + 1, count, dtype=np.int32), out=offsets[1:])
    characters = _ALPHABET[random.integers(0, len(_ALPHABET), int(offsets[-1]), dtype=np.uint8)]
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets.data), pa.py_buffer(characters.data))
