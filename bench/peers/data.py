"""The files that are loaded: each with the table it goes into, and the same rows as plain CSV for the own clients."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.parquet as pq

from bench.quick import FLIGHTS
from rescind.tasks.generate import batches

BLOCK_ROWS = 100_000
POOL = 5_000  #: different texts in a column of words
NARROW_TYPES = {"field1": "varchar(50)", "field2": "varchar(50)"}
MIXED_TYPES = {
    "number": "bigint",
    "account": "integer",
    "quantity": "integer",
    "price": "decimal(12,2)",
    "tax": "decimal(8,4)",
    "ratio": "double",
    "created": "timestamp",
    "updated": "timestamp",
    "day": "date",
    "code": "varchar(12)",
    "city": "varchar(60)",
    "note": "text",
    "remark": "text",
    "flag": "smallint",
    "score": "integer",
}
PARQUET_TYPES = {
    "date": "timestamp",
    "delay": "bigint",
    "distance": "bigint",
    "origin": "text",
    "destination": "text",
}
_FLIGHT_TYPES = dict.fromkeys(("carrier", "tailnum", "origin", "dest"), "text") | {"time_hour": "timestamp"}


@dataclass(frozen=True)
class Data:
    """`types`: column to type, in the names of `places`. `null`: how the plain file spells it."""

    name: str
    file: Path
    plain: Path
    rows: int
    types: dict[str, str]
    null: str = ""
    numbered: bool = False  #: whether the table has a key, too, that the database counts: the demo's has
    indexed: tuple[str, ...] = ()  #: columns that the table has an index of, each

    def with_indexes(self) -> Data:
        """The same file into a table that has no key, and an index of each column."""
        return replace(self, name=f"{self.name} with two indexes", numbered=False, indexed=tuple(self.types))

    def head(self, rows: int) -> Data:
        """Its first rows, for what would take hours; records are lines in it."""
        rows = min(rows, self.rows)
        file = self.plain.with_name(f"{self.plain.stem}-head-{rows}.csv")
        with self.plain.open() as lines, file.open("w") as kept:
            kept.writelines(islice(lines, rows + 1))
        return replace(self, name=f"{self.name}, {rows:,} rows", file=file, plain=file, rows=rows)


def narrow(directory: Path, rows: int) -> Data:
    """The demo's table."""
    file = directory / f"narrow-{rows}.csv"
    _write_csv(file, batches(rows, seed=1))
    return Data("narrow CSV", file, file, rows, NARROW_TYPES, numbered=True)


def mixed(directory: Path, rows: int) -> Data:
    """Fifteen columns with missing values, and quoted commas, quotes and line ends."""
    file = directory / "mixed.csv"
    random = np.random.Generator(np.random.PCG64(2))
    words = _words(random)
    _write_csv(file, (mixed_block(random, words, at, min(BLOCK_ROWS, rows - at)) for at in range(0, rows, BLOCK_ROWS)))
    return Data("15 columns CSV", file, file, rows, MIXED_TYPES)


def flights(directory: Path) -> Data:
    """As it comes: gzip, NA for what is missing. The own clients get it without the compression."""
    plain = directory / "flights.csv"
    with gzip.open(FLIGHTS) as packed, plain.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)
    with plain.open() as lines:
        columns = lines.readline().strip().split(",")
        rows = sum(1 for _ in lines)
    types = {column: _FLIGHT_TYPES.get(column, "integer") for column in columns}
    return Data("flights.csv.gz", FLIGHTS, plain, rows, types, null="NA")


def flights_parquet(directory: Path, source: Path, rows: int) -> Data:
    """The first rows of `source`; the file itself where it has no more."""
    read = pq.ParquetFile(source)
    rows = min(rows, read.metadata.num_rows)
    file, plain = source, directory / "flights-parquet.csv"
    table = read.read()[:rows]
    if rows < read.metadata.num_rows:
        file = directory / "flights.parquet"
        pq.write_table(table, file, compression="zstd", row_group_size=300_000)
    seconds = table.set_column(0, "date", table["date"].cast(pa.timestamp("s")))
    _write_csv(plain, iter(seconds.to_batches()))
    return Data("Parquet", file, plain, rows, PARQUET_TYPES)


def mixed_block(random: np.random.Generator, words: dict[str, pa.Array[Any]], first: int, count: int) -> pa.RecordBatch:
    """`count` records, the first of which is numbered `first`."""

    def numbers(below: int) -> pa.Array[Any]:
        return pa.array(random.integers(0, below, count))

    def missing(values: pa.Array[Any], part: float) -> pa.Array[Any]:
        kept: pa.Array[Any] = pc.if_else(pa.array(random.random(count) < part), pa.scalar(None, values.type), values)
        return kept

    def money(below: int, scale: int) -> pa.Array[Any]:
        cents = random.integers(0, below, count).astype(str)
        whole, rest = pa.array([c[:-scale] or "0" for c in cents]), pa.array([c[-scale:].zfill(scale) for c in cents])
        joined: pa.Array[Any] = pc.binary_join_element_wise(whole, rest, ".")
        return joined

    def moments() -> pa.Array[Any]:
        seconds: pa.Array[Any] = pc.add(numbers(10**8), 1_600_000_000)
        moments: pa.Array[Any] = seconds.cast(pa.timestamp("s"))
        return moments

    columns = {
        "number": pa.array(np.arange(first, first + count) + 10**10),
        "account": numbers(10**6),
        "quantity": missing(numbers(1000), 0.1),
        "price": money(10**8, 2),
        "tax": missing(money(10**6, 4), 0.2),
        "ratio": pc.divide(numbers(10**6).cast(pa.float64()), 8.0),  # eighths: their digits are exact
        "created": moments(),
        "updated": missing(moments(), 0.3),
        "day": moments().cast(pa.date32(), safe=False),
        **{name: pool.take(numbers(len(pool))) for name, pool in words.items()},
        "flag": numbers(2),
        "score": missing(numbers(10**9), 0.05),
    }
    columns["remark"] = missing(columns["remark"], 0.5)
    return pa.record_batch([columns[name] for name in MIXED_TYPES], names=list(MIXED_TYPES))


def _words(random: np.random.Generator) -> dict[str, pa.Array[Any]]:
    found = iter(random.choice(list("abcdefghijklmnopqrstuvwxyzäéñ"), (4 * POOL, 10)).tolist())
    word = ["".join(letters) for letters in found]
    code, city, note, remark = (word[n * POOL : (n + 1) * POOL] for n in range(4))
    return {
        "code": pa.array(code),
        "city": pa.array([f"{text.title()} {n}" for n, text in enumerate(city)]),
        "note": pa.array([f"{text}, and {text[:5]}" if n % 3 else text for n, text in enumerate(note)]),
        "remark": pa.array(
            [f'{text}\nsaid "{text[:4]}"' if n % 4 == 0 else f"{text} {n}" for n, text in enumerate(remark)]
        ),
    }


def _write_csv(file: Path, blocks: Iterator[pa.RecordBatch]) -> None:
    first = next(blocks)
    # RFC 4180 names no quotes that are not needed; what is missing is nothing between two commas.
    options = csv.WriteOptions(quoting_style="needed", include_header=False)
    with file.open("wb") as out:
        out.write(",".join(first.schema.names).encode() + b"\n")
        with csv.CSVWriter(out, first.schema, write_options=options) as writer:
            writer.write_batch(first)
            for block in blocks:
                writer.write_batch(block)
