"""The document equals the routes, and answers are as it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance

#: They wait for a worker, and here is none: they are tested with one.
WAITING = ("/dpd_insert", "/delete_all")
#: 411 and 413 are refusals too.
REFUSALS = ["400", "403", "404", "405", "406", "409", "411", "413", "415", "422"]
HEALTH = list(HealthCheck)


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    found = app.test_client().get("/openapi.json").json
    assert isinstance(found, dict)
    return found


def test_every_route_is_documented_and_nothing_else(app: Flask, document: dict[str, Any]) -> None:
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    }
    documented = {(path, method) for path, operations in document["paths"].items() for method in operations}
    assert documented == routes


def test_names_of_operations_differ(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))


def test_errors_are_problem_documents(document: dict[str, Any]) -> None:
    for item in document["paths"].values():
        for operation in item.values():
            for status, response in operation["responses"].items():
                assert (status >= "400") == ("application/problem+json" in response.get("content", {}))


def references(part: Any) -> Iterator[str]:
    """Every `$ref` in the document."""
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from references(inner)


def test_every_reference_leads_to_a_schema(document: dict[str, Any]) -> None:
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known


@pytest.fixture(scope="module")
def described(app: Flask) -> BaseSchema:
    refusals = {"negative_data_rejection": {"expected-statuses": REFUSALS}}
    config = schemathesis.Config.from_dict({"generation": {"deterministic": True}, "checks": refusals})
    loaded: BaseSchema = schemathesis.openapi.from_wsgi("/openapi.json", app, config=config)
    return loaded


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_answer_contradicts_the_document(described: BaseSchema, mode: GenerationMode) -> None:
    tried = 0
    for result in described.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        if operation.path.startswith(WAITING):
            continue

        @settings(max_examples=15, derandomize=True, database=None, suppress_health_check=HEALTH)
        @given(case=operation.as_strategy(generation_mode=mode))
        def conforms(case: Case[Any]) -> None:
            # A schema cannot say which cursors, uploads and files there are.
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        with suppress(Unsatisfiable):  # nothing about the operation can be wrong
            conforms()
            tried += 1
    assert tried > 10
