"""What the project wants to reach: ratios of rows per second, Rescind's to somebody's, in the same run."""

from __future__ import annotations

from dataclasses import dataclass

OWN, DUCKDB, RESCIND, TWO = "own client", "DuckDB attach", "Rescind", "Rescind, writers=2"
NARROW, WIDE, PARQUET = "narrow CSV", "15 columns CSV", "Parquet"
INDEXED = f"{NARROW} with two indexes"


@dataclass(frozen=True)
class Goal:
    """`whole`: of the whole trip by HTTP instead of the load alone."""

    database: str
    data: str
    other: str
    least: float
    who: str = RESCIND
    whole: bool = False


def _own(database: str, narrow: float, wide: float, parquet: float) -> list[Goal]:
    least = {NARROW: narrow, WIDE: wide, PARQUET: parquet}
    return [Goal(database, data, OWN, value) for data, value in least.items()]


def _duckdb(database: str, least: float) -> list[Goal]:
    return [Goal(database, data, DUCKDB, least) for data in (NARROW, WIDE, PARQUET)]


def _whole(database: str) -> list[Goal]:
    return [Goal(database, data, OWN, 0.8, whole=True) for data in (NARROW, WIDE, PARQUET)]


def _slow(database: str) -> list[Goal]:
    least = {"SQLAlchemy ORM": 20.0, "pandas.to_sql": 5.0, "dlt": 5.0}
    return [Goal(database, NARROW, other, value) for other, value in least.items()]


GOALS = [
    *_own("PostgreSQL", 0.95, 1.3, 1.5),
    Goal("PostgreSQL", NARROW, OWN, 1.15, TWO),
    Goal("PostgreSQL", WIDE, OWN, 1.5, TWO),
    *_own("MariaDB", 0.95, 0.95, 0.95),
    Goal("MariaDB", INDEXED, OWN, 2.0),
    *_own("SQLite", 0.9, 1.5, 1.5),
    *_duckdb("PostgreSQL", 1.0),
    *_duckdb("MariaDB", 1.0),
    *_duckdb("SQLite", 0.75),
    *(goal for database in ("PostgreSQL", "MariaDB", "SQLite") for goal in _whole(database)),
    *(goal for database in ("PostgreSQL", "MariaDB", "SQLite") for goal in _slow(database)),
]
MOST_MIB = 512
