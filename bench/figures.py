"""How the figures of servers are written, and the services that they are taken from."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from bench.databases import Database
from bench.service import Service, running

ROOT = Path(__file__).parent.parent


class Say(Protocol):
    """One line: what was measured, what came out, the goal, and the machine's load average."""

    def __call__(self, what: str, figure: str, goal: str = "") -> None: ...


def say(what: str, figure: str, goal: str = "") -> None:
    print(f"{what:<62} {figure:>40}   {goal:<32} load {os.getloadavg()[0]:.1f}", flush=True)


def spread(values: Sequence[float], form: str) -> str:
    """Median, least and greatest."""
    median, least, greatest = (form.format(value) for value in (statistics.median(values), min(values), max(values)))
    return f"{median} ({least} to {greatest})"


def p95(values: Sequence[float], unit: str = "s") -> str:
    """Of few values: the one below which at least 95 % of them lie."""
    ranked = sorted(values)
    at = -(-len(ranked) * 95 // 100) - 1
    return f"p50 {statistics.median(ranked):.2f} {unit}, p95 {ranked[at]:.2f} {unit}, max {ranked[-1]:.2f} {unit}"


@contextmanager
def service_of(home: Path, database: Database, **settings: str) -> Iterator[Service]:
    """A service whose target `default` is that database, with everything else as it comes."""
    tasks = {"RESCIND_TASKS": "bench.long_statement", "PYTHONPATH": str(ROOT)}
    with running(home, DATABASE_URL=database.url, **tasks, **settings) as service:
        yield service
