from __future__ import annotations

from http import HTTPStatus

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from rescind import errors
from rescind.api.problems import STATUS, status_of, title
from rescind.errors import RescindError


def tree(kind: type[RescindError]) -> list[type[RescindError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in tree(child))]


def test_codes_tell_errors_apart() -> None:
    codes = [kind.code for kind in tree(RescindError)]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("kind", [k for k in tree(RescindError) if issubclass(k, errors.InvalidRequest)])
def test_a_wrong_request_is_the_clients_fault(kind: type[RescindError]) -> None:
    assert 400 <= status_of(kind.code) < 500


@pytest.mark.parametrize("kind", tree(RescindError), ids=lambda kind: kind.code)
def test_every_error_has_a_title(kind: type[RescindError]) -> None:
    said = title(kind.code)
    assert (kind.__doc__ or "").startswith(said)
    assert said.endswith(".")
    assert "." not in said[:-1]


def test_statuses_of_the_parts_that_are_away() -> None:
    assert STATUS[errors.LedgerUnavailable] == STATUS[errors.TargetUnavailable] == HTTPStatus.SERVICE_UNAVAILABLE
    assert STATUS[errors.UploadStorageFull] == HTTPStatus.INSUFFICIENT_STORAGE
    assert STATUS[errors.TargetConflict] == HTTPStatus.SERVICE_UNAVAILABLE


def ask(app: Flask, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> TestResponse:
    return app.test_client().open(path, method=method, data=body, content_type=kind)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nosuch?x=1", 404),
        ("POST", "/v1/tables//rows?create=true", 404),
        ("PUT", "/v1/tasks?x=1", 405),
        ("GET", "/v1/tasks?x=1", 422),
    ],
)
def test_where_nothing_is_the_parameters_are_not_at_fault(app: Flask, method: str, path: str, status: int) -> None:
    assert ask(app, method, path).status_code == status


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("POST", "/v1/tasks", b'{"task":', "The body is not JSON: "),
        ("POST", "/v1/tasks", b"[]", "The request is wrong: the body: a JSON object is expected."),
        ("POST", "/v1/tasks", b"{}", "The request is wrong: in the body, task: required."),
        ("GET", "/v1/tasks?limit=x", b"", "query parameter limit: a whole number in decimal digits is expected."),
        ("GET", "/nosuch", b"", "There is nothing at /nosuch."),
    ],
)
def test_what_is_wrong_is_said_in_words_of_the_service(
    app: Flask, method: str, path: str, body: bytes, said: str
) -> None:
    problem = ask(app, method, path, body).json
    assert problem is not None
    assert said in problem["detail"]


def test_an_unknown_code_is_an_error_of_the_service() -> None:
    assert status_of("worker-lost") is HTTPStatus.INTERNAL_SERVER_ERROR
