"""Moments as text, alike wherever they are shown."""

from __future__ import annotations

from datetime import datetime


def rfc3339(at: datetime) -> str:
    """RFC 3339 with microseconds, of a moment in UTC."""
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
