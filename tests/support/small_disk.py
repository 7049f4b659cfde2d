"""A file system that is full soon."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers.programs import AbsentError, skip_or_fail


@contextmanager
def small_disk(at: Path, mebibytes: int) -> Iterator[Path]:
    """A tmpfs of that size. Where nobody may mount one: skipped at home, failed in CI."""
    at.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "small", at], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        skip_or_fail(AbsentError(f"a small tmpfs cannot be mounted here (needs root): {mounted.stderr.strip()}"))
    try:
        yield at
    finally:
        subprocess.run(["umount", at], check=True)


def fill(disk: Path) -> Path:
    """Fill the disk with one file, which is returned: delete it, and there is room again."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:  # others write to it meanwhile: until the disk itself says that it is full
            file.write(bytes(4096))
    return filler
