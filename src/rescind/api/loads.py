"""`POST /v1/tables/{table}/rows`: a file into a table, in one request."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import Field, WithJsonSchema, WrapValidator

from rescind.api import answers, schemas
from rescind.api.checks import check_tables, with_writers_chosen
from rescind.api.idempotency import HEADER, request_key
from rescind.api.openapi import problems
from rescind.api.query import REPEATED, Flag, Number, takes
from rescind.api.reading import ReadingQuery
from rescind.api.receiving import kept_if_submitted, receive
from rescind.api.services import services
from rescind.api.terms import TermsQuery, Wanted, check_commit
from rescind.domain.upload import Upload
from rescind.readers.options import Options
from rescind.tasks.load import MOST_WRITERS, WRITERS, How, in_one_message
from rescind.tasks.matching import Indexes, Names, Naming

Listed = Annotated[Names, WithJsonSchema({"type": "string"})]
Indexed = Annotated[Indexes, WithJsonSchema({"type": "array", "items": {"type": "string"}})]

Writers = Annotated[Annotated[Number, Field(ge=1, le=MOST_WRITERS)] | Literal["auto"], WrapValidator(in_one_message)]

blueprint = APIBlueprint("loads", __name__, url_prefix="/v1/tables", tag="Rows")


class LoadQuery(TermsQuery, ReadingQuery, How, Naming):
    """How to load. Lists of names are separated by commas; `index` may be given once for each index."""

    create: Flag = Field(False, description=How.model_fields["create"].description)
    count: Flag = Field(False, description=How.model_fields["count"].description)
    columns: Listed | None = Field(None, description=Naming.model_fields["columns"].description)
    key: Listed | None = Field(None, description=How.model_fields["key"].description)
    index: Annotated[Indexed | None, REPEATED] = Field(None, description=How.model_fields["index"].description)
    ignore: Listed | None = Field(None, description=Naming.model_fields["ignore"].description)
    writers: Writers = Field(1, description=WRITERS)

    def args(self, table: str, upload: str) -> dict[str, Any]:
        """The task's arguments: those that were chosen."""
        said = {*How.model_fields, *Naming.model_fields, *Options.model_fields, "writers"}
        return {"table": table, "upload": upload} | self.model_dump(mode="json", include=said, exclude_defaults=True)


@blueprint.post("/<path:table>/rows")
@takes(blueprint, LoadQuery)
@blueprint.output(schemas.TaskDocument, 202)
@blueprint.doc(responses=problems(400, 404, 409, 411, 413, 415, 422, 507))
def load(table: str, query: LoadQuery) -> Response:
    """Load a file into a table: the body itself, or the part `file` of a form.

    CSV, TSV, NDJSON or a JSON array, plain or in gzip, zstd, bzip2 or xz; Parquet, Arrow IPC, XLSX or ODS. The content
    tells which it is, and where it leaves that open the Content-Type does.
    """
    wanted = query.wanted()
    if HEADER not in request.headers:  # with a key, the first request's answer counts, whatever came after it
        # Before the bytes travel.
        check_tables(table, _targets(table, "", query, wanted), may_miss=query.create)
    upload = receive()
    with kept_if_submitted(upload):
        task_id, made = _submit(table, query, wanted, upload)
    if not made:
        services().uploads.discard(upload)
    return answers.accepted(task_id)


def _targets(table: str, upload: str, query: LoadQuery, wanted: Wanted) -> tuple[str, ...]:
    definition = services().registry["load"]
    return check_commit(definition, definition.check(query.args(table, upload)), wanted)


def _submit(table: str, query: LoadQuery, wanted: Wanted, upload: Upload) -> tuple[str, bool]:
    submission = services().submission
    key = request_key(upload.sha256)
    first = submission.known(key)
    if first is not None:
        return first, False
    args = services().registry["load"].check(query.args(table, upload.id))
    args = with_writers_chosen(args, upload, _targets(table, upload.id, query, wanted))
    return submission.submit("load", args, targets=wanted.targets, terms=wanted.terms, upload=upload, key=key)
