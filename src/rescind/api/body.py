"""JSON bodies: only as JSON, and only what JSON and UTF-8 can say."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from flask import Request, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

View = TypeVar("View", bound=Callable[..., Any])

MOST_BYTES = 1024 * 1024  #: longest JSON body


class StrictJson(DefaultJSONProvider):
    """JSON by the letter: Python's own reading lets NaN, lone surrogates and endless nesting through."""

    sort_keys = False

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        try:
            value = json.loads(s, parse_constant=_refuse, **kwargs)
            json.dumps(value, ensure_ascii=False).encode()
        except RecursionError:
            raise ValueError("the document is nested too deeply") from None
        return value


class ApiRequest(Request):
    """A request that says what is wrong with its JSON."""

    def on_json_loading_failed(self, e: ValueError | None) -> NoReturn:
        raise BadRequest(f"The body is not JSON: {e}.")


def json_only(view: View) -> View:
    """Refuse a body of another media type with 415. Stands above the decorator that parses the body."""

    @functools.wraps(view)
    def checked(*args: Any, **kwargs: Any) -> Any:
        if request.mimetype != "application/json":
            raise UnsupportedMediaType(f"The body must be application/json, not {request.mimetype or 'unnamed'}.")
        return view(*args, **kwargs)

    return checked  # type: ignore[return-value]  # `wraps` keeps what a caller sees


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
