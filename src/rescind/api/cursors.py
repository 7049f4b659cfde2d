"""Opaque cursors: where a page ended, in a form that nobody is tempted to build by hand."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from rescind.errors import InvalidArguments

_INTEGERS = range(-(2**63), 2**64)  #: databases have no others


def encode(place: list[Any]) -> str:
    """The cursor for a place: JSON values."""
    text = json.dumps(place, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def decode(cursor: str, length: int) -> list[Any]:
    """The place, which has `length` values. Raises InvalidArguments for what `encode` did not make."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        place = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, RecursionError, binascii.Error):
        raise unusable() from None
    if not isinstance(place, list) or len(place) != length or not all(map(_plain, place)):
        raise unusable()
    return place


def _plain(value: object) -> bool:
    if isinstance(value, int):
        return value in _INTEGERS
    return isinstance(value, str | float)


def unusable() -> InvalidArguments:
    """The error for a cursor that is none."""
    problems = [{"in": "query", "name": "cursor", "message": "not a cursor of this list"}]
    return InvalidArguments("The cursor is not one that this list gave.", problems)
