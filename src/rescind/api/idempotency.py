"""Idempotency-Key: the same request again makes no second task."""

from __future__ import annotations

import hashlib
import re

from flask import request

from rescind.errors import InvalidArguments
from rescind.tasks.submission import Key

HEADER = "Idempotency-Key"
KEY_PATTERN = "^[!-~]{1,255}$"

NO_BODY = hashlib.sha256(b"").hexdigest()


def request_key(body_sha256: str) -> Key | None:
    """The key of the current request, with the hash of its method, path, query and body (SHA-256, hex).

    None where the client gives none, and for GET, which browsers and caches repeat as they like.
    """
    key = request.headers.get(HEADER)
    if key is None or request.method == "GET":
        return None
    if not re.match(KEY_PATTERN, key):
        raise InvalidArguments(
            f"The header {HEADER} takes 1 to 255 visible ASCII characters.",
            [{"in": "header", "name": HEADER, "message": "not a valid key"}],
        )
    parts = (request.method.encode(), request.path.encode(), request.query_string, body_sha256.encode())
    return Key(key, hashlib.sha256(b"\n".join(parts)).hexdigest())


def body_key() -> Key | None:
    """The same for a body that is small and was read whole."""
    return request_key(hashlib.sha256(request.get_data()).hexdigest())
