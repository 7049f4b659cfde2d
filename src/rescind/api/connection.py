"""The connection under a request: clients that stall, and clients that are answered before they have sent all."""

from __future__ import annotations

import time
from typing import Any

from flask import Response, request
from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import get_input_stream

STALL_SECONDS = 60.0  #: a client that neither sends nor takes a byte for so long gives its thread back
DRAIN_SECONDS = 5.0
DRAIN_BYTES = 64 * 1024 * 1024
_PIECE_BYTES = 256 * 1024


def limit_stalls() -> None:
    """Before each request: without a limit, as many silent clients as there are threads would stop the API."""
    socket: Any = request.environ.get("gunicorn.socket")
    if socket is not None:
        socket.settimeout(STALL_SECONDS)


def read_to_the_end(response: Response) -> Response:
    """After a refusal: read what the client is still sending, within bounds.

    Gunicorn would close the connection, and a client that is busy sending finds a reset in place of its answer.
    """
    if response.status_code >= 400 and request.method in ("POST", "PUT", "PATCH", "DELETE"):
        _drain()
    return response


def _drain() -> None:
    until = time.monotonic() + DRAIN_SECONDS
    body = get_input_stream(request.environ, max_content_length=None)
    left = DRAIN_BYTES
    try:
        while left > 0 and time.monotonic() < until and (piece := body.read(_PIECE_BYTES)):
            left -= len(piece)
    except (ClientDisconnected, OSError):
        return  # nobody is left to read the answer, or all had been read before
