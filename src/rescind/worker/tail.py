"""Repeating log files on standard error while they grow."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


class Tail:
    """What is added to `files` from now on. A file that is put aside and begun anew is read from its start.

    Files, not pipes, so that a slow terminal can never hold up a process that logs.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._read = {file: _size(file) for file in files}

    def copy(self) -> None:
        """Write what was added since the last call."""
        for file, done in self._read.items():
            size = _size(file)
            if size == done:
                continue
            with file.open("rb") as log:
                log.seek(done if size > done else 0)
                data = log.read()
                self._read[file] = log.tell()
            sys.stderr.write(data.decode(errors="replace"))
        sys.stderr.flush()


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
