"""Health, documentation, and the shape of errors."""

from __future__ import annotations

import re

import pytest
from tests.support.api import Service


def test_healthz(service: Service) -> None:
    assert service.client.get("/healthz").json() == {"status": "ok"}


def test_readyz_names_each_part(service: Service) -> None:
    answer = service.client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["ready"] is True
    assert answer.json()["parts"].keys() == {"ledger", "broker", "uploads", "outputs", "target:default"}
    assert set(answer.json()["parts"].values()) == {"ok"}


def test_docs_come_from_here_alone(service: Service) -> None:
    page = service.client.get("/docs")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    places = re.findall(r'(?:src|href|data-document)="([^"]+)"', page.text)
    assert "/openapi.json" in places
    for place in places:
        assert place.startswith("/")
        assert service.client.get(place).status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_point_to_what_exists(service: Service, path: str) -> None:
    page = service.client.get(path, headers={"Accept": "text/html"}).text
    for place in re.findall(r'href="([^"]+)"', page):
        assert service.client.get(place).status_code == 200


def test_openapi_is_3_1_and_knows_the_tasks(service: Service) -> None:
    document = service.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    alternatives = document["components"]["schemas"]["TaskRequest"]["oneOf"]
    assert {a["properties"]["task"]["const"] for a in alternatives} == {"load", "generate", "clear", "export"}
    assert document["components"]["schemas"]["Arguments.generate"]["properties"]["rows"]["minimum"] == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing/here", 404, "not-found"),
        ("PATCH", "/v1/tasks", 405, "method-not-allowed"),
        ("POST", "/healthz", 405, "method-not-allowed"),
        ("GET", "/v1/tasks/x", 404, "unknown-id"),
        ("GET", "/healthz?verbose=1", 422, "invalid-arguments"),
    ],
)
def test_the_shape_of_an_error(service: Service, method: str, path: str, status: int, code: str) -> None:
    answer = service.client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().keys() - {"errors"} == {"type", "title", "status", "code", "detail", "advice"}
    assert (answer.json()["status"], answer.json()["code"]) == (status, code)
    assert answer.json()["type"] == f"urn:rescind:problem:{code}"
    assert ("allow" in answer.headers) == (status == 405)
