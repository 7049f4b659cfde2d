"""Whether a row costs the same, and the worker no more memory, whatever the number of rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.databases import Database
from bench.figures import service_of
from bench.peers.contenders import Ours
from bench.peers.data import narrow
from bench.peers.places import checksums

PARTS = (50, 5, 0.5)  #: of the narrow table: 0.1, 1 and 10 M rows of 5


@dataclass
class Size:
    """A load of the narrow table by a service that has loaded nothing before."""

    database: str
    rows: int
    seconds: float
    peak_mib: float


def measure(database: Database, directory: Path, rows: int) -> list[Size]:
    return [_one(database, directory, int(rows / part)) for part in PARTS]


def _one(database: Database, directory: Path, rows: int) -> Size:
    data = narrow(directory, rows)
    with service_of(directory / f"{database.name}-{rows}", database) as service:
        ours = Ours(service)
        ours.prepare(database, data, "sized")
        took = ours.load(database, data, "sized")
        assert int(checksums(database, "sized", data)[0]) == rows
        peak = service.peak_mib("rescind: worker child")
    database.rows("DROP TABLE sized")
    return Size(database.name, rows, took.seconds, peak)
