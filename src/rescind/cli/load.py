"""`rescind load`: send a file as it is, and have it loaded."""

from __future__ import annotations

import mimetypes
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

from cyclopts import Parameter

from rescind.cli.exits import Exit, Failure
from rescind.cli.options import Key, Terms, Wait
from rescind.cli.progress import View, view
from rescind.cli.reading import Reading, help_of
from rescind.cli.service import Access, Query, Service, Unanswered, path
from rescind.cli.tasks import HERE, USUAL, started
from rescind.readers.media import by_name, media_type, without_compression
from rescind.readers.options import Format
from rescind.tasks.load import WRITERS, How, Mode, OnError
from rescind.tasks.matching import Naming

PIECE_BYTES = 1024**2
#: Compressions that HTTP has a name for, by a file's first bytes; the others are told by the content alone.
CONTENT_ENCODINGS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
LONGEST_MAGIC = max(map(len, CONTENT_ENCODINGS))
STANDARD_INPUT = Path("-")
NOTHING_SAID = Reading()


@Parameter(name="*")
@dataclass(frozen=True)
class Writing:
    """How rows are put into the table; what is not said stays None or False."""

    create: Annotated[bool, Parameter(help=help_of(How, "create"))] = False
    count: Annotated[bool, Parameter(help=help_of(How, "count"))] = False
    mode: Annotated[Mode | None, Parameter(help=help_of(How, "mode"))] = None
    key: Annotated[str | None, Parameter(help=help_of(How, "key"))] = None
    index: Annotated[list[str] | None, Parameter(help=help_of(How, "index"), negative=(), consume_multiple=False)] = (
        None
    )
    columns: Annotated[str | None, Parameter(help=help_of(Naming, "columns"))] = None
    ignore: Annotated[str | None, Parameter(help=help_of(Naming, "ignore"))] = None
    on_error: Annotated[OnError | None, Parameter(help=help_of(How, "on_error"))] = None
    max_rejects: Annotated[str | None, Parameter(help=help_of(How, "max_rejects"))] = None
    writers: Annotated[int | Literal["auto"] | None, Parameter(help=WRITERS)] = None

    def said(self) -> Query:
        """As parameters of a query string: those that were given."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: _spelled(value) for name, value in given.items() if value}


def _spelled(value: object) -> str | list[str]:
    return value if isinstance(value, list) else "true" if value is True else str(value)


AS_USUAL = Writing()


def load(
    file: Annotated[
        Path,
        Parameter(
            name="FILE",
            help="CSV, TSV, NDJSON, JSON, Parquet, Arrow or a spreadsheet, compressed or not; - reads standard input.",
            allow_leading_hyphen=True,
        ),
    ],
    /,
    *,
    into: Annotated[str, Parameter(help="The table.")],
    writing: Writing = AS_USUAL,
    reading: Reading = NOTHING_SAID,
    terms: Terms = USUAL,
    wait: Wait = False,
    idempotency_key: Key = None,
    access: Access = HERE,
) -> int:
    """Load a file into a table: all of its rows, or none."""
    if str(file).startswith("-") and file != STANDARD_INPUT:
        raise Failure(f"There is no option {file}.", "Nothing was sent.", "See `rescind load --help`.", Exit.usage)
    if not into:
        raise Failure("The table has no name.", "Nothing was sent.", "Name it with --into.", Exit.usage)
    key = idempotency_key or str(uuid.uuid4())
    query = {**writing.said(), **reading.said(), **dict(terms.query())}
    with Service(access.url) as service:
        task = _send(service, file, path("tables", into, "rows"), query, key, silent=access.json)
        return started(service, task, wait=wait, as_json=access.json)


def _send(service: Service, file: Path, to: str, query: Query, key: str, *, silent: bool) -> dict[str, Any]:
    """The task document of the load."""
    try:
        with _opened(file) as opened, view(silent=silent) as seen:
            size = opened.seek(0, os.SEEK_END)
            opened.seek(0)
            headers = _headers(file, opened) | {"Content-Length": str(size), "Idempotency-Key": key}
            task: dict[str, Any] = service.send(to, _pieces(opened, size, seen), query=query, headers=headers)
            return task
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}.", "Nothing was sent.", code=Exit.usage) from error
    except KeyboardInterrupt:
        done = "Nothing is loaded unless the whole file had arrived; `rescind tasks` shows it."
        raise Failure("The sending was ended.", done, code=Exit.interrupted) from None
    except Unanswered as failure:
        if failure.sent:
            failure.advice += f"\nIt is loaded once, however often you send it with --idempotency-key {key}"
        raise


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """The file; what comes from a pipe is kept in a temporary one first, since its length is told before its bytes."""
    if file != STANDARD_INPUT:
        with file.open("rb") as opened:
            yield opened
        return
    with tempfile.TemporaryFile() as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool, PIECE_BYTES)
        yield spool


def _headers(file: Path, opened: BinaryIO) -> dict[str, str]:
    """What the bytes are: the format as the file's name tells it, and the compression as its first bytes do."""
    first = opened.read(LONGEST_MAGIC)
    opened.seek(0)
    encoding = next((name for magic, name in CONTENT_ENCODINGS.items() if first.startswith(magic)), None)
    return {"Content-Type": _media_type(file.name)} | ({"Content-Encoding": encoding} if encoding else {})


def _media_type(name: str) -> str:
    """Of a name that tells nothing it is CSV's; the content decides in the end."""
    found = by_name(name)
    if found is not None:
        return media_type(found)
    kind, _ = mimetypes.guess_type(without_compression(name))
    return kind if kind and kind != "text/plain" else media_type(Format.csv)


def _pieces(opened: BinaryIO, size: int, seen: View) -> Iterator[bytes]:
    done = 0
    while piece := opened.read(PIECE_BYTES):
        done += len(piece)
        seen.sent(done, size)
        yield piece
