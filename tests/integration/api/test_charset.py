"""The charset of a Content-Type is the file's encoding, as if `encoding` had said it."""

from __future__ import annotations

from typing import Any

import httpx2 as httpx
import pytest
from tests.support.api import Service

TEXT = "a,b\n1,caf\u00e9 \u20ac\n"
FILE = TEXT.encode("windows-1252")
CYRILLIC = "a,b\n1,\u0441\u0442\u043e\u043b\n"


@pytest.fixture(autouse=True)
def table(service: Service) -> None:
    service.sql("DROP TABLE IF EXISTS t")
    service.sql("CREATE TABLE t(a INTEGER, b TEXT)")


def load(service: Service, content: bytes, media: str, query: str = "") -> httpx.Response:
    return service.client.post(f"/v1/tables/t/rows?{query}", content=content, headers={"Content-Type": media})


def stored(service: Service, answer: httpx.Response) -> list[tuple[Any, ...]]:
    assert answer.status_code == 202, answer.text
    service.work()
    assert service.task(answer.json()["id"])["state"] == "committed"
    return service.sql("SELECT a, b FROM t")


@pytest.mark.parametrize(
    ("media", "text", "codec"),
    [
        ("text/csv; charset=windows-1252", TEXT, "windows-1252"),
        ('text/csv; header=present; charset="Windows-1251"', CYRILLIC, "windows-1251"),
        ("text/csv;charset=UTF-16", TEXT, "utf-16"),
        ("text/csv; charset=utf8", TEXT, "utf-8"),
        ("text/csv; charset=us-ascii", TEXT, "utf-8"),
        ("application/octet-stream; charset=windows-1252", TEXT, "windows-1252"),
    ],
)
def test_a_body_is_read_in_its_charset(service: Service, media: str, text: str, codec: str) -> None:
    answer = load(service, text.encode(codec), media)
    assert stored(service, answer) == [(1, text.rsplit(",", 1)[1].strip())]


def test_a_part_of_a_form_is_read_in_its_charset(service: Service) -> None:
    part = ("x.csv", FILE, "text/csv; charset=windows-1252")
    answer = service.client.post("/v1/tables/t/rows", files={"file": part})
    assert stored(service, answer) == [(1, "caf\u00e9 \u20ac")]


@pytest.mark.parametrize("said", ["windows-1252", "cp1252", "WINDOWS_1252"])
def test_the_same_may_be_said_twice(service: Service, said: str) -> None:
    answer = load(service, FILE, "text/csv; charset=windows-1252", f"encoding={said}")
    assert stored(service, answer) == [(1, "caf\u00e9 \u20ac")]


@pytest.mark.parametrize(
    ("charset", "said"), [("windows-1252", "utf-8"), ("windows-1252", "latin-1"), ("utf-8", "windows-1252")]
)
def test_what_is_said_differently_is_refused_and_both_are_named(service: Service, charset: str, said: str) -> None:
    answer = load(service, FILE, f"text/csv; charset={charset}", f"encoding={said}")
    assert (answer.status_code, answer.json()["errors"][0]["name"]) == (422, "encoding")
    assert said in answer.json()["detail"]
    assert f"charset={charset}" in answer.json()["detail"]
    assert service.tasks() == []


def test_an_unknown_charset_of_a_part_is_named(service: Service) -> None:
    answer = service.client.post("/v1/tables/t/rows", files={"file": ("x.csv", FILE, "text/csv; charset=nonsense")})
    assert answer.status_code == 422
    assert "'nonsense'" in answer.json()["detail"]


def test_a_kept_upload_keeps_its_charset(service: Service) -> None:
    media = {"Content-Type": "text/csv; charset=windows-1252"}
    upload = service.client.put("/v1/uploads/x.csv", content=FILE, headers=media).json()
    found = service.client.post(upload["links"]["inspect"]).json()
    assert (found["dialect"]["encoding"], found["rows"][0]["b"]) == ("windows-1252", "caf\u00e9 \u20ac")
    body = {"task": "load", "args": {"table": "t", "upload": upload["id"]}}
    for said in ("utf-8", "windows-1251"):
        refused = service.client.post("/v1/tasks", json={**body, "args": {**body["args"], "encoding": said}})  # type: ignore[dict-item]
        assert refused.status_code == 422
        assert service.client.post(upload["links"]["inspect"], params={"encoding": said}).status_code == 422
    assert stored(service, service.client.post("/v1/tasks", json=body)) == [(1, "caf\u00e9 \u20ac")]


def test_json_is_utf_8_and_may_be_called_so(service: Service) -> None:
    row = '{"a": 1, "b": "\u00e9"}'.encode()
    for media, query in (("application/x-ndjson; charset=utf-8", ""), ("application/x-ndjson", "encoding=utf-8")):
        assert stored(service, load(service, row, media, query))[-1] == (1, "\u00e9")
    refused = load(service, row, "application/x-ndjson; charset=iso-8859-1")
    assert refused.status_code == 422
    assert "no option encoding" in refused.json()["detail"]
