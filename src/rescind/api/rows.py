"""`/v1/tables/{table}/rows`: read all rows or a page of them, and clear the table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from http import HTTPStatus
from typing import Annotated, Any

import pyarrow as pa
from apiflask import APIBlueprint
from flask import Response, request, url_for
from pydantic import Field

from rescind.api import answers, cursors, schemas
from rescind.api.checks import check_at_once
from rescind.api.idempotency import NO_BODY, request_key
from rescind.api.openapi import accepts, problems
from rescind.api.problems import Refusal
from rescind.api.query import Cursor, Number, takes
from rescind.api.services import services
from rescind.api.terms import TargetQuery, Wanted, targets
from rescind.domain.schema import Column, Table
from rescind.encoders import json_text
from rescind.encoders.delimited import csv_document
from rescind.ledger.tasks import AUTOMATIC

blueprint = APIBlueprint("rows", __name__, url_prefix="/v1/tables", tag="Rows")

JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"
MOST_A_PAGE = 10_000  #: a page is held in memory, so that its cursor can stand in a header

Encoder = Callable[[Sequence[Column], Iterator[pa.RecordBatch]], Iterator[bytes]]


class RowsQuery(TargetQuery):
    """Which rows to read: all of them without `limit`."""

    limit: Annotated[Number, Field(ge=1, le=MOST_A_PAGE, description="Without it: all rows, streamed.")] | None = None
    cursor: Cursor | None = None


@blueprint.get("/<path:table>/rows")
@takes(blueprint, RowsQuery)
@blueprint.output(schemas.RowPage)
@blueprint.doc(responses=problems(404, 406, 409, 422) | accepts(NDJSON, CSV))
def read(table: str, query: RowsQuery) -> Response:
    """Read rows from one snapshot, as JSON, NDJSON or CSV."""
    found = services().table(table, query.target)
    form = answers.media_type(JSON, NDJSON, CSV)
    after = None if query.cursor is None else _after(found, query.cursor)
    if query.limit is not None:
        return _page(found, query.limit, after, form, query.target)
    return streamed(found, _ENCODERS[form], form, after, query.target)


@blueprint.delete("/<path:table>/rows")
@takes(blueprint, TargetQuery)
@blueprint.output(schemas.TaskDocument, 202)
@blueprint.doc(responses=problems(404, 422))
def clear(table: str, query: TargetQuery) -> Response:
    """Start a task that deletes all rows of the table."""
    submission = services().submission
    key = request_key(NO_BODY)
    task_id = submission.known(key)
    if task_id is None:
        args = {"table": table}
        wanted = Wanted(None if query.target is None else targets((query.target,), "target"), AUTOMATIC)
        check_at_once("clear", args, wanted)
        task_id, _ = submission.submit("clear", args, targets=wanted.targets, key=key)
    return answers.accepted(task_id)


def streamed(
    table: Table, encoder: Encoder, form: str, after: list[Any] | None = None, target: str | None = None
) -> Response:
    """All rows from one snapshot, in constant memory.

    The snapshot is opened before the status is sent, so that a target that is down is a 503 and no torn answer.
    """
    if request.method == "HEAD":
        return Response(content_type=form)
    stack = ExitStack()
    batches = stack.enter_context(services().catalog(target).rows(table.name, after=after))
    response = Response(encoder(table.columns, batches), content_type=form)
    response.call_on_close(stack.close)
    return response


def _page(table: Table, limit: int, after: list[Any] | None, form: str, target: str | None) -> Response:
    """One row more than shown is read: whether there is one says whether there is a next page."""
    with services().catalog(target).rows(table.name, limit=limit + 1, after=after) as batches:
        found = list(batches)
    shown = _first(found, limit)
    more = sum(batch.num_rows for batch in found) > limit
    cursor = _cursor(table, shown[-1]) if more and table.key else None
    headers = {}
    if cursor is not None:
        following = url_for("rows.read", table=table.name, limit=limit, cursor=cursor, target=target)
        headers["Link"] = f'<{following}>; rel="next"'
    body = _json(table.columns, iter(shown), cursor) if form == JSON else _ENCODERS[form](table.columns, iter(shown))
    return Response(b"".join(body), headers=headers, content_type=form)


def _first(batches: list[pa.RecordBatch], limit: int) -> list[pa.RecordBatch]:
    shown = []
    for batch in batches:
        if limit > 0 and batch.num_rows:
            shown.append(batch.slice(0, limit))
        limit -= batch.num_rows
    return shown


def _json(columns: Sequence[Column], batches: Iterator[pa.RecordBatch], cursor: str | None = None) -> Iterator[bytes]:
    yield b'{"rows":['
    yield from json_text.json_array(columns, batches)
    yield f'],"next":{json.dumps(cursor)}}}\n'.encode()


_ENCODERS: dict[str, Encoder] = {JSON: _json, NDJSON: json_text.ndjson, CSV: csv_document}


def _cursor(table: Table, batch: pa.RecordBatch) -> str:
    """The key of the batch's last row."""
    last = json_text.objects(batch.slice(batch.num_rows - 1))[0]
    return cursors.encode([last[column.name] for column in table.key])


def _after(table: Table, cursor: str) -> list[Any]:
    if not table.key:
        raise Refusal(
            HTTPStatus.CONFLICT,
            "no-key",
            f"Table {table.name} has no primary key, so its rows have no places to go on from.",
            "Read all rows without limit and cursor.",
        )
    place = cursors.decode(cursor, len(table.key))
    try:
        return [json_text.from_plain(value, column.type) for value, column in zip(place, table.key, strict=True)]
    except (TypeError, ValueError):
        raise cursors.unusable() from None
