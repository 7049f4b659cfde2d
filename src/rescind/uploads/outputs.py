"""Files that attempts make: whole and on the disk before the decision, and only the committed attempt's is served.

A file is named `{task}.{attempt}.{kind}`, so that no attempt can touch another's. The decision carries its length and
SHA-256 into the receipt. Whatever dies, and when: before the decision the file is nobody's and is swept; after it the
file is there.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from rescind import failpoints
from rescind.domain.receipt import REJECTS, Output, outputs_of
from rescind.domain.states import State
from rescind.domain.task import Task
from rescind.errors import NoOutput, NotCommitted, OutputGone, OutputStorageFull
from rescind.ledger import tasks
from rescind.ledger.engine import Ledger
from rescind.pipeline import Check
from rescind.uploads import disk
from rescind.uploads.digest import Measure, pieces
from rescind.uploads.output_file import OutputFile, nanoseconds

#: A file of a task that the ledger does not know was left by one that is forgotten, or the ledger is not the one that
#: the files belong to: after this time it is taken for the former.
ORPHAN_AGE = timedelta(hours=1)

_PART = ".part"
_KIND = r"[a-z][a-z-]*"
_NAME = re.compile(rf"(?P<task>[0-9a-f-]{{36}})\.(?P<attempt>[0-9]+)\.(?P<kind>{_KIND})(?P<part>\.part)?", re.ASCII)


@dataclass(frozen=True)
class _Found:
    """A file of the directory. `changed` is when it was last written to."""

    path: Path
    task: str
    attempt: int
    kind: str
    part: bool
    changed: datetime


class OutputStore:
    """The directory of outputs. `keep_days` is how long a task's files are kept."""

    def __init__(self, directory: Path, ledger: Ledger, keep_days: float = 7.0) -> None:
        self._directory = directory
        self._ledger = ledger
        self._keep = timedelta(days=keep_days)

    @contextmanager
    def make(
        self,
        task: Task,
        kind: str,
        *,
        filename: str,
        media_type: str,
        check: Check,
        made: Callable[[Output], None],
    ) -> Iterator[OutputFile]:
        """A file to write to. When the block ends it is whole, on the disk, and told to `made`; if it raises, gone.

        `check` is called at each write and may raise. Raises ValueError for a second file of one kind and attempt,
        and for a kind or media type that is none; OutputStorageFull.
        """
        if not re.fullmatch(_KIND, kind):
            raise ValueError(f"{kind!r} is no kind of output: it is made of small letters and hyphens")
        if not (media_type.isascii() and media_type.isprintable()):  # it becomes a header
            raise ValueError(f"{media_type!r} is no media type")
        whole = self._path(task, kind)
        part = whole.with_name(whole.name + _PART)
        if whole.exists() or part.exists():
            raise ValueError(f"the attempt has made its {kind} already")
        try:
            with self._begun(part) as raw:
                file = OutputFile(raw, check)
                yield file
                made_at = file.finish()
            check()
            self._keep_as(part, whole)
        except BaseException:
            for path in (part, whole):
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            raise
        made(Output(kind, filename, media_type, file.length, file.sha256, made_at))

    def find(self, task: Task, kind: str | None = None) -> Output:
        """The committed task's file of that kind, or its first. Raises NotCommitted, NoOutput."""
        if task.state is not State.committed:
            raise NotCommitted(f"Task {task.id} is {task.state}; what it makes can be had once it is committed.")
        for output in outputs_of(task.receipt):
            if kind in (None, output.kind):
                return output
        raise NoOutput(f"Task {task.id} made no file" + (f" of kind {kind!r}." if kind else "."))

    def open(self, task: Task, output: Output) -> BinaryIO:
        """The file's bytes, which are those that the decision was made on. Raises OutputGone.

        A file that carries the time at which it was made is believed; any other is read first.
        """
        try:
            file = self._path(task, output.kind).open("rb")
        except FileNotFoundError as error:
            raise OutputGone(f"The file that task {task.id} made is gone: {self._why(task)}.") from error
        try:
            _verify(file, task, output)
        except BaseException:
            file.close()
            raise
        return file

    def sweep(self, at: datetime) -> int:
        """Delete files of attempts that did not commit, and those past their time; how many that were."""
        # Before the ledger is asked: an attempt is in the ledger before it makes its first file.
        found = list(self._files())
        known = self._tasks({file.task for file in found})
        unwanted = [file for file in found if not self._wanted(file, known.get(file.task), at)]
        for file in unwanted:
            failpoints.hit("output.before_remove")
            file.path.unlink(missing_ok=True)
        return len(unwanted)

    def _begun(self, part: Path) -> io.FileIO:
        with disk.full_named(OutputStorageFull, "outputs"):
            self._directory.mkdir(parents=True, exist_ok=True)
            return part.open("xb", buffering=0)

    def _keep_as(self, part: Path, whole: Path) -> None:
        failpoints.hit("output.before_rename")
        with disk.full_named(OutputStorageFull, "outputs"):
            part.rename(whole)
            disk.keep(self._directory)
        failpoints.hit("output.after_rename")

    def _wanted(self, file: _Found, task: Task | None, at: datetime) -> bool:
        if task is None:
            return file.changed > at - ORPHAN_AGE
        if file.attempt != task.attempt:
            return file.attempt > task.attempt  # the ledger was restored from before that attempt: not ours to judge
        match task.state:
            case State.running:
                return True
            case State.prepared | State.committing | State.hazard:
                return not file.part
            case State.committed:
                return not file.part and self._lasts(task, at)
            case State.checked:  # which rows would not fit is what a dry run was asked
                return not file.part and file.kind == REJECTS and self._lasts(task, at)
            case _:
                return False

    def _lasts(self, task: Task, at: datetime) -> bool:
        return (task.finished_at or at) > at - self._keep

    def _tasks(self, ids: Collection[str]) -> dict[str, Task]:
        with self._ledger.read() as connection:
            return {task.id: task for task in tasks.of_ids(connection, ids)}

    def _files(self) -> Iterator[_Found]:
        with suppress(FileNotFoundError), os.scandir(self._directory) as entries:
            for entry in entries:
                if (name := _NAME.fullmatch(entry.name)) is None:
                    continue
                with suppress(FileNotFoundError):
                    changed = datetime.fromtimestamp(entry.stat(follow_symlinks=False).st_mtime, UTC)
                    attempt, part = int(name["attempt"]), bool(name["part"])
                    yield _Found(Path(entry.path), name["task"], attempt, name["kind"], part, changed)

    def _path(self, task: Task, kind: str) -> Path:
        return self._directory / f"{task.id}.{task.attempt}.{kind}"

    def _why(self, task: Task) -> str:
        if not self._lasts(task, datetime.now(UTC)):
            return f"files are kept for {self._keep.total_seconds() / 86_400:g} days"
        return "something else than Rescind has removed it"


def _verify(file: BinaryIO, task: Task, output: Output) -> None:
    state = os.fstat(file.fileno())
    if state.st_size == output.length and state.st_mtime_ns == nanoseconds(output.made_at):
        return
    measure = Measure()
    for piece in pieces(file) if state.st_size == output.length else ():
        measure.add(piece)
    if measure.sha256 != output.sha256:
        raise OutputGone(f"The file that task {task.id} made has been changed since: it is not served any more.")
    file.seek(0)
