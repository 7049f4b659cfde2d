"""What a person sees while they wait: a bar at a terminal, a few lines elsewhere, nothing beside JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class View(Protocol):
    """Is told how far things are."""

    def sent(self, done: int, total: int) -> None:
        """So many bytes of the file were sent."""

    def received(self, done: int, total: int) -> None:
        """So many bytes of a file have come."""

    def task(self, document: Mapping[str, Any]) -> None:
        """The task's document, as it is now."""


@contextmanager
def view(*, silent: bool) -> Iterator[View]:
    """The view that fits: standard error tells whether a person looks."""
    if silent:
        yield _Silence()
    elif sys.stderr.isatty():
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        ) as bar:
            yield _Bar(bar)
    else:
        yield _Lines()


class _Silence:
    def sent(self, done: int, total: int) -> None:
        pass

    def received(self, done: int, total: int) -> None:
        pass

    def task(self, document: Mapping[str, Any]) -> None:
        pass


class _Lines:
    def __init__(self) -> None:
        self._last = ""

    def sent(self, done: int, total: int) -> None:
        if done == total:
            self._line(f"sent {total:,} bytes")

    def received(self, done: int, total: int) -> None:
        if done == total:
            self._line(f"received {total:,} bytes")

    def task(self, document: Mapping[str, Any]) -> None:
        self._line(f"task {document['id']}: {describe(document)}")

    def _line(self, text: str) -> None:
        if text != self._last:
            self._last = text
            print(text, file=sys.stderr, flush=True)


class _Bar:
    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._row = bar.add_task("", total=None, detail="")

    def sent(self, done: int, total: int) -> None:
        self._bytes("sending", done, total)

    def received(self, done: int, total: int) -> None:
        self._bytes("receiving", done, total)

    def _bytes(self, what: str, done: int, total: int) -> None:
        self._bar.update(self._row, description=what, completed=done, total=total, detail=f"{done:,} bytes")

    def task(self, document: Mapping[str, Any]) -> None:
        progress = document["progress"]
        unit = "rows" if progress.get("rows_total") else "bytes"
        rate = f" · {progress['rows_per_second']:,.0f}/s" if progress["rows_per_second"] else ""
        self._bar.update(
            self._row,
            description=describe(document),
            completed=progress[unit],
            total=progress.get(f"{unit}_total"),
            detail=f"{progress['rows']:,} rows{' left' if document['state'] == 'aborting' else rate}",
        )


def describe(document: Mapping[str, Any]) -> str:
    """Where a task stands, in a few words."""
    if document.get("waiting_for"):
        return f"{document['state']}, waiting for {document['waiting_for']}"
    if document["stop_requested"] and not document["done"]:
        return f"{document['state']}, being stopped"
    return str(document["state"])
