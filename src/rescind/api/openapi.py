"""The OpenAPI 3.1 document: what APIFlask knows of the views, and what it cannot know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiflask import APIFlask
from pydantic import BaseModel

from rescind.api import idempotency, schemas
from rescind.api.problems import MEDIA_TYPE
from rescind.readers import media
from rescind.readers.options import Format
from rescind.tasks.registry import TaskRegistry

_PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}

Responses = dict[int | str, dict[str, Any]]  #: as APIFlask's `doc` takes them

_MEANING = {
    400: "The request or its body is malformed, or the body is incomplete.",
    403: "Sent by another site's page, or ahead of time.",
    404: "There is no such thing.",
    405: "Another method is needed.",
    406: "No offered media type is accepted.",
    409: "The state of things does not allow it.",
    410: "It was there, and is deleted or changed.",
    411: "Content-Length or Content-Digest is needed.",
    413: "The body is too large.",
    415: "The media type or encoding cannot be read.",
    416: "The file has no such part.",
    422: "A parameter, argument or the file's content is wrong.",
    500: "The service or the task failed.",
    503: "A part of the service does not answer, or too many requests wait.",
    504: "The task had not ended when the time was over.",
    507: "No space is left.",
}
_IDEMPOTENCY_KEY = {
    "name": idempotency.HEADER,
    "in": "header",
    "required": False,
    "description": "The same request with the same key makes one task, however often it is sent.",
    "schema": {"type": "string", "pattern": idempotency.KEY_PATTERN},
}
_ALWAYS = (422, 503)  #: any request may carry an unknown query parameter, or find the ledger away


def problems(*statuses: int) -> Responses:
    """The responses of a view that are problem documents."""
    return {status: {"description": _MEANING[status], "content": _PROBLEM} for status in (*statuses, *_ALWAYS)}


def accepts(*media_types: str) -> Responses:
    """Further media types of a view's 200."""
    return {200: {"content": {name: {"schema": {"type": "string"}} for name in media_types}}}


def number(name: str, most: int) -> dict[str, Any]:
    """A path parameter that is a whole number, 1 to `most`."""
    return {"name": name, "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1, "maximum": most}}


def complete(spec: dict[str, Any], registry: TaskRegistry, most_rows: int) -> dict[str, Any]:
    """Add the tasks with their arguments, the problem document, file bodies and what headers say."""
    components = spec.setdefault("components", {}).setdefault("schemas", {})
    _add_model(components, schemas.Problem, "Problem")
    _add_tasks(components, registry)
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            operation["operationId"] = _operation_id(method, path)
            if method != "get":
                operation["responses"].setdefault("403", problems(403)[403])
            if "202" in operation["responses"]:
                _add_accepted_headers(operation)
                if method != "get":
                    operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "num":
                    parameter.update(number("num", most_rows))
                elif parameter["in"] == "path":
                    parameter["required"] = True
    _add_file_bodies(spec)
    return spec


def install(app: APIFlask, registry: TaskRegistry, most_rows: int) -> None:
    """Have the application's document completed."""

    @app.spec_processor
    def _(spec: Any) -> dict[str, Any]:
        return complete(spec, registry, most_rows)


def _add_tasks(components: dict[str, Any], registry: TaskRegistry) -> None:
    """One alternative of the request per task, so that wrong arguments show before they are sent."""
    shared = schemas.TaskRequest.model_json_schema()["properties"]
    alternatives = []
    for name in sorted(registry):
        definition = registry[name]
        arguments = f"Arguments.{name}"
        _add_model(components, definition.arguments, arguments)
        reference = {"$ref": f"#/components/schemas/{arguments}"}
        required = ["task", "args"] if components[arguments].get("required") else ["task"]
        alternatives.append(
            {
                "type": "object",
                "title": name,
                "description": definition.summary,
                "properties": shared | {"task": {"const": name}, "args": reference},
                "required": required,
                "additionalProperties": False,
            }
        )
    components["TaskRequest"] = {"title": "TaskRequest", "oneOf": alternatives}


def _add_model(components: dict[str, Any], model: type[BaseModel], name: str) -> None:
    template = f"#/components/schemas/{name}.{{model}}"
    schema = model.model_json_schema(ref_template=template)
    for inner, definition in schema.pop("$defs", {}).items():
        components[f"{name}.{inner}"] = definition
    components[name] = schema


def _add_accepted_headers(operation: dict[str, Any]) -> None:
    operation["responses"]["202"]["description"] = "Accepted; the task's own address says how it goes."
    operation["responses"]["202"]["headers"] = {
        "Location": {"description": "The task.", "schema": {"type": "string"}},
        "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}},
    }


def _add_file_bodies(spec: dict[str, Any]) -> None:
    file = {"type": "string", "contentMediaType": "application/octet-stream"}
    form = {"type": "object", "properties": {"file": file}, "required": ["file"], "additionalProperties": False}
    types: Iterable[str] = (*map(media.media_type, Format), *media.ANY_TYPES)
    loaded = {name: {"schema": file} for name in types} | {"multipart/form-data": {"schema": form}}
    spec["paths"]["/v1/tables/{table}/rows"]["post"]["requestBody"] = {"required": True, "content": loaded}
    # Whatever the bytes are they are kept: nothing is wrong with any, so no type is named.
    kept = {name: {"schema": {"contentMediaType": "application/octet-stream"}} for name in types}
    spec["paths"]["/v1/uploads/{upload}"]["put"]["requestBody"] = {"required": True, "content": kept}


def _operation_id(method: str, path: str) -> str:
    words = [word.strip("{}") for word in path.split("/") if word]
    return "_".join([method, *words]).replace("-", "_").replace(".", "_")
