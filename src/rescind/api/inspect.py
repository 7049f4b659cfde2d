"""`POST /v1/uploads/{upload}/inspect`: what a file holds, before it is loaded."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from rescind.api import answers
from rescind.api.inspection import inspection_document
from rescind.api.openapi import problems
from rescind.api.query import takes
from rescind.api.reading import ReadingQuery
from rescind.api.services import services
from rescind.api.upload_schemas import InspectionDocument
from rescind.api.uploads import find
from rescind.readers.inspect import inspect

blueprint = APIBlueprint("inspect", __name__, url_prefix="/v1/uploads", tag="Uploads")


@blueprint.post("/<upload>/inspect")
@takes(blueprint, ReadingQuery)
@blueprint.output(InspectionDocument)
@blueprint.doc(responses=problems(404, 422))
def look(upload: str, query: ReadingQuery) -> Response:
    """Tell what an upload holds: dialect, columns with the evidence for their types, first rows, a table for it.

    Of text the first 4 MiB are read. Nothing is loaded.
    """
    found = find(upload)
    return answers.document(inspection_document(inspect(services().source(found, query.options()))))
