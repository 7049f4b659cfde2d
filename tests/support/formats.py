"""A table of Arrow's as a file of each format."""

from __future__ import annotations

import io
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq


def parquet(table: pa.Table, **how: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **how)
    return file.getvalue()


def arrow(
    table: pa.Table, *, stream: bool = False, compression: Literal["lz4", "zstd"] | None = None, rows: int | None = None
) -> bytes:
    """`rows` to a batch."""
    file = io.BytesIO()
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(file, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, rows)
    return file.getvalue()
