"""The directory of uploads: one file per upload, named by its id, and `.part` files that are being received."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from rescind.errors import UnknownUpload
from rescind.uploads import disk

_PART = ".part"


def checked(upload_id: str) -> str:
    """The id, if it is a UUID as this service writes them. Raises UnknownUpload.

    An id comes from a client and becomes a file name: `../ledger.db` must end here.
    """
    try:
        valid = str(uuid.UUID(upload_id)) == upload_id
    except ValueError:
        valid = False
    if not valid:
        raise UnknownUpload(f"No upload has the id {upload_id!r}.")
    return upload_id


class UploadDirectory:
    """Whole files appear in it at once or not at all, and survive a power cut once they have appeared."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, upload_id: str) -> Path:
        """Where the bytes are, or would be."""
        return self._root / checked(upload_id)

    @contextmanager
    def receive(self, upload_id: str) -> Iterator[BinaryIO]:
        """A file to write to. It becomes the upload's when the block ends; it is gone if the block raises."""
        whole = self.path(upload_id)
        part = whole.with_name(whole.name + _PART)
        self._root.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.rename(whole)
            disk.keep(self._root)
        except BaseException:
            with suppress(OSError):
                part.unlink(missing_ok=True)
                whole.unlink(missing_ok=True)
            raise

    def remove(self, upload_id: str) -> bool:
        """Delete the bytes; False if there were none."""
        try:
            self.path(upload_id).unlink()
        except FileNotFoundError:
            return False
        return True

    def whole(self, before: datetime) -> list[str]:
        """Ids of the uploads that were last written before that time."""
        return [path.name for path in self._files(before) if path.suffix != _PART and _is_id(path.name)]

    def remove_parts(self, before: datetime) -> int:
        """Delete what was being received and has not been written to since that time; how many there were."""
        parts = [path for path in self._files(before) if path.suffix == _PART and _is_id(path.stem)]
        for path in parts:
            path.unlink(missing_ok=True)
        return len(parts)

    def _files(self, before: datetime) -> list[Path]:
        limit = before.timestamp()
        found = []
        with suppress(FileNotFoundError), os.scandir(self._root) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < limit:
                        found.append(Path(entry.path))
        return found


def _is_id(name: str) -> bool:
    with suppress(UnknownUpload):
        return checked(name) == name
    return False
