"""The bytes of an upload are measured while a task reads them.

Read and measured again before the decision they took a twentieth of a load's time. What was read is also exactly what
was measured: a file that somebody changes and puts right again meanwhile is found out. (Formats that are read here and
there make no pass of their own: their bytes are measured at the end, and nothing else may be taken for a pass.)
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from rescind.domain.upload import Upload
from rescind.uploads.digest import Measure

#: Pieces that were read and are still to be measured. More would only take memory.
_PENDING = 4


class MeasuredFile:
    """A file to be read from its begin; what was read is measured by a thread, which ends with `close`."""

    def __init__(self, path: Path) -> None:
        self.measure = Measure()
        self.whole = False  #: whether its end was read
        self._file = path.open("rb")
        self._pool = ThreadPoolExecutor(1, "measure")
        self._pending: deque[Future[None]] = deque()

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        piece = self._file.read(size)
        self.whole = size > 0 and not piece
        if len(self._pending) == _PENDING:
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(self.measure.add, piece))
        return piece

    def close(self) -> None:
        self._file.close()
        self._pool.shutdown()


class UsedUpload:
    """An upload that a task uses, and what it read of it."""

    def __init__(self, upload: Upload) -> None:
        self.upload = upload
        self._last: MeasuredFile | None = None

    def open(self, path: Path) -> MeasuredFile:
        """Begin a pass over its bytes; it is the last one that counts, since the rows that are written come from it."""
        self._last = MeasuredFile(path)
        return self._last

    @property
    def measure(self) -> Measure | None:
        """Of the last pass, if that was over all bytes; to be asked for after its end."""
        return self._last.measure if self._last is not None and self._last.whole else None
