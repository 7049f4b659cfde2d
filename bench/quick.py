"""`make bench-quick`: the figures that the project promises, in a few minutes, paired within one run.

Each line says what was measured, what came out (medians), and the goal on two quiet cores.
"""

from __future__ import annotations

import gzip
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.service import Service, running, seconds

FLIGHTS = Path(__file__).parent.parent / "examples" / "flights.csv.gz"
MANY_ROWS = 5_000_000
NARROW_ROWS = 2_000_000
ROUNDS = 3
REQUESTS = 200


def say(what: str, figure: str, goal: str) -> None:
    print(f"{what:<58} {figure:>30}   {goal}", flush=True)


def milliseconds(times: list[float]) -> str:
    ranked = sorted(times)
    return f"p50 {statistics.median(ranked) * 1000:.1f} ms, p99 {p99(times) * 1000:.1f} ms"


def p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99) - 1]


def submitting(service: Service) -> None:
    times, waits = [], []
    service.wait(service.submit("generate", table="one", rows=1))
    for _ in range(REQUESTS):
        begun = time.perf_counter()
        task_id = service.submit("generate", table="one", rows=1)
        times.append(time.perf_counter() - begun)
        waits.append(seconds(service.wait(task_id), "created_at", "started_at"))
    say("POST /v1/tasks", milliseconds(times), "p50 <= 10 ms, p99 <= 50 ms")
    say("from the answer to the start", milliseconds(waits), "p50 <= 300 ms")


def get_root(service: Service, until: threading.Event | None = None) -> list[float]:
    times: list[float] = []
    while len(times) < REQUESTS or (until is not None and not until.is_set()):
        begun = time.perf_counter()
        service.http.get("/")
        times.append(time.perf_counter() - begun)
        time.sleep(0.005)
    return times


def generating(service: Service) -> None:
    """5 M rows, with GET / beside it."""
    idle = get_root(service)
    done = threading.Event()
    busy: list[float] = []
    reader = threading.Thread(target=lambda: busy.extend(get_root(service, done)))
    task_id = service.submit("generate", rows=MANY_ROWS)
    service.wait(task_id, lambda task: task["progress"]["rows"] > 0)
    reader.start()
    task = service.wait(task_id)
    done.set()
    reader.join()
    say(
        "generate 5 M rows, submit to commit", rate(MANY_ROWS, seconds(task, "created_at", "finished_at")), ">= 400,000"
    )
    say("GET / at rest", milliseconds(idle), "")
    say("GET / during the 5 M rows", milliseconds(busy), f"p99 ratio {p99(busy) / p99(idle):.1f}, <= 3")


def stopping(service: Service) -> None:
    for part in (0.25, 0.5, 0.9):
        task_id = service.submit("generate", rows=MANY_ROWS)
        service.wait(task_id, lambda task, part=part: task["progress"]["rows"] >= part * MANY_ROWS)  # type: ignore[misc]
        begun = time.perf_counter()
        service.http.post(f"/v1/tasks/{task_id}/stop")
        state = service.wait(task_id)["state"]
        say(f"stop at {part:.0%} of 5 M rows until proven", f"{time.perf_counter() - begun:.2f} s ({state})", "<= 2 s")


def loading(service: Service, directory: Path, name: str, file: Path, rows: int, table: str) -> None:
    """Append to an empty table against `sqlite3 .import` into the same one, in turn."""
    ours, theirs, made = [], [], []
    for n in range(ROUNDS):
        with closing(sqlite3.connect(service.home / "data.db")) as connection:
            connection.execute(f"CREATE TABLE {name}_{n} {table}")
        ours.append(_load(service, f"{name}_{n}", file))
        theirs.append(_import(directory, file, table))
        made.append(_load(service, f"{name}_made_{n}", file, create="true"))
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    say(f"load {name}, into a table that exists", rate(rows, statistics.median(ours)), "")
    say(f"sqlite3 .import of {name}", rate(rows, statistics.median(theirs)), f"ratio {ratio:.2f}, >= 0.8")
    say(f"load {name} with create=true (reads the file twice)", rate(rows, statistics.median(made)), "")


def _load(service: Service, table: str, file: Path, **query: str) -> float:
    task: dict[str, Any] = service.wait(service.upload(table, file, **query))
    assert task["state"] == "committed", task
    return seconds(task, "started_at", "finished_at")


def _import(directory: Path, file: Path, table: str) -> float:
    database = directory / "import.db"
    script = f"PRAGMA journal_mode=WAL;\nCREATE TABLE t {table};\n.mode csv\n.import --skip 1 {file} t\n"
    begun = time.perf_counter()
    subprocess.run(["sqlite3", database], input=script, text=True, check=True, stdout=subprocess.DEVNULL)
    took = time.perf_counter() - begun
    for part in directory.glob("import.db*"):
        part.unlink()
    return took


def reading(service: Service) -> None:
    begun = time.perf_counter()
    size = 0
    with service.http.stream("GET", "/get_data") as answer:
        for piece in answer.iter_raw():
            size += len(piece)
    say("GET /get_data of 5 M rows", rate(MANY_ROWS, time.perf_counter() - begun), f"{size / 1e6:.0f} MB")
    say("peak memory of the API", f"{service.peak_mib('rescind: api child'):.0f} MiB", "<= 150 MB")
    say("peak memory of a worker child", f"{service.peak_mib('rescind: worker child'):.0f} MiB", "<= 512 MB")


def rate(rows: int, took: float) -> str:
    return f"{rows / took:,.0f} rows/s"


def narrow(directory: Path) -> Path:
    file = directory / "narrow.csv"
    with file.open("w") as lines:
        lines.write("a,b\n")
        lines.writelines(f"value{n},other{n * 7}\n" for n in range(NARROW_ROWS))
    return file


def flights(directory: Path) -> tuple[Path, str]:
    """The file, and the columns of a table for it."""
    file = directory / "flights.csv"
    file.write_bytes(gzip.decompress(FLIGHTS.read_bytes()))
    others = dict.fromkeys(("carrier", "tailnum", "origin", "dest"), "TEXT") | {"time_hour": "TIMESTAMP"}
    with file.open() as lines:
        header = lines.readline().strip().split(",")
    return file, ", ".join(f'"{column}" {others.get(column, "INTEGER")}' for column in header)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="rescind-bench-", dir=Path.cwd()) as name:
        directory = Path(name)
        with running(directory / "home") as service:
            submitting(service)
            generating(service)
            reading(service)
            stopping(service)
            if shutil.which("sqlite3") is None:
                print("The program sqlite3 is not installed: loads were not compared with its .import.")
                return
            file, columns = flights(directory)
            loading(service, directory, "flights", file, 336_776, f"({columns})")
            loading(service, directory, "narrow", narrow(directory), NARROW_ROWS, "(a TEXT, b TEXT)")
            peak = service.peak_mib("rescind: worker child")
            say("peak memory of a worker child, after the loads", f"{peak:.0f} MiB", "<= 512 MB")


if __name__ == "__main__":
    main()
