"""`python -m bench.peers`: everything that docs/benchmarks.md states, in one run.

ROWS (5,000,000) of the narrow table, the others in proportion; ROUNDS (5); PEERS_PYTHON: the Python of the environment
of `requirements-peers.lock`; FLIGHTS_PARQUET: the 3 M flights of the vega-datasets, which are left out without it.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from bench import databases as servers
from bench.databases import Database
from bench.figures import ROOT, service_of
from bench.peers import data, page, scaling, serving
from bench.peers.contenders import BinaryCopy, Contender, Ours, Outsider, OwnClient
from bench.peers.data import Data
from bench.peers.places import Lite
from bench.peers.rounds import Result, measure
from bench.service import Service, running

Figures = dict[str, object]
ROWS = int(os.environ.get("ROWS", "5000000"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
PYTHON = Path(os.environ.get("PEERS_PYTHON", ".venv-peers/bin/python")).absolute()
PARQUET = os.environ.get("FLIGHTS_PARQUET", "")
FULL_ROWS = 5_000_000
SLOW_PART = 50  #: the slow ones get one row of so many
DOCS = ROOT / "docs"
SLOW = (
    ("SQLAlchemy ORM", "orm", False),
    ("pandas.to_sql", "pandas", False),
    ("csvsql", "csvsql", False),
    ("dlt", "dlt", True),
)


def files(directory: Path) -> list[Data]:
    made = [
        data.narrow(directory, ROWS),
        data.mixed(directory, ROWS * 2 // 5),
        data.flights(directory),
    ]
    if PARQUET:
        made.append(data.flights_parquet(directory, Path(PARQUET), ROWS * 3 // 5))
    return made


def compare(database: Database, service: Service, loaded: Sequence[Data], directory: Path) -> Iterator[Result]:
    own: list[Contender] = [Ours(service), OwnClient()]
    duckdb = Outsider("DuckDB attach", "duckdb", PYTHON)
    fast = [*own, duckdb]
    if database.name == "PostgreSQL":
        fast += [Ours(service, writers=2), BinaryCopy(directory)]
    for each in loaded:
        yield from measure(database, each, fast, ROUNDS)
    yield from measure(database, loaded[0].with_indexes(), own, ROUNDS)
    slow = [Outsider(name, function, PYTHON, makes) for name, function, makes in SLOW]
    if database.name == "PostgreSQL":
        slow.append(Outsider("pgloader", "pgloader", PYTHON))
    yield from measure(database, loaded[0].head(max(ROWS // SLOW_PART, 10_000)), [*own, *slow], ROUNDS)


@contextmanager
def _lite(home: Path) -> Iterator[tuple[Database, Service]]:
    with running(home) as service:
        yield Lite(home / "data.db"), service


def run(directory: Path, save: Callable[[Figures], None]) -> None:
    """Measure it all. What is there is saved after each database: a long run is not lost with its last part."""
    loaded = files(directory)
    results: list[object] = []
    sizes: list[object] = []
    figures: Figures = {
        "rows": ROWS,
        "rounds": ROUNDS,
        "machine": page.machine(),
        "versions": page.versions(PYTHON),
        "results": results,
        "sizes": sizes,
        "serving": {},
    }
    database: Database
    with servers.databases() as both:
        for database in both:
            with service_of(directory / database.name, database) as service:
                results += map(asdict, compare(database, service, loaded, directory))
            sizes += map(asdict, scaling.measure(database, directory, ROWS))
            save(figures)
    with _lite(directory / "SQLite") as (database, service):
        results += map(asdict, compare(database, service, loaded, directory))
    save(figures)
    save(figures | {"serving": serving.measure(directory)})


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="rescind-bench-", dir=Path.cwd()) as name:
        directory = Path(name)
        directory.chmod(0o755)
        file = Path(os.environ.get("KEEP_FIGURES", directory / "figures.json"))
        into = Path(os.environ.get("INTO", DOCS))

        def save(figures: Figures) -> None:
            file.write_text(json.dumps(figures))
            (into / "benchmarks.md").write_text(page.page(figures))
            subprocess.run([PYTHON, Path(__file__).with_name("plots.py"), file, into], check=True)

        run(directory, save)


if __name__ == "__main__":
    main()
