"""Errors as RFC 9457 problem documents: one shape for every error of every layer.

`STATUS` is the only place where an error of the service gets an HTTP status.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from apiflask import APIFlask, HTTPError
from flask import Response, json, request
from werkzeug.exceptions import HTTPException

from rescind import errors
from rescind.errors import RescindError
from rescind.telemetry.logs import log

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2

#: The status of an error; a class that is not named here has that of its parent.
STATUS: dict[type[RescindError], HTTPStatus] = {
    errors.RescindError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.InvalidRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UnknownId: HTTPStatus.NOT_FOUND,
    errors.NoOutput: HTTPStatus.NOT_FOUND,
    errors.NotCommitted: HTTPStatus.CONFLICT,
    errors.OutputGone: HTTPStatus.GONE,
    errors.UnknownTable: HTTPStatus.NOT_FOUND,
    errors.NotATable: HTTPStatus.NOT_FOUND,
    errors.UploadInUse: HTTPStatus.CONFLICT,
    errors.NotMadeHere: HTTPStatus.CONFLICT,
    errors.NotRetryable: HTTPStatus.CONFLICT,
    errors.NotHeld: HTTPStatus.CONFLICT,
    errors.HoldExpired: HTTPStatus.CONFLICT,
    errors.TooLate: HTTPStatus.CONFLICT,
    errors.Finished: HTTPStatus.CONFLICT,
    errors.InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UploadIncomplete: HTTPStatus.BAD_REQUEST,
    errors.UploadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UploadStorageFull: HTTPStatus.INSUFFICIENT_STORAGE,
    errors.OutputStorageFull: HTTPStatus.INSUFFICIENT_STORAGE,
    errors.TargetUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TargetBusy: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TargetConflict: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TargetFull: HTTPStatus.INSUFFICIENT_STORAGE,
    errors.ConstraintViolated: HTTPStatus.CONFLICT,
    errors.TargetRefused: HTTPStatus.CONFLICT,
    errors.Stopped: HTTPStatus.CONFLICT,
    errors.LedgerUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Undecided: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Contradiction: HTTPStatus.CONFLICT,
}

_ADVICE = {
    HTTPStatus.BAD_REQUEST: "Correct the request and send it again.",
    HTTPStatus.NOT_FOUND: "See /docs for what there is.",
    HTTPStatus.METHOD_NOT_ALLOWED: "The header Allow names the methods of this address.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Send a smaller body; files go to /v1/tables/{table}/rows.",
}

#: What helps whoever asked, where the error's own advice is about a task.
_ADVICE_TO_A_REQUEST: dict[type[RescindError], str] = {
    errors.TargetUnavailable: "Ask again when it answers; `rescind doctor` says what is wrong with it.",
    errors.TargetBusy: "Ask again when the other writer is done.",
}

#: Pydantic's words for what a caller sees more often than anything else.
_PLAINER = {
    "Extra inputs are not permitted": "not known here",
    "Field required": "required",
    "Input should be a valid dictionary": "a JSON object is expected",
}
_SENTENCE = re.compile(r"(?<=[.]) ")
_WHOLE = "_schema"  #: APIFlask's name for the whole of what was sent
_PLACES = {"json": "the body", "query": "query parameter", "path": "path"}


class Refusal(HTTPException):
    """A refusal that is HTTP's own matter (headers, methods, waiting) and has no counterpart below the API."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        advice: str,
        *,
        headers: dict[str, str] | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = int(status)
        self.problem = code
        self.detail = detail
        self.advice = advice
        self.extra_headers = headers or {}
        self.details = details or {}


def problem(code: str, detail: str, advice: str, details: dict[str, Any], status: int | None = None) -> dict[str, Any]:
    """A problem document. Without `status` it is one inside another document: why a task ended."""
    named = {} if status is None else {"status": status}
    head = {"type": f"urn:rescind:problem:{code}", "title": title(code), "code": code}
    return details | head | named | {"detail": detail, "advice": advice}


def title(code: str) -> str:
    """What the code means, whatever the request: the first sentence of the error's description."""
    found = _BY_CODE.get(code)
    if found is None:
        return code.replace("-", " ").capitalize()
    return _SENTENCE.split((found.__doc__ or code).partition("\n")[0])[0]


def status_of(code: str) -> HTTPStatus:
    """The status for an error that is only known by its code: why a task failed."""
    return _status(_BY_CODE.get(code, RescindError))


def register(app: APIFlask) -> None:
    """Answer every error of the application with a problem document."""
    app.register_error_handler(RescindError, _on_service_error)
    app.register_error_handler(HTTPError, _on_validation_error)
    app.register_error_handler(HTTPException, _on_http_error)
    app.register_error_handler(TimeoutError, _on_stall)
    app.register_error_handler(Exception, _on_unexpected)


def _on_service_error(error: RescindError) -> Response:
    status = _status(type(error))
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("api.error", code=error.code, detail=str(error), exc_info=error)
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
    advice = next((_ADVICE_TO_A_REQUEST[k] for k in type(error).__mro__ if k in _ADVICE_TO_A_REQUEST), error.advice)
    return answer(status, error.code, str(error), advice, error.details(), headers)


def _on_validation_error(error: HTTPError) -> Response:
    found: list[dict[str, Any]] = [
        {"in": where, "name": "" if name == _WHOLE else name, "message": _plainer(message, whole=name == _WHOLE)}
        for where, names in dict(error.detail).items()
        for name, messages in names.items()
        for message in messages
    ]
    text = "; ".join(map(_where_and_what, found)) or error.message
    invalid = errors.InvalidArguments(f"The request is wrong: {text}.", found)
    return _on_service_error(invalid)


def _plainer(message: str, *, whole: bool) -> str:
    if whole:
        return "a JSON object is expected"
    return _PLAINER.get(message, message.removeprefix("Value error, "))


def _where_and_what(found: dict[str, Any]) -> str:
    place = _PLACES.get(found["in"], found["in"])
    if found["name"] and found["in"] == "json":
        place = "in the body,"
    return f"{' '.join(filter(None, (place, found['name'])))}: {found['message']}"


def _on_http_error(error: HTTPException) -> Response:
    if isinstance(error, Refusal):
        assert error.code is not None
        return answer(error.code, error.problem, error.detail, error.advice, error.details, error.extra_headers)
    status = HTTPStatus(error.code or 500)
    headers = {name: value for name, value in error.get_headers() if name.lower() != "content-type"}
    code = status.phrase.lower().replace(" ", "-")
    advice = _ADVICE.get(status, "See /docs for what this address takes.")
    detail = error.description or status.phrase
    if status is HTTPStatus.NOT_FOUND:
        detail = f"There is nothing at {request.path}."
    return answer(status, code, detail, advice, {}, headers)


def _on_stall(error: TimeoutError) -> Response:
    detail = "The client fell silent in the middle of the request."
    return answer(HTTPStatus.REQUEST_TIMEOUT, "request-timeout", detail, "Send the request again.", {}, {})


def _on_unexpected(error: Exception) -> Response:
    log.error("api.unexpected", exc_info=error)
    detail = "Something went wrong in the service."
    return answer(HTTPStatus.INTERNAL_SERVER_ERROR, RescindError.code, detail, RescindError.advice, {}, {})


def answer(
    status: int, code: str, detail: str, advice: str, details: dict[str, Any], headers: dict[str, str]
) -> Response:
    """The response with a problem document."""
    body = json.dumps(problem(code, detail, advice, details, int(status)))
    return Response(body, int(status), headers, content_type=MEDIA_TYPE)


def _status(kind: type[RescindError]) -> HTTPStatus:
    return next(STATUS[parent] for parent in kind.__mro__ if parent in STATUS)


def _tree(kind: type[RescindError]) -> list[type[RescindError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _tree(child))]


_BY_CODE = {kind.code: kind for kind in reversed(_tree(RescindError))}
