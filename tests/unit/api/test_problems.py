from __future__ import annotations

from http import HTTPStatus

import pytest

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
    assert title(kind.code) == (kind.__doc__ or "").partition("\n")[0]


def test_statuses_of_the_parts_that_are_away() -> None:
    assert STATUS[errors.LedgerUnavailable] == STATUS[errors.TargetUnavailable] == HTTPStatus.SERVICE_UNAVAILABLE
    assert STATUS[errors.UploadStorageFull] == HTTPStatus.INSUFFICIENT_STORAGE


def test_an_unknown_code_is_an_error_of_the_service() -> None:
    assert status_of("worker-lost") is HTTPStatus.INTERNAL_SERVER_ERROR
