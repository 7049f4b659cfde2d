"""Messages as files in a directory: what the embedded broker keeps its queues in.

    <root>/queues/<queue>/   complete messages, one file each; the names sort by age
    <root>/tmp/              messages that are being written
    <root>/broken/           files that were no message, kept to be looked at (at most `MOST_BROKEN`)

A message appears by `rename`, so a reader sees all of it or nothing; it is taken by `unlink`, which succeeds for
exactly one of several readers. Kombu's own file-system transport writes under the final name: a reader that was
quick enough got half a message, and the worker ended with JSONDecodeError.
Nothing is synced to the disk: an announcement that a power failure takes away is made again by the sweeper.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import stat
import time
import uuid
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rescind.telemetry.logs import log

MOST_MESSAGES = 10_000  # per queue; a queue that nobody reads must not fill the disk
MOST_BROKEN = 100
MOST_MESSAGE_BYTES = 64 * 1024
ABANDONED_SECONDS = 3600.0  # a file in tmp/ of this age belongs to a writer that died

_OUT_OF_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_QUEUE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")


class NotAMessage(Exception):
    """The file is not a message that this broker wrote."""


class Spool:
    """The queues under one root directory. Any number of processes may use the same root at once.

    `check` raises NotAMessage for a JSON object that the reader could not use.
    """

    def __init__(self, root: Path, check: Callable[[dict[str, Any]], None] = lambda message: None) -> None:
        self._root = root
        self._check = check
        self._names: dict[str, deque[str]] = {}  # listed, and not yet looked at
        self._stuck: set[Path] = set()  # broken files that could not be moved: named once, then passed over

    def put(self, queue: str, message: dict[str, Any]) -> bool:
        """Append `message` (JSON values); False if the queue is full and nothing was written. Raises OSError."""
        try:
            return self._put(queue, message)
        except FileNotFoundError:
            # Somebody removed the directory while we ran. Once more with a new one; then it is an error.
            self._prepare(queue)
            return self._put(queue, message)

    def take(self, queue: str) -> dict[str, Any] | None:
        """The oldest message, which is then this caller's alone, or None. Never raises for what lies there."""
        names = self._names.setdefault(queue, deque())
        if not names:
            names.extend(self._list(queue))
        while names:
            path = self._directory(queue) / names.popleft()
            try:
                message = _read(path)
                self._check(message)
                path.unlink()
                return message
            except FileNotFoundError:
                continue  # another reader was first
            except (NotAMessage, OSError) as error:
                if isinstance(error, OSError) and error.errno in _OUT_OF_RESOURCES:
                    return None  # nothing is wrong with the file: it is read later
                self._set_aside(path, error)
        return None

    def size(self, queue: str) -> int:
        """How many files lie in the queue; at most `MOST_MESSAGES` are counted."""
        try:
            with os.scandir(self._directory(queue)) as entries:
                return sum(1 for _ in zip(entries, range(MOST_MESSAGES), strict=False))
        except OSError:
            return 0

    def clear(self, queue: str) -> int:
        """Remove every message; how many were removed by this call."""
        removed = 0
        while self.take(queue) is not None:
            removed += 1
        return removed

    def tidy(self) -> None:
        """Remove what writers that died have left in tmp/."""
        with contextlib.suppress(OSError):
            for path in (self._root / "tmp").iterdir():
                if time.time() - path.lstat().st_mtime > ABANDONED_SECONDS:
                    path.unlink()

    def _put(self, queue: str, message: dict[str, Any]) -> bool:
        if self.size(queue) >= MOST_MESSAGES:
            return False
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex}.json"
        temporary = self._root / "tmp" / name
        try:
            with temporary.open("xb") as file:
                file.write(json.dumps(message).encode())
            temporary.rename(self._directory(queue) / name)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        return True

    def _list(self, queue: str) -> list[str]:
        directory = self._directory(queue)
        try:
            paths = list(directory.iterdir())
        except FileNotFoundError:
            with contextlib.suppress(OSError):
                self._prepare(queue)
            return []
        except OSError as error:
            log.warning("broker.unreadable", directory=str(directory), error=str(error))
            return []
        return sorted(path.name for path in paths if path not in self._stuck)

    def _set_aside(self, path: Path, error: Exception) -> None:
        """Move a file that is no message out of the way, so that it is met, and logged, once."""
        broken = self._root / "broken"
        try:
            broken.mkdir(parents=True, exist_ok=True)
            if sum(1 for _ in broken.iterdir()) < MOST_BROKEN:
                path.rename(broken / path.name)
            else:
                path.unlink()
        except FileNotFoundError:
            return  # another reader has moved it
        except OSError:
            self._stuck.add(path)
        log.warning("broker.broken_file", file=path.name, reason=str(error))

    def _prepare(self, queue: str) -> None:
        for directory in (self._directory(queue), self._root / "tmp"):
            directory.mkdir(parents=True, exist_ok=True)

    def _directory(self, queue: str) -> Path:
        if not _QUEUE.fullmatch(queue):
            raise ValueError(f"{queue!r} cannot be the name of a queue")
        return self._root / "queues" / queue


def _read(path: Path) -> dict[str, Any]:
    # A pipe would block the worker's loop for ever, and a link may lead anywhere: neither is opened.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise NotAMessage("not a regular file")
        data = os.read(handle, MOST_MESSAGE_BYTES + 1)
    finally:
        os.close(handle)
    if len(data) > MOST_MESSAGE_BYTES:
        raise NotAMessage(f"longer than {MOST_MESSAGE_BYTES} bytes")
    try:
        message = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise NotAMessage(str(error)) from error
    if not isinstance(message, dict):
        raise NotAMessage("not a JSON object")
    return message
