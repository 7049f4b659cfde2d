"""Where memory servers of tests listen."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def socket_path() -> Iterator[str]:
    """A path for a Unix socket: short, since the system allows some hundred bytes only."""
    with tempfile.TemporaryDirectory(prefix="rescind-") as directory:
        yield str(Path(directory, "socket"))
