"""Loads through the whole service beside the server's own client, in turn; and what memory they took."""

from __future__ import annotations

import statistics
from pathlib import Path

from bench.databases import Database, Maria
from bench.figures import Say
from bench.quick import ROUNDS, rate
from bench.service import Service, seconds


def loading(say: Say, service: Service, database: Database, name: str, file: Path, rows: int, columns: str) -> None:
    ours, theirs = [], []
    for _ in range(ROUNDS):
        database.make_table(name, columns)
        task = service.wait(service.upload(name, file))
        assert task["state"] == "committed", task
        ours.append(seconds(task, "started_at", "finished_at"))
        assert database.count(name) == rows
        database.drop_table(name)
        database.make_table(name, columns)
        theirs.append(database.load_by_client(file, name, columns))
        assert database.count(name) == rows
        database.drop_table(name)
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    client = "LOAD DATA of mariadb" if isinstance(database, Maria) else r"\copy of psql"
    say(f"{database.name}: load {name}, {rows:,} rows", rate(rows, statistics.median(ours)))
    say(f"  {client}", rate(rows, statistics.median(theirs)), f"ours {ratio:.2f} x")


def memory(say: Say, service: Service, database: Database, after: str) -> None:
    for name, goal in (("worker child", "<= 512 MB"), ("api child", "<= 150 MB")):
        say(
            f"{database.name}: peak memory, {name}, {after}",
            f"{service.peak_mib(f'rescind: {name}'):.0f} MiB",
            goal,
        )
