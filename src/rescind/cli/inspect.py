"""`rescind inspect`: what a file holds. It is read here: nothing is sent, and no service need run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rescind.api.inspection import inspection_document
from rescind.cli import report
from rescind.cli.exits import Exit, Failure
from rescind.cli.options import Json
from rescind.cli.reading import Reading, arguments
from rescind.readers.evidence import Evidence
from rescind.readers.header import DELIMITERS
from rescind.readers.inspect import Inspection
from rescind.readers.inspect import inspect as look
from rescind.readers.media import NAMES
from rescind.readers.reader import Source
from rescind.settings import Settings

ROWS_SHOWN = 10
WIDEST = 30  #: characters of a value in a table
NOTHING_SAID = Reading()


def inspect(
    file: Annotated[Path, Parameter(name="FILE", help="The file; it may be compressed.")],
    /,
    *,
    reading: Reading = NOTHING_SAID,
    json: Json = False,
) -> int:
    """Tell what a file holds, and why its columns have their types. Nothing is sent or loaded."""
    limits = Settings.model_fields
    expanded, record = limits["max_expanded_bytes"].default, limits["max_record_bytes"].default
    try:
        file.open("rb").close()
        found = look(Source(file, record, expanded, reading.options(), file.name))
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}.", code=Exit.usage) from error
    if json:
        return report.dump(inspection_document(found))
    _print(file, found)
    return Exit.done


def _print(file: Path, found: Inspection) -> None:
    print(_head(file, found))
    for proposal in found.proposals:
        print(f"It seems to need {proposal.option}={proposal.value}: {proposal.reason}")
    print()
    rows = [(_cell(column.name), column.type, column.nulls, _why(column.evidence)) for column in found.columns]
    report.table(("COLUMN", "TYPE", "NULLS", "BECAUSE"), rows)
    if found.rows.num_rows:
        print()
        values = zip(*(column.to_pylist() for column in found.rows.slice(0, ROWS_SHOWN).columns), strict=True)
        report.table([*map(_cell, found.rows.schema.names)], [[*map(_cell, row)] for row in values])
    if found.rejected:
        print(f"\n{found.rejected:,} of the records are no rows of such a table:")
        print("\n".join(f"  {reject}" for reject in found.rejects))
    command = ["rescind", "load", str(file), "--into", found.table, "--create", *arguments(found.options)]
    print(f"\nLoad it with: {shlex.join(command)}")


def _head(file: Path, found: Inspection) -> str:
    read = "all" if found.whole else "the first"
    what = f"{file.name} is {NAMES[found.format]}{f' in {found.compression}' if found.compression else ''}"
    dialect = found.dialect
    if dialect is None:
        return f"{what}; {read} {found.records:,} records were read."
    quote = f"quoted with {dialect.quote}" if dialect.quote else "not quoted"
    return (
        f"{what}, separated by {DELIMITERS.get(dialect.delimiter, repr(dialect.delimiter))}, {quote}, in "
        f"{found.options.text_encoding.upper()}; {read} {found.records:,} records were read."
    )


def _why(evidence: Sequence[Evidence]) -> str:
    """The values that ruled out narrower types, and which ones where they are several."""
    by_value = groupby(evidence, key=lambda found: (found.record, _cell(found.value)))
    ruled_out = {value: ", ".join(found.type for found in group) for value, group in by_value}
    if len(ruled_out) == 1:
        return "".join(f"record {record}: {value}" for record, value in ruled_out)
    return "; ".join(f"record {record} is no {types}: {value}" for (record, value), types in ruled_out.items())


def _cell(value: object) -> str:
    text = "NULL" if value is None else " ".join(str(value).split())
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
