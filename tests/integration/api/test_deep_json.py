"""JSON that is nested so deeply that its parser gives up: what is answered at once, and what becomes of the load."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.integration.api.test_kept_uploads import kept, look
from tests.integration.api.test_uploads import uploads
from tests.support.api import Service

DEEP = f'{{"a":{"[" * 100_000}{"]" * 100_000}}}'
DEEPLY = "not a JSON object: it is nested too deeply"

Wrap = Callable[..., bytes]


def lines(*records: str) -> bytes:
    return "\n".join(records).encode()


def array(*records: str) -> bytes:
    return f"[{','.join(records)}]".encode()


each = pytest.mark.parametrize("wrap", [lines, array])


@each
def test_case_c15_the_load_names_the_record_and_loads_nothing(service: Service, wrap: Wrap) -> None:
    content = wrap('{"a":1}', DEEP, '{"a":2}')
    answer = service.client.post("/v1/tables/t/rows?create=true", content=content)
    assert answer.status_code == 202, answer.text
    service.work()
    assert service.task(answer.json()["id"])["state"] == "failed"
    rejects = service.client.get(f"/v1/tasks/{answer.json()['id']}/rejects").json()["rejects"]
    assert [(reject["record"], reject["reason"]) for reject in rejects] == [(2, DEEPLY)]
    assert service.sql("SELECT name FROM sqlite_master WHERE name = 't'") == []


@each
def test_case_c15_the_record_can_be_left_out(service: Service, wrap: Wrap) -> None:
    content = wrap('{"a":1}', DEEP, '{"a":2}')
    answer = service.client.post("/v1/tables/t/rows?create=true&on_error=skip", content=content)
    service.work()
    assert service.task(answer.json()["id"])["receipt"]["rows_rejected"] == 1
    assert service.sql("SELECT a FROM t ORDER BY a") == [(1,), (2,)]


@each
def test_case_c15_with_no_other_record_it_is_refused_at_once_and_not_kept(service: Service, wrap: Wrap) -> None:
    before = uploads(service)
    answer = service.client.post("/v1/tables/t/rows?create=true", content=wrap(DEEP))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-header")
    assert (uploads(service), service.tasks()) == (before, [])


@each
def test_case_c15_an_inspection_shows_it_as_a_reject(service: Service, wrap: Wrap) -> None:
    answer = look(service, kept(service, wrap('{"a":1}', DEEP), "deep"))
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert [(reject["record"], reject["reason"]) for reject in found["rejects"]] == [(2, DEEPLY)]
    answer = look(service, kept(service, wrap(DEEP), "deep"))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-header")
