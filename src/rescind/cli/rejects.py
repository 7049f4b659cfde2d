"""`rescind rejects`: the rows that a load rejected, to be read or as a file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, BinaryIO

from cyclopts import Parameter

from rescind.cli import report
from rescind.cli.download import STANDARD_OUTPUT, To, fresh
from rescind.cli.exits import Exit, Failure
from rescind.cli.options import TaskId
from rescind.cli.service import Access, Service, path
from rescind.cli.tasks import HERE

FILE_NAME = "rejects.csv"  #: as the service calls it, whose own words would take half a second to import


def rejects(
    task_id: TaskId,
    /,
    *,
    csv: Annotated[bool, Parameter(help="Download all that were kept, as CSV; otherwise the first are shown.")] = False,
    to: To = None,
    access: Access = HERE,
) -> int:
    """Show the rows that a load rejected, and why."""
    if csv and access.json:
        raise Failure("--csv and --json are two forms of the same rows.", "Nothing was sent.", code=Exit.usage)
    if to is not None and not csv:
        raise Failure("--to is for --csv.", "Nothing was sent.", code=Exit.usage)
    with Service(access.url) as service:
        return _download(service, task_id, to) if csv else _show(service, task_id, as_json=access.json)


def _show(service: Service, task_id: str, *, as_json: bool) -> int:
    found = service.get(path("tasks", task_id, "rejects"))
    if as_json:
        return report.dump(found)
    for reject in found["rejects"]:
        print(report.reject_line(reject))
    if found["total"] > len(found["rejects"]):
        print(f"… {found['total']:,} in all; these are the first {len(found['rejects']):,}")
    if not found["total"]:
        print("No rows were rejected.")
    return Exit.done


def _download(service: Service, task_id: str, to: Path | None) -> int:
    place = fresh(FILE_NAME) if to is None else to
    if place == STANDARD_OUTPUT:
        _receive(service, task_id, sys.stdout.buffer)
        sys.stdout.flush()
        return Exit.done
    try:
        length = _into(place, service, task_id)
    except OSError as error:
        raise Failure(f"{place} cannot be written: {error.strerror}.", "The service keeps the rows.") from error
    print(f"{place}: {length:,} bytes")
    return Exit.done


def _into(place: Path, service: Service, task_id: str) -> int:
    """The file's bytes. It stands under its name when all of it is there, and not before."""
    part = place.with_name(f".{place.name}.{task_id}.part")
    try:
        with part.open("wb") as file:
            length = _receive(service, task_id, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(place)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return length


def _receive(service: Service, task_id: str, file: BinaryIO) -> int:
    """Write all that the service sends; the bytes. Raises Failure for less than it announced."""
    length = 0
    with service.stream(path("tasks", task_id, "rejects"), {"Accept": "text/csv"}) as response:
        for piece in response.iter_raw():
            file.write(piece)
            length += len(piece)
    return length
