"""One output while it is written: measured, and put on the disk piece by piece."""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rescind import failpoints
from rescind.errors import OutputStorageFull
from rescind.pipeline import Check
from rescind.uploads import disk
from rescind.uploads.digest import Measure

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: So many bytes are put on the disk at a time. All of a large file at its end would take long, and nothing interrupts
#: that: a stop would not be heard.
SYNC_BYTES = 64 * 1024 * 1024


class OutputFile(io.RawIOBase):
    """A binary file that is written from its beginning to its end, once. `check` is called at each write."""

    def __init__(self, raw: io.FileIO, check: Check) -> None:
        super().__init__()
        self._raw = raw
        self._check = check
        self._measure = Measure()
        self._synced = 0

    @property
    def length(self) -> int:
        return self._measure.length

    @property
    def sha256(self) -> str:
        return self._measure.sha256

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.length

    def write(self, data: ReadableBuffer, /) -> int:
        """Append all of the bytes; how many they are. Raises OutputStorageFull, and what `check` raises."""
        self._check()
        failpoints.hit("output.mid_data")
        view = memoryview(data).cast("B")
        with disk.full_named(OutputStorageFull, "outputs"):
            failpoints.hit("output.disk_full")
            self._append(view)
        self._measure.add(view)
        return len(view)

    def finish(self) -> datetime:
        """Put all of it on the disk; the time that the file then carries."""
        at = datetime.now(UTC)
        os.utime(self._raw.fileno(), ns=(nanoseconds(at), nanoseconds(at)))
        with disk.full_named(OutputStorageFull, "outputs"):
            os.fsync(self._raw.fileno())
        return at

    def _append(self, view: memoryview) -> None:
        left = view
        while left:
            left = left[self._raw.write(left) or 0 :]
        self._synced += len(view)
        if self._synced >= SYNC_BYTES:
            os.fdatasync(self._raw.fileno())
            self._synced = 0


def nanoseconds(at: datetime) -> int:
    """Since 1970, as files count time. A float has not digits enough for microseconds of today."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
