"""What is told of an error: in the task's document, its history and the log.

Never a statement or its values, and never more than the ledger takes: a text that is larger than a packet of MySQL's
looks like an outage of the ledger, and would be sent again for ever.
"""

from __future__ import annotations

import json
import re
import traceback

from sqlalchemy.exc import StatementError

from rescind.domain.task import Problem
from rescind.errors import RescindError, Retry

_NOT_THE_STATEMENT = re.compile(r"\n| near '")
MOST_CHARACTERS = 2_000  #: of a text, and of the further facts as JSON


def problem_of(error: BaseException) -> Problem:
    """What the task document says of an error. Whatever is not ours is a fault in the task or in Rescind."""
    if isinstance(error, RescindError):
        return Problem(error.code, _cut(str(error)), error.advice, error.retry, _bounded(error))
    if isinstance(error, MemoryError):
        return Problem("out-of-memory", "The worker ran out of memory.", "Give the worker more.", Retry.counted)
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return Problem("shutting-down", "The worker was told to leave.", "Nothing is to be done.", Retry.free)
    return Problem("internal-error", said(error), RescindError.advice, Retry.counted)


def said(error: BaseException) -> str:
    """The type and the words of an error that is not ours; of a database's only its own first line.

    SQLAlchemy adds the statement and its values, PostgreSQL a line of it, and MySQL's parser quotes it, with the values
    that the driver has put in, from where it is wrong: nothing after its `near` is repeated.
    """
    original = error.orig if isinstance(error, StatementError) else None
    if original is None:
        return _cut(f"{type(error).__name__}: {error}")
    text = str(original.args[-1] if original.args else original)
    return _cut(f"{type(error).__name__}: {_NOT_THE_STATEMENT.split(text, 1)[0]}")


def places(error: BaseException) -> list[str]:
    """The lines that it passed. A traceback as it is printed ends with the error's words, the values among them."""
    return [f"{at.filename}:{at.lineno} {at.name}" for at in traceback.extract_tb(error.__traceback__)]


def _bounded(error: RescindError) -> dict[str, object]:
    details = error.details()
    return details if len(json.dumps(details, default=str)) <= MOST_CHARACTERS else {}


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
