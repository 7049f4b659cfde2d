"""What can be checked before a task is accepted, where the target answers; the attempt checks it all again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Any

from rescind.api.services import services
from rescind.api.terms import Wanted, check_commit
from rescind.domain.schema import Table, expect_plain, hidden, no_table
from rescind.domain.upload import Upload
from rescind.errors import InvalidArguments, MissingColumn, TargetBusy, TargetUnavailable, UnknownTable
from rescind.readers.registry import open_reader
from rescind.targets.capabilities import Capabilities
from rescind.tasks import auto_writers, export, load
from rescind.tasks.matching import agreed, columns_of_fields, expect_columns, match
from rescind.tasks.transactional import AUTO


def check_at_once(name: str, args: dict[str, Any], wanted: Wanted) -> dict[str, Any]:
    """Check how the task is to commit, and a built-in task's tables and file. Returns the arguments to submit it with.

    Raises UnknownTask, InvalidArguments and what the checks below raise.
    """
    definition = services().registry[name]
    checked = definition.check(args)
    targets = check_commit(definition, checked, wanted)
    if name == "load":
        checked = with_writers_chosen(checked, services().uploads.get(checked["upload"]), targets)
    elif name == "export":
        check_export(checked, targets)
    elif name == "clear":
        check_tables(checked["table"], targets, may_miss=checked["made_by_rescind"])
    elif name == "generate":
        check_tables(checked["table"], targets, may_miss=True)
    return checked


def check_tables(name: str, targets: Sequence[str], *, may_miss: bool) -> dict[str, Table]:
    """The table as it is now in each target; without those where it is missing (and may be), or that do not answer.

    Raises UnknownTable, also for a table of Rescind's own, NotATable, and InvalidArguments for a name that no table
    can be given.
    """
    refuse_hidden(name)
    found = {}
    for target in targets:
        with suppress(TargetUnavailable, TargetBusy):
            try:
                found[target] = services().table(name, target)
            except UnknownTable as error:
                if not may_miss:
                    raise load.missing_table(name, target, targets) from error
                expect_plain(name)
                check_names([name], [target])
    return found


def check_names(names: Sequence[str], targets: Sequence[str]) -> None:
    """Raise InvalidArguments for a name of a table or column that is longer than a target has any."""
    for target in targets:
        with suppress(TargetUnavailable, TargetBusy):
            card = services().look(target, lambda found: found.capabilities())
            for name in names:
                if card.longest_name and not card.longest_name.takes(name):
                    raise InvalidArguments(
                        f"{name!r} is too long for a name: {card.database} has names of at most {card.longest_name}."
                    )


def check_seen(writers: int | str, targets: Sequence[str]) -> None:
    """Raise InvalidArguments where several writers are wanted for a table that only one of them would see."""
    for target in targets:
        with suppress(TargetUnavailable, TargetBusy):
            card = services().look(target, lambda found: found.capabilities())
            load.expect_seen(writers, inside=card.makes_tables_inside)


def refuse_hidden(name: str) -> None:
    """Raise UnknownTable for a name that callers may neither see nor make."""
    if hidden(name):
        raise no_table(name)


def check_export(args: dict[str, Any], targets: Sequence[str]) -> None:
    """Raises UnknownTable, UnknownColumn, InvalidArguments."""
    export.check(args["columns"], args["format"], args["spreadsheet"], targets)
    for table in check_tables(args["table"], targets, may_miss=False).values():
        table.only(args["columns"])


def with_writers_chosen(args: dict[str, Any], upload: Upload, targets: Sequence[str]) -> dict[str, Any]:
    """The checked arguments of a load, with a number of writers where that was left open. Raises as `check_load`."""
    filled = check_load(args, upload, targets)
    if args["writers"] != AUTO:
        return args

    def ask(target: str) -> tuple[Capabilities, Table]:
        return services().look(target, lambda found: found.capabilities()), services().table(args["table"], target)

    how, cores = load.load.given(args)["how"], len(os.sched_getaffinity(0))
    return load.load.with_writers(args, auto_writers.writers(how, targets, upload.length, cores, filled, ask))


def check_load(args: dict[str, Any], upload: Upload, targets: Sequence[str]) -> frozenset[str] | None:
    """Compare the file's header with the tables; `args` are checked.

    Returns the columns that the file has values for, None where only the attempt sees them all. Raises UnknownTable,
    UnknownColumn, MissingColumn, InvalidInput, InvalidArguments.
    """
    given = load.load.given(args)
    how, reading, said = given["how"], given["reading"], given["said"]
    load.check(how, given["writers"], targets)
    tables = check_tables(given["table"], targets, may_miss=how.create)
    with closing(open_reader(services().source(upload, reading))) as reader:
        if not reader.header_is_whole and (said.columns or said.ignore):
            return None  # the attempt reads on
        found = columns_of_fields(reader.header, said, named=reading.header)
        try:
            matched = {target: match(found, table) for target, table in tables.items()}
            for target, table in tables.items():
                load.check_key(table, matched[target], how)
        except MissingColumn:
            if reader.header_is_whole:
                raise
            return None
        if how.create:
            new = [target for target in targets if target not in tables]
            check_names(list(found.values()), new)
            check_seen(given["writers"], new)
            if new and reader.header_is_whole:
                expect_columns(found.values(), how.key or (), how.index or ())
    if matched:
        agreed(matched)
    return frozenset(found.values()) if reader.header_is_whole else None
