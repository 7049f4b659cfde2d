"""The home: the directory that holds everything the service writes, and the lock that keeps a second one out."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rescind.errors import AlreadyRunning, ConfigurationError

LOCK_NAME = "lock"

_FLOCK = "hhqqi"  #: struct flock: type, whence, start, length, pid


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Make the home and hold its lock.

    The lock belongs to this process in the kernel: children do not inherit it, and it is free the moment this
    process is gone, however it went. Raises ConfigurationError if the home cannot be written to, and
    AlreadyRunning, naming the process, if another has it.
    """
    lock = _open(home)
    try:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"Rescind runs already in {home.absolute()}{_by(_holder(lock))}.") from None
        yield
    finally:
        os.close(lock)


def holder(home: Path) -> int | None:
    """The number of the process that holds the home's lock, or None. It is 0 if the process cannot be seen here."""
    try:
        lock = os.open(home / LOCK_NAME, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        return _holder(lock)
    finally:
        os.close(lock)


def make(home: Path) -> None:
    """Make the home if it is missing, for its owner alone. Raises ConfigurationError if it cannot be written to."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(home, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _unusable(home, error) from error


def _open(home: Path) -> int:
    make(home)
    try:
        return os.open(home / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unusable(home, error) from error


def _unusable(home: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"The home {home.absolute()} cannot be written to: {error.strerror}.")


def _holder(lock: int) -> int | None:
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(lock, fcntl.F_GETLK, asked))
    return None if kind == fcntl.F_UNLCK else int(pid)


def _by(pid: int | None) -> str:
    return f": process {pid} has it" if pid else ""
