"""`/v1/tasks/{id}/download`: the file that a committed task made, whole or in parts."""

from __future__ import annotations

import base64
import re
import unicodedata
from typing import Annotated, BinaryIO
from urllib.parse import quote

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import Field
from werkzeug.wsgi import FileWrapper

from rescind.api.openapi import Responses, problems
from rescind.api.query import Query, takes
from rescind.api.services import services
from rescind.domain.receipt import Output
from rescind.uploads.digest import PIECE_BYTES

blueprint = APIBlueprint("outputs", __name__, url_prefix="/v1/tasks", tag="Tasks")

_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\"]+')
_BYTES = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
_FILE: Responses = {
    200: {"description": "The file. `Repr-Digest` has its SHA-256.", "content": _BYTES},
    206: {"description": "The part that was asked for.", "content": _BYTES},
    304: {"description": "The client has this very file."},
}


class DownloadQuery(Query):
    """Which file."""

    kind: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        None, description="`kind` of one of the receipt's `outputs`; without it, the first."
    )


@blueprint.get("/<task_id>/download")
@takes(blueprint, DownloadQuery)
@blueprint.doc(responses=problems(404, 409, 410, 416) | _FILE)
def download(task_id: str, query: DownloadQuery) -> Response:
    """Download the file that a task made, once the task has committed; `Range` and `If-Range` ask for a part of it."""
    store = services().outputs
    task = services().submission.get(task_id)
    output = store.find(task, query.kind)
    file = store.open(task, output)
    try:
        return served(file, output)
    except BaseException:
        file.close()
        raise


def served(file: BinaryIO, output: Output) -> Response:
    """The file, or the part of it that the request asks for; it is closed with the response."""
    response = Response(FileWrapper(file, PIECE_BYTES), content_type=output.media_type, direct_passthrough=True)
    response.call_on_close(file.close)
    response.content_length = output.length
    response.set_etag(output.sha256)
    response.last_modified = output.made_at
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Repr-Digest"] = f"sha-256=:{base64.b64encode(bytes.fromhex(output.sha256)).decode()}:"
    response.headers.set("Content-Disposition", "attachment", **_names(output.filename))
    response.headers["Accept-Ranges"] = "bytes"
    ranges = request.method == "GET"  # for HEAD there is no Range (RFC 9110)
    response.make_conditional(request, accept_ranges=ranges, complete_length=output.length if ranges else None)
    return response


def _names(filename: str) -> dict[str, str]:
    """The parameters of RFC 6266: no name leads out of the directory that a client keeps downloads in."""
    safe = _UNSAFE.sub("_", filename).lstrip(".") or "download"
    if safe.isascii():
        return {"filename": safe}
    plain = unicodedata.normalize("NFKD", safe).encode("ascii", "ignore").decode()
    return {"filename": plain, "filename*": f"UTF-8''{quote(safe, safe='')}"}
