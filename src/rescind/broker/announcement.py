"""The one message that Rescind sends: "wake up; task so-and-so may be runnable"."""

from __future__ import annotations

import json
from typing import Any

from rescind.telemetry.logs import log

WAKE = "rescind.wake"  #: name of the only Celery task
QUEUE = "rescind"
MOST_BODY_BYTES = 4096
_MOST_ID_LENGTH = 64


def clean(message: Any) -> bool:
    """Whether `message` (kombu's) is an announcement; if so, all but its two ids is taken out of it.

    Celery takes much of what a message says at its word: a time limit, a delay of years, further tasks to send, and
    it ends with TypeError or KeyError, the whole worker with it, where a field has another type than it expects.
    Whoever may write to the broker shall at most wake a worker up.
    """
    task_id = _task_id(message)
    if task_id is None:
        log.warning("announcement.refused", length=len(message.body or b""))
        return False
    message.headers = {"lang": "py", "task": WAKE, "id": message.headers["id"], "ignore_result": True}
    message.properties.pop("reply_to", None)
    message.content_type, message.content_encoding = "application/json", "utf-8"
    message.body = json.dumps([[task_id], {}, {}])
    return True


def _task_id(message: Any) -> str | None:
    headers, body = message.headers, message.body
    if not isinstance(headers, dict) or headers.get("task") != WAKE or not _is_id(headers.get("id")):
        return None
    if message.content_type != "application/json" or not body or len(body) > MOST_BODY_BYTES:
        return None
    try:
        args, kwargs, _ = json.loads(bytes(body) if isinstance(body, memoryview) else body)
        (task_id,) = args
    except (ValueError, TypeError, RecursionError):
        return None
    return task_id if kwargs == {} and _is_id(task_id) else None


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MOST_ID_LENGTH
