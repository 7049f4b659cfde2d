"""What the disk does to files: it fills up, and forgets what it was not told to keep."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rescind import failpoints
from rescind.errors import RescindError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def full_named(full: type[RescindError], what: str) -> Iterator[None]:
    """Raise `full` where no space is left for `what`."""
    try:
        yield
    except failpoints.Injected as error:
        raise full(f"No space is left where {what} are kept: a failpoint says so.") from error
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise full(f"No space is left where {what} are kept: {error.strerror}.") from error


def keep(directory: Path) -> None:
    """Have the names in it survive a power cut."""
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
