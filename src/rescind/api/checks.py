"""What can be checked before a task is accepted, where the target answers; the attempt checks it all again."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import Any

from rescind.api.services import services
from rescind.domain.schema import Table, hidden
from rescind.domain.upload import Upload
from rescind.errors import TargetBusy, TargetUnavailable, UnknownTable
from rescind.readers.reader import Source
from rescind.readers.registry import open_reader
from rescind.tasks.load import match


def check_at_once(name: str, args: dict[str, Any]) -> None:
    """Check a built-in task's table and file. Raises UnknownTask, InvalidArguments and what the checks below raise."""
    checked = services().registry[name].check(args)
    if name == "load":
        check_load(checked["table"], services().uploads.get(checked["upload"]), create=checked["create"])
    elif name == "clear":
        check_table(checked["table"], may_miss=checked["made_by_rescind"])
    elif name == "generate":
        refuse_hidden(checked["table"])


def check_table(name: str, *, may_miss: bool) -> Table | None:
    """The table as it is now; None where it is missing (and may be), or where the target does not answer.

    Raises UnknownTable, also for a table of Rescind's own.
    """
    refuse_hidden(name)
    with suppress(TargetUnavailable, TargetBusy):
        try:
            return services().catalog().table(name)
        except UnknownTable:
            if not may_miss:
                raise
    return None


def refuse_hidden(name: str) -> None:
    """Raise UnknownTable for a name that callers may neither see nor make."""
    if hidden(name):
        raise UnknownTable(f"There is no table {name}.")


def check_load(name: str, upload: Upload, *, create: bool) -> None:
    """Compare the file's header with the table. Raises UnknownTable, UnknownColumn, MissingColumn, InvalidInput."""
    table = check_table(name, may_miss=create)
    settings = services().settings
    path = services().uploads.path(upload)
    with closing(open_reader(Source(path, None, settings.max_record_bytes, settings.max_expanded_bytes))) as reader:
        if table is not None:
            match(reader.header, table)
