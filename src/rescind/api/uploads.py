"""`/v1/uploads`: bytes kept apart from a load, to be loaded later, or to be looked into first."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from apiflask import APIBlueprint
from flask import Response, request, url_for
from werkzeug.exceptions import UnsupportedMediaType

from rescind.api import answers
from rescind.api.inspection import inspection_document
from rescind.api.openapi import problems
from rescind.api.problems import Refusal
from rescind.api.query import takes
from rescind.api.reading import ReadingQuery
from rescind.api.receiving import MULTIPART, kept_if_submitted, receive
from rescind.api.services import services
from rescind.api.upload_schemas import InspectionDocument, UploadDocument
from rescind.domain.upload import LONGEST_NAME, Upload
from rescind.errors import InvalidArguments, UnknownUpload
from rescind.readers.inspect import inspect

blueprint = APIBlueprint("uploads", __name__, url_prefix="/v1/uploads", tag="Uploads")


@blueprint.put("/<upload>")
@blueprint.output(UploadDocument, 201)
@blueprint.doc(responses=problems(400, 411, 413, 415, 422, 507) | {200: {"description": "It is there already."}})
def keep(upload: str) -> Response:
    """Keep the body as a file of that name. The same file sent again within an hour is kept once."""
    if len(upload) > LONGEST_NAME or not upload.isprintable():
        message = f"at most {LONGEST_NAME} printable characters are expected"
        wrong = {"in": "path", "name": "upload", "message": message}
        raise InvalidArguments(f"The request is wrong: path upload: {message}.", [wrong])
    if request.mimetype == MULTIPART:
        raise UnsupportedMediaType("The body is the file itself here, not a form (curl -T FILE).")
    received = receive(upload)
    with kept_if_submitted(received):
        kept, new = services().uploads.keep(received)
    status = HTTPStatus.CREATED if new else HTTPStatus.OK
    return answers.document(_document(kept), status, {"Location": url_for("uploads.show", upload=kept.id)})


@blueprint.get("/<upload>")
@blueprint.output(UploadDocument)
@blueprint.doc(responses=problems(404))
def show(upload: str) -> Response:
    """Show an upload by its id."""
    return answers.document(_document(_find(upload)))


@blueprint.delete("/<upload>")
@blueprint.output({}, 204)
@blueprint.doc(responses=problems(404, 409))
def delete(upload: str) -> Response:
    """Delete an upload by its id, unless a task still needs it."""
    _find(upload)
    services().uploads.delete(upload)
    return Response(status=HTTPStatus.NO_CONTENT)


@blueprint.post("/<upload>/inspect")
@takes(blueprint, ReadingQuery)
@blueprint.output(InspectionDocument)
@blueprint.doc(responses=problems(404, 422))
def look(upload: str, query: ReadingQuery) -> Response:
    """Tell what an upload holds: dialect, columns with the evidence for their types, first rows, a table for it.

    Of text the first 4 MiB are read. Nothing is loaded.
    """
    found = _find(upload)
    return answers.document(inspection_document(inspect(services().source(found, query.options()))))


def _find(upload_id: str) -> Upload:
    """Answers 404 where there is none of that id, or its bytes are deleted."""
    try:
        return services().uploads.get(upload_id)
    except UnknownUpload as error:
        raise Refusal(HTTPStatus.NOT_FOUND, error.code, str(error), error.advice) from error


def _document(upload: Upload) -> dict[str, Any]:
    address = url_for("uploads.show", upload=upload.id)
    return {
        "id": upload.id,
        "name": upload.filename,
        "length": upload.length,
        "sha256": upload.sha256,
        "content_type": upload.content_type,
        "content_encoding": upload.content_encoding,
        "links": {"self": address, "inspect": f"{address}/inspect"},
    }
