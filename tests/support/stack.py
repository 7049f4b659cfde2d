"""One `rescind up` as a process of its own: started, looked at, and ended whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from tests.support.waiting import until

START_SECONDS = 60.0
KINDS = ("api", "worker", "sweeper")


@dataclass(frozen=True)
class Stack:
    """A `rescind up` that is up."""

    url: str
    home: Path
    process: subprocess.Popen[bytes]
    errors: Path  #: what it writes on standard error

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def of_kind(self, kind: str, other_than: int = 0) -> psutil.Process:
        """The process that is `rescind api`, `rescind worker` or `rescind sweeper`; waits until it has that name."""
        return until(lambda: self._of_kind(kind, other_than), f"rescind {kind}")[0]

    def _of_kind(self, kind: str, other_than: int) -> list[psutil.Process]:
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if child.pid != other_than and _title(child).startswith(f"rescind {kind} ")]

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


def command(*arguments: str | Path) -> list[str]:
    """`rescind`, with arguments."""
    return [sys.executable, "-m", "rescind", *map(str, arguments)]


def environment(**settings: str) -> dict[str, str]:
    """This process's, without the settings that a developer may have exported."""
    ours = ("RESCIND_", "DATABASE_URL", "CELERY_BROKER_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | settings


@contextmanager
def up(home: Path, port: int = 0, **settings: str) -> Iterator[Stack]:
    """`rescind up` in `home`, until it says that it is up; it is gone afterwards. `settings`: RESCIND_…"""
    output, errors = home.with_name(home.name + ".out"), home.with_name(home.name + ".err")
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            command("up", "--json", "--port", str(port), "--home", home),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=home.parent,
            env=environment(**settings),
        )
    try:
        line = until(lambda: _first_line(process, output, errors), "`rescind up` to be up", START_SECONDS)
        yield Stack(json.loads(line)["url"], home, process, errors)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            finally:
                process.kill()


def _first_line(process: subprocess.Popen[bytes], output: Path, errors: Path) -> str:
    assert process.poll() is None, f"`rescind up` left with {process.returncode}: {errors.read_text()}"
    text = output.read_text()
    return text if text.endswith("\n") else ""
