"""Rounds: in each, everybody loads once, in turn; a load whose rows are not those of the own client does not count."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.databases import Database
from bench.peers.contenders import Contender, OwnClient
from bench.peers.data import Data
from bench.peers.places import checksums

OWN = OwnClient.name


@dataclass
class Result:
    """One contender's loads of one file into one database. `why`: what it failed by, and then nothing counts."""

    database: str
    data: str
    rows: int
    name: str
    seconds: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    why: str = ""

    @property
    def rate(self) -> float:
        """Rows per second, of the median."""
        return self.rows / statistics.median(self.seconds)


def measure(database: Database, data: Data, contenders: Sequence[Contender], rounds: int) -> list[Result]:
    """The own client is in `contenders`, and its rows are what the others' are held against."""
    results = {c.name: Result(database.name, data.name, data.rows, c.name) for c in contenders}
    expected = _expected(database, data)
    for number in range(rounds):
        for contender in turn(contenders, number):
            result = results[contender.name]
            if not result.why:
                _once(database, data, contender, expected, result, f"t_{number}")
        print(f"{database.name}, {data.name}: round {number + 1} of {rounds}", flush=True)
    return list(results.values())


def turn(contenders: Sequence[Contender], number: int) -> list[Contender]:
    """Each round begins with another, so that nobody has always the same one before it."""
    at = number % len(contenders)
    return [*contenders[at:], *contenders[:at]]


def _expected(database: Database, data: Data) -> tuple[Any, ...]:
    own = OwnClient()
    own.prepare(database, data, "expected")
    try:
        own.load(database, data, "expected")
        found = checksums(database, "expected", data)
    finally:
        database.rows("DROP TABLE expected")
    if int(found[0]) != data.rows:
        raise RuntimeError(f"{database.name}: the own client loaded {found[0]} of {data.rows} rows of {data.name}")
    return found


def _once(
    database: Database, data: Data, contender: Contender, expected: tuple[Any, ...], result: Result, table: str
) -> None:
    try:
        contender.prepare(database, data, table)
        took = contender.load(database, data, table)
        found = checksums(database, table, data)
        if difference := differing(expected, found, list(data.types)):
            raise RuntimeError(f"other rows than the own client's: {difference}")
    except Exception as error:  # whatever a contender, or the look at what it left, raises: the others go on
        result.why = f"{error}".strip() or type(error).__name__
        print(f"{database.name}, {data.name}, {contender.name}: {result.why}", flush=True)
    else:
        result.seconds.append(took.seconds)
        result.whole += [] if took.whole is None else [took.whole]
    finally:
        database.rows(f"DROP TABLE IF EXISTS {table}")


def differing(expected: Sequence[Any], found: Sequence[Any], columns: Sequence[str]) -> str:
    """In words, what of `checksums` is not the same; nothing where all is."""
    if expected[0] != found[0]:
        return f"{found[0]} rows for {expected[0]}"
    pairs = zip(expected[1:], found[1:], strict=True)
    wrong = dict.fromkeys(columns[at // 2] for at, (one, other) in enumerate(pairs) if one != other)
    return ", ".join(wrong)


def ratios(ours: Result, other: Result, *, whole: bool = False) -> list[float]:
    """How many times faster ours was, round by round; by rates where the rows differ in number."""
    mine = ours.whole if whole else ours.seconds
    if ours.rows == other.rows:
        return [b / a for a, b in zip(mine, other.seconds, strict=False)]
    return [(ours.rows / statistics.median(mine)) / other.rate]
