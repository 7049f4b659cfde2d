"""docs/benchmarks.md, from the figures alone."""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.peers.goals import GOALS, MOST_MIB, Goal
from bench.peers.rounds import Result, ratios
from bench.peers.serving import summary

PROGRAMS = {
    "PostgreSQL": ["psql", "--version"],
    "MariaDB": ["mariadb", "--version"],
    "SQLite": ["sqlite3", "--version"],
    "pgloader": ["pgloader", "--version"],
}
PACKAGES = ("duckdb", "pandas", "sqlalchemy", "csvkit", "dlt")
HEAD = """# Benchmarks

Made by `make bench`; the words between the figures are its own too. Everybody loads the same file into the same table
in turn, within one run: a ratio is Rescind's rows per second over the other's, taken round by round, median (least to
greatest). A load counts only if the number of rows, and of each column the number of values and a sum over them, are
those that the database's own client left.

- **Rescind** is measured from the claim of the task to its receipt: reading, checking each value, writing, both phases
  of the commit, and the ledger. The whole trip adds the upload over HTTP, the queue, and the client's asking.
- **Own client** is `\\copy` of psql, `LOAD DATA LOCAL` of mariadb, `.import` of sqlite3, each of a plain CSV file of
  the same rows, also where the others read gzip or Parquet. It checks nothing that the database does not; `.import`
  keeps an empty text where a value is missing, and gets the narrow table without its key.
- **DuckDB attach** is `INSERT INTO target.table SELECT … FROM read_csv(…)` (or `read_parquet`); like
  pandas, the ORM and dlt it is measured without Python's start and its imports, the programs with theirs.
- The servers are private ones with fsync and full durability; MariaDB with a buffer pool of 1 GB, PostgreSQL with
  shared buffers of 512 MB.
- The narrow table has the two texts of the demo and a key that the database counts. *With two indexes* it has no key,
  and an index of each text: Rescind makes it and them, the others find them there. The 15 columns are integers,
  decimals, times and texts with missing values, and quoted commas, quotes and line ends.
"""
REASONS = """## Why goals are missed

As found with profiles of the runs on two cores; [0006](decisions/0006-how-each-database-is-written.md) has the figures.

- **PostgreSQL and MariaDB, narrow CSV.** The server is busy almost all the time, and with the same work as for its own
  client. What is left is the claim, both phases of the commit and the ledger, about a twentieth of a second, the first
  block that the server waits for, and the answers at the begin and end of each statement of at most 65,536 rows.
- **PostgreSQL, 15 columns and Parquet.** The server works half as much as for `\\copy` of CSV, and waits for the
  worker: reading, checking and encoding take more processor time than it does, and Python's threads wait for each
  other. Two writers help for that reason.
- **DuckDB attach** reads Parquet and wide CSV with several threads of its own, checks no limits of the table, and can
  be neither stopped nor taken back by another process.
- **MariaDB, two indexes.** The rows go the usual way, and the server's work is that of LOAD DATA. InnoDB's bulk insert
  pays for one single statement only, and there where the indexes are larger than the server's memory for them.
- **SQLite, 15 columns and Parquet.** Each value becomes a Python object on its way into SQLite, which one thread at a
  time can make; `.import` hands on bytes, checks nothing and keeps everything as text that the column does not convert.
- **pandas.to_sql on MariaDB** sends INSERTs of many rows too.
"""
REPEAT = """## How to repeat it

```
make services                 # the servers' programs, from Debian or Ubuntu; pgloader with apt-get install pgloader
make bench ROWS=200000 ROUNDS=1   # some minutes: whether everything runs
make bench                    # ROWS=5000000 ROUNDS=5
```

FLIGHTS_PARQUET names `flights-3m.parquet` of the vega-datasets package (BSD-3-Clause); without it Parquet is left out.
The others are installed by hash into an environment of their own, `.venv-peers`, from `bench/requirements-peers.lock`.
"""


def page(figures: Mapping[str, Any]) -> str:
    results = [Result(**result) for result in figures["results"]]
    parts = [
        HEAD,
        _setting(figures),
        "## Against the goals\n\n" + "\n".join(_goals(results)),
        REASONS,
        *(f"## Rows per second: {name}\n\n" + "\n".join(_rates(results, name)) for name in _databases(results)),
        "## What did not load\n\n" + "\n".join(_failures(results)),
        "## Scaling\n\n" + "\n".join(_sizes(figures["sizes"])),
        "## The service\n\n" + "\n".join(_serving(figures["serving"])),
        REPEAT,
    ]
    return "\n".join(f"{part.rstrip()}\n" for part in parts)


def _setting(figures: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in figures["versions"].items())
    rounds = f"ROWS={figures['rows']} ROUNDS={figures['rounds']}"
    return f"Measured with {rounds} on {figures['machine']}. {versions}."


def _databases(results: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(result.database for result in results))


def _goals(results: Sequence[Result]) -> Iterator[str]:
    yield "| database | file | who, against whom | goal | measured | |"
    yield "|---|---|---|---|---|---|"
    for goal in GOALS:
        who = f"{goal.who}{', whole trip' if goal.whole else ''} / {goal.other}"
        yield f"| {goal.database} | {goal.data} | {who} | ≥ {goal.least:g} | {verdict(goal, results)} |"


def verdict(goal: Goal, results: Sequence[Result]) -> str:
    """Two cells: what was measured, and whether that reaches the goal."""
    mine = _find(results, goal.database, goal.data, goal.who)
    other = _find(results, goal.database, goal.data, goal.other)
    if mine is None or other is None:
        return "not measured | "
    found = ratios(mine, other, whole=goal.whole)
    median = statistics.median(found)
    spread = f" ({min(found):.2f} to {max(found):.2f})" if len(found) > 1 else ""
    return f"{median:.2f}{spread} | {'reached' if median >= goal.least else '**short**'}"


def _find(results: Sequence[Result], database: str, data: str, name: str) -> Result | None:
    """The slow ones have loaded fewer rows of the file, and so have whole rates to compare."""
    found = [r for r in results if r.database == database and r.name == name and r.seconds and not r.why]
    exact = [r for r in found if r.data == data]
    return next(iter(exact or [r for r in found if r.data.startswith(f"{data}, ")]), None)


def _rates(results: Sequence[Result], database: str) -> Iterator[str]:
    yield f"![{database}](benchmarks-{database.lower()}.svg)\n"
    yield "| file | rows | who | rows/s | seconds, median (least to greatest) | whole trip, s |"
    yield "|---|---|---|---|---|---|"
    for r in results:
        if r.database == database and r.seconds and not r.why:
            whole = f"{statistics.median(r.whole):.2f}" if r.whole else ""
            took = f"{statistics.median(r.seconds):.2f} ({min(r.seconds):.2f} to {max(r.seconds):.2f})"
            yield f"| {r.data.partition(', ')[0]} | {r.rows:,} | {r.name} | {r.rate:,.0f} | {took} | {whole} |"


def _failures(results: Sequence[Result]) -> Iterator[str]:
    failed = [r for r in results if r.why]
    if not failed:
        yield "Everything did, with the same rows."
    for r in failed:
        yield f"- {r.database}, {r.data}, {r.name}: {clean(r.why)}"


def clean(text: str) -> str:
    """The last line of what was said, without the machine's paths and ports, or signs of Markdown."""
    lines = text.strip().splitlines() or [""]
    without = re.sub(r"(?<![\w.])/[\w./+-]*/", "…/", lines[-1])
    return " ".join(re.sub(r"127\.0\.0\.1\S*|[|`*<>]", " ", without)[:300].split())


def _sizes(sizes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield f"The narrow table, each time by a service that has loaded nothing before; the goal is {MOST_MIB} MiB.\n"
    yield "| database | rows | µs per row | worker child's peak memory, MiB |"
    yield "|---|---|---|---|"
    for size in sizes:
        each = size["seconds"] / size["rows"] * 1e6
        yield f"| {size['database']} | {size['rows']:,} | {each:.2f} | {size['peak_mib']:.0f} |"


def _serving(serving: Mapping[str, list[float]]) -> Iterator[str]:
    yield "| milliseconds | p50 | p99 |"
    yield "|---|---|---|"
    for what, times in serving.items():
        if not what.startswith("tasks/s"):
            yield f"| {what} | {summary(times)} |"
    yield "\n| tasks that do nothing | per second |"
    yield "|---|---|"
    for what, rates in serving.items():
        if what.startswith("tasks/s"):
            yield f"| {what.removeprefix('tasks/s: ')} | {rates[0]:,.0f} |"
    yield "\nEach of Rescind's is kept in the ledger from its acceptance to its receipt; bare Celery's leave nothing."


def machine() -> str:
    """Cores and memory, and how busy it is; no name."""
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return f"{os.cpu_count()} cores and {gib:.0f} GiB (load average at the start of the page {os.getloadavg()[0]:.1f})"


def versions(python: Path) -> dict[str, str]:
    """Of whoever takes part."""
    found = {"Python": platform.python_version()}
    for name, command in PROGRAMS.items():
        try:
            said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        except FileNotFoundError:
            found[name] = "is not installed"
            continue
        numbers = re.findall(r"\d+\.\d+[\d.]*", said)
        found[name] = numbers[1] if name == "MariaDB" and len(numbers) > 1 else numbers[0]
    code = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"
    listed = subprocess.run([python, "-c", code, *PACKAGES], capture_output=True, text=True, check=True).stdout
    return found | dict(zip(PACKAGES, listed.split(), strict=True))
