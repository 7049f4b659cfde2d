"""`rescind export`: have a table put into a file, and get the file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from cyclopts import Parameter

from rescind.cli import report
from rescind.cli.download import To, receive, refuse_both, told
from rescind.cli.follow import follow
from rescind.cli.options import Key
from rescind.cli.progress import view
from rescind.cli.service import Access, Service
from rescind.cli.tasks import HERE
from rescind.domain.states import State

FormatName = Literal["csv", "ndjson", "parquet"]  # the service's own names would take half a second to import


def export(
    table: Annotated[str, Parameter(name="TABLE", help="The table.")],
    /,
    *,
    columns: Annotated[
        str | None, Parameter(help="Its columns, comma-separated, in this order (default: all).")
    ] = None,
    limit: Annotated[int | None, Parameter(help="So many rows, the first by the key (default: all).")] = None,
    format: Annotated[FormatName | None, Parameter(help="Default: what the name of --to says, else csv.")] = None,
    spreadsheet: Annotated[
        bool, Parameter(help="CSV for a spreadsheet: a quote before texts that it would take for formulas.")
    ] = False,
    to: To = None,
    target: Annotated[str | None, Parameter(help="The registered database (default: `default`).")] = None,
    idempotency_key: Key = None,
    access: Access = HERE,
) -> int:
    """Put the rows of a table into a file, from one snapshot, and download it."""
    refuse_both(to, access)
    wanted = {"columns": None if columns is None else columns.split(","), "limit": limit}
    args = {"table": table, "format": format or _format(to)} | {n: v for n, v in wanted.items() if v is not None}
    if spreadsheet:
        args["spreadsheet"] = True
    body = {"task": "export", "args": args} | ({} if target is None else {"targets": [target]})
    headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
    with Service(access.url) as service, view(silent=access.json) as seen:
        task = follow(service, service.post("/v1/tasks", body, headers=headers), seen)
        place = receive(service, task, to, seen) if task["state"] == State.committed else None
    if place is None:
        return report.ended(task, [], as_json=access.json)
    return told(task, place, as_json=access.json)


def _format(to: Path | None) -> str:
    """What the file's name says."""
    ending = "" if to is None else to.suffix.removeprefix(".").lower()
    return ending if ending in get_args(FormatName) else "csv"
