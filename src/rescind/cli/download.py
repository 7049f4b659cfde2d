"""Getting a file that a task made: in parts if need be, and under its name only when all of it is there."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from cyclopts import Parameter

from rescind.cli import report
from rescind.cli.exits import Exit, Failure
from rescind.cli.follow import ABSENCE_SECONDS
from rescind.cli.options import TaskId
from rescind.cli.progress import View, view
from rescind.cli.service import Access, Service, Unanswered, path
from rescind.cli.tasks import HERE

STANDARD_OUTPUT = Path("-")
PIECE_BYTES = 1024**2
_PAUSE_SECONDS = 0.5

To = Annotated[
    Path | None,
    Parameter(
        allow_leading_hyphen=True,
        help="Where to put the file; - is standard output (default: under the name that the service gives it).",
    ),
]


def download(task_id: TaskId, /, *, to: To = None, access: Access = HERE) -> int:
    """Download the file that a task made. One that was begun before is gone on with."""
    refuse_both(to, access)
    with Service(access.url) as service:
        task = service.get(path("tasks", task_id))
        with view(silent=access.json) as seen:
            place = receive(service, task, to, seen)
    return told(task, place, as_json=access.json)


def refuse_both(to: Path | None, access: Access) -> None:
    """Raise Failure where the task's document would stand in the middle of the file."""
    if to == STANDARD_OUTPUT and access.json:
        raise Failure("--json and --to - both print.", "Nothing was sent.", "Name a file.", Exit.usage)


def receive(service: Service, task: Mapping[str, Any], to: Path | None, seen: View) -> Path:
    """Get the task's file; where it is. Raises Failure: then nothing new stands under its name."""
    output = _output(service, task)
    place = fresh(output["filename"]) if to is None else to
    if place == STANDARD_OUTPUT:
        _Receiver(service, task, output, sys.stdout.buffer, seen).run()
        sys.stdout.flush()
        return place
    try:
        _into(place, service, task, output, seen)
    except OSError as error:
        raise Failure(f"{place} cannot be written: {error.strerror}.", _kept(task)) from error
    return place


def told(task: Mapping[str, Any], place: Path, *, as_json: bool) -> int:
    """Say what is where."""
    if as_json:
        return report.dump(task)
    if place != STANDARD_OUTPUT:
        output = task["receipt"]["outputs"][0]
        print(f"{place}: {output['length']:,} bytes, SHA-256 {output['sha256']}")
    return Exit.done


def _output(service: Service, task: Mapping[str, Any]) -> dict[str, Any]:
    """What the receipt says of the task's file. Where there is none the service says why, as a Failure."""
    if "download" not in task["links"]:
        with service.stream(path("tasks", task["id"], "download"), {}):
            raise Failure(f"Task {task['id']} has only just made its file.", advice="Download it again.")
    found: dict[str, Any] = task["receipt"]["outputs"][0]
    return found


def fresh(name: str) -> Path:
    """The name, in this directory. Raises Failure where something has it: only a name that was given is replaced."""
    place = Path(Path(name).name)
    if place.exists():
        raise Failure(
            f"There is a file {place} already.", "It was left as it is.", "Name another: --to FILE", Exit.usage
        )
    return place


def _into(place: Path, service: Service, task: Mapping[str, Any], output: Mapping[str, Any], seen: View) -> None:
    """What has come of the file lies beside its place, under the task's id: another task's is not gone on with."""
    part = place.with_name(f".{place.name}.{task['id']}.part")
    with part.open("a+b") as file:
        try:
            receiver = _Receiver(service, task, output, file, seen)
            receiver.take_in()
            receiver.run()
        except _Different:
            part.unlink()
            raise
        file.flush()
        os.fsync(file.fileno())
    part.replace(place)


class _Different(Failure):
    """What has come are not the bytes that the task made."""


@dataclass
class _Receiver:
    """Gets the bytes that `file` lacks, and goes on where a connection broke."""

    service: Service
    task: Mapping[str, Any]
    output: Mapping[str, Any]
    file: BinaryIO
    seen: View
    length: int = 0

    def __post_init__(self) -> None:
        self._digest = hashlib.sha256()

    def take_in(self) -> None:
        """What an earlier download has left in the file."""
        self.file.seek(0)
        while self.length <= self.output["length"] and (piece := self.file.read(PIECE_BYTES)):
            self._count(piece)

    def run(self) -> None:
        """Raises Failure, and OSError where the file cannot be written."""
        try:
            self._receive()
        except KeyboardInterrupt:
            raise Failure("The download was ended.", _kept(self.task), self._again(), Exit.interrupted) from None
        if self.length != self.output["length"] or self._digest.hexdigest() != self.output["sha256"]:
            done = "Do not use what has come."
            raise _Different("The bytes that arrived are not those that the task made.", done, self._again())

    def _receive(self) -> None:
        answered = time.monotonic()
        while self.length < self.output["length"]:
            before = self.length
            try:
                self._receive_rest()
            except Unanswered as failure:
                answered = time.monotonic() if self.length > before else answered
                if time.monotonic() - answered > ABSENCE_SECONDS:
                    raise Failure(failure.what, _kept(self.task), self._again(), Exit.unreachable) from None
                time.sleep(_PAUSE_SECONDS)

    def _receive_rest(self) -> None:
        tag = f'"{self.output["sha256"]}"'
        headers = {"Range": f"bytes={self.length}-", "If-Range": tag} if self.length else {}
        with self.service.stream(self.task["links"]["download"], headers) as response:
            if self.length and response.status_code != HTTPStatus.PARTIAL_CONTENT:
                raise _Different("The service has another file now.", "Do not use what has come.", self._again())
            for piece in response.iter_raw():  # as it comes: of a connection that breaks nothing is lost
                self.file.write(piece)
                self._count(piece)
                self.seen.received(self.length, self.output["length"])

    def _count(self, piece: bytes) -> None:
        self._digest.update(piece)
        self.length += len(piece)

    def _again(self) -> str:
        return f"Get it again with: rescind download {self.task['id']}"


def _kept(task: Mapping[str, Any]) -> str:
    return f"The service keeps the file of task {task['id']}."
