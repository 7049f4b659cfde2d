"""Where a server's programs are; and what it means that one, or anything else that a test needs, is absent."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest


class AbsentError(Exception):
    """What a test needs is not on this machine."""


def program(name: str, places: Sequence[str] = ()) -> str:
    """The path of `name`: in the newest of the directories that match `places`, else in PATH or the sbin directories.

    Raises AbsentError. Debian keeps `postgres` and the plain `rabbitmq-server` out of everybody's PATH.
    """
    directories = [d for place in places for d in sorted(Path("/").glob(place.lstrip("/")), key=_newest, reverse=True)]
    path = os.pathsep.join([*map(str, directories), os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which(name, path=path)
    if found is None:
        raise AbsentError(f"{name} is not installed; `make services` installs it")
    return found


def _newest(directory: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(directory))]


def skip_or_fail(absent: AbsentError) -> NoReturn:
    """Where a person runs the tests they are skipped; in CI nothing is ever left untested in silence."""
    if os.environ.get("CI"):
        pytest.fail(f"In CI nothing is skipped: {absent}", pytrace=False)
    pytest.skip(str(absent))
