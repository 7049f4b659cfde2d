"""`make demo`: Rescind's promise, shown on this machine and checked fact by fact.

It starts a service of its own on the next free port, in a home that it makes new, and does to it what usually
goes wrong. At a terminal it then stays up until Ctrl-C; with CI=true or without a terminal it ends with exit
code 0 only if every fact held.

`make demo DATABASE_URL=mysql://…` (and CELERY_BROKER_URL=amqp://…) shows the same on your own server, in a database
that has no tables `flights` and `data` yet. They stay there for you to look at.
"""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

ROOT = Path(__file__).parent.parent
FLIGHTS = ROOT / "examples" / "flights.csv.gz"
FLIGHTS_ROWS = 336_776
MANY_ROWS = 5_000_000
HOME = ROOT / ".rescind-demo"


@dataclass
class Demo:
    """The running service, and what was found out about it."""

    http: httpx2.Client
    say: Console
    broken: list[str] = field(default_factory=list)

    def fact(self, text: str, holds: bool) -> None:
        """Print the fact, and remember it if it does not hold."""
        self.say.print(f"  [green]✔[/] {text}" if holds else f"  [bold red]✘ {text}[/]", highlight=False)
        if not holds:
            self.broken.append(text)

    def json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        answer = self.http.request(method, path, **request)
        if answer.status_code >= 400:
            raise SystemExit(f"demo: {method} {path} was answered {answer.status_code}: {answer.text}")
        body: dict[str, Any] = answer.json()
        return body

    def count(self, table: str) -> int:
        return int(self.json("GET", f"/v1/tables/{table}/count").get("count", 0))

    def follow(self, task_id: str, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The task's document, once `until` holds or the task is done; with a progress bar meanwhile."""
        columns = (TextColumn("  {task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.say, transient=True, disable=not self.say.is_terminal) as bars:
            bar = bars.add_task("queued", total=None)
            while True:
                task = self.json("GET", f"/v1/tasks/{task_id}")
                progress = task["progress"]
                bars.update(
                    bar,
                    description=progress["phase"],
                    completed=progress["rows"],
                    total=progress.get("rows_total"),
                )
                if task["done"] or until(task):
                    return task
                time.sleep(0.1)

    def finish(self, task_id: str) -> dict[str, Any]:
        return self.follow(task_id, lambda task: False)


def expect_room(demo: Demo) -> None:
    """Somebody's own tables are none of the demo's business."""
    taken = {"flights", "data"} & set(demo.json("GET", "/v1/tables")["tables"])
    if taken:
        raise SystemExit(f"demo: the database has a table {min(taken)} already; give the demo an empty database.")


def load_once(demo: Demo) -> None:
    demo.say.rule("[bold]A real file: 336,776 flights, into a table made for them")
    key = str(uuid.uuid4())
    first = upload(demo, FLIGHTS.read_bytes(), key)
    demo.fact(f"the upload was accepted as task {first['id']}", "id" in first)
    task = demo.finish(first["id"])
    demo.say.print_json(data=task.get("receipt"))
    demo.fact("the task is committed", task["state"] == "committed")
    demo.fact(f"the table has {FLIGHTS_ROWS:,} rows", demo.count("flights") == FLIGHTS_ROWS)

    demo.say.rule("[bold]The same request again, as after a lost answer")
    again = upload(demo, FLIGHTS.read_bytes(), key)
    demo.fact("the same Idempotency-Key answers the same task", again["id"] == first["id"])
    demo.fact(f"it is still one load: {FLIGHTS_ROWS:,} rows", demo.count("flights") == FLIGHTS_ROWS)


def load_a_bad_row(demo: Demo) -> None:
    demo.say.rule("[bold]The same file with one bad row")
    lines = gzip.decompress(FLIGHTS.read_bytes()).split(b"\n")
    record = 200_000
    lines[record] = lines[record].replace(b"2013", b"twenty-thirteen", 1)
    task = demo.finish(upload(demo, gzip.compress(b"\n".join(lines), 1), str(uuid.uuid4()))["id"])
    rejects = demo.json("GET", f"/v1/tasks/{task['id']}/rejects")
    for reject in rejects["rejects"]:
        demo.say.print(f"  record {reject['record']:,}, column {reject['column']}: {reject['reason']}")
    named = [(reject["record"], reject["column"]) for reject in rejects["rejects"]]
    demo.fact("the load failed, and the bad row is named", task["state"] == "failed" and named == [(record, "year")])
    demo.fact(f"nothing was changed: {FLIGHTS_ROWS:,} rows", demo.count("flights") == FLIGHTS_ROWS)


def stop_in_the_middle(demo: Demo) -> None:
    demo.say.rule(f"[bold]{MANY_ROWS:,} rows, stopped in the middle")
    idle = latencies(demo)
    before = rows_of_data(demo)
    task_id = demo.json("POST", f"/insert/{MANY_ROWS}")["task_id"]
    demo.follow(task_id, lambda task: bool(task["progress"]["rows"] >= MANY_ROWS // 4))
    busy = latencies(demo)
    demo.say.print(f"  GET / takes {idle:.1f} ms at rest and {busy:.1f} ms during the load (medians)")
    caught = demo.follow(task_id, lambda task: bool(task["progress"]["rows"] >= MANY_ROWS // 2))
    demo.fact(f"it is in the middle of its writes: {caught['progress']['rows']:,} rows", caught["state"] == "running")
    asked = time.monotonic()
    demo.json("POST", f"/stop/{task_id}")
    demo.finish(task_id)
    demo.say.print(f"  stopped, and the rollback proven, after {time.monotonic() - asked:.2f} s")
    demo.fact("its status is REVOKED", demo.json("GET", f"/status/{task_id}")["status"] == "REVOKED")
    demo.fact(f"the table is as before: {before:,} rows", rows_of_data(demo) == before)


def kill_the_worker(demo: Demo) -> None:
    demo.say.rule(f"[bold]{MANY_ROWS:,} rows, and the worker killed with -9 in the middle")
    before = rows_of_data(demo)
    task_id = demo.json("POST", f"/insert/{MANY_ROWS}")["task_id"]
    demo.follow(task_id, lambda task: bool(task["progress"]["rows"] >= MANY_ROWS // 2))
    child = worker_of(demo, task_id)
    os.kill(child, signal.SIGKILL)
    demo.say.print(f"  killed worker child {child}")
    task = demo.finish(task_id)
    demo.fact(f"the task is committed, by attempt {task['attempt']}", task["state"] == "committed")
    demo.fact("it took more than one attempt", task["attempt"] > 1)
    demo.fact(f"its rows are there exactly once: {before + MANY_ROWS:,}", rows_of_data(demo) == before + MANY_ROWS)


def upload(demo: Demo, content: bytes, key: str) -> dict[str, Any]:
    """Send the file with a progress bar; the task document that came back."""
    columns = (TextColumn("  uploading   "), BarColumn(), DownloadColumn())
    with Progress(*columns, console=demo.say, transient=True, disable=not demo.say.is_terminal) as bars:
        bar = bars.add_task("", total=len(content))

        def pieces() -> Iterator[bytes]:
            for start in range(0, len(content), 65536):
                yield content[start : start + 65536]
                bars.update(bar, completed=start + 65536)

        headers = {
            "Content-Type": "text/csv",
            "Content-Encoding": "gzip",
            "Content-Length": str(len(content)),
            "Idempotency-Key": key,
        }
        query = {"create": "true"}
        return demo.json("POST", "/v1/tables/flights/rows", content=pieces(), headers=headers, params=query)


def rows_of_data(demo: Demo) -> int:
    return int(demo.json("GET", "/get_data/count")["count"])


def latencies(demo: Demo, requests: int = 50) -> float:
    """Median time of GET /, in milliseconds."""
    taken = []
    for _ in range(requests):
        begun = time.perf_counter()
        demo.http.get("/")
        taken.append((time.perf_counter() - begun) * 1000)
    return statistics.median(taken)


def worker_of(demo: Demo, task_id: str) -> int:
    """The number of the process that works on the task, from the task's history."""
    events = demo.json("GET", f"/v1/tasks/{task_id}/events")["events"]
    worker = [event["detail"]["worker"] for event in events if event["kind"] == "running"][-1]
    return int(worker.split("|")[3])


def free_port(first: int = 8000) -> int:
    for port in range(first, first + 1000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise SystemExit("demo: no free port between 8000 and 8999")


@contextmanager
def service(say: Console) -> Iterator[str]:
    """`rescind up` in a new home; its URL."""
    shutil.rmtree(HOME, ignore_errors=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    rescind = Path(sys.executable).parent / "rescind"
    up = subprocess.Popen([rescind, "up", "--port", str(port), "--home", HOME], stdout=subprocess.DEVNULL)
    try:
        with say.status("starting Rescind"):
            wait_until_ready(up, url)
        yield url
    finally:
        up.terminate()
        up.wait()
        shutil.rmtree(HOME, ignore_errors=True)


def wait_until_ready(up: subprocess.Popen[bytes], url: str) -> None:
    for _ in range(600):
        if up.poll() is not None:
            raise SystemExit(f"demo: `rescind up` ended with exit code {up.returncode}")
        try:
            if httpx2.get(f"{url}/readyz").status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    raise SystemExit("demo: the service did not get ready within 60 s")


def stays(demo: Demo, url: str) -> None:
    """At a terminal: keep the service up for a look around."""
    demo.say.print(f"\nRescind stays up until Ctrl-C: [bold]{url}[/]  ·  documentation [bold]{url}/docs[/]")
    try:
        signal.pause()
    except KeyboardInterrupt:
        demo.say.print("bye")


def main() -> int:
    say = Console(width=100 if not sys.stdout.isatty() else None)
    with service(say) as url, httpx2.Client(base_url=url, timeout=120.0) as http:
        demo = Demo(http, say)
        expect_room(demo)
        for part in (load_once, load_a_bad_row, stop_in_the_middle, kill_the_worker):
            part(demo)
        say.rule()
        if demo.broken:
            say.print(f"[bold red]{len(demo.broken)} facts did not hold[/]")
        else:
            say.print("[bold green]Every fact held.[/]")
        if sys.stdout.isatty() and os.environ.get("CI") != "true":
            stays(demo, url)
        return 1 if demo.broken else 0


if __name__ == "__main__":
    sys.exit(main())
