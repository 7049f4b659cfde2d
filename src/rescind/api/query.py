"""Query parameters: what an endpoint does not know is refused by name, never ignored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from apiflask import APIBlueprint
from flask import current_app, request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from rescind.errors import InvalidArguments

View = TypeVar("View", bound=Callable[..., Any])

_PARSED = "query_model"


def _number(text: object) -> object:
    if isinstance(text, str) and not (text.isascii() and text.isdecimal()):
        raise ValueError("a whole number in decimal digits is expected")
    return text


def _flag(text: object) -> object:
    if isinstance(text, str) and text not in ("true", "false"):
        raise ValueError("true or false is expected")
    return text


def _every(value: object, info: ValidationInfo) -> object:
    """All values of the parameter: APIFlask gives a model the first of them."""
    return request.args.getlist(info.field_name or "") or value


#: Said of a parameter that may be given several times.
REPEATED = BeforeValidator(_every)
Flag = Annotated[bool, BeforeValidator(_flag)]
Number = Annotated[int, BeforeValidator(_number)]
Cursor = Annotated[str, Field(min_length=1, max_length=4096, description="`next` of the page before.")]


class Query(BaseModel):
    """Base of the models of query strings."""

    model_config = ConfigDict(extra="forbid")


def takes(blueprint: APIBlueprint, model: type[Query]) -> Callable[[View], View]:
    """Give the view the query string, parsed, as its argument `query`."""

    def decorate(view: View) -> View:
        parsed: View = blueprint.input(model, location="query", arg_name="query")(view)
        setattr(parsed, _PARSED, model)
        return parsed

    return decorate


def refuse_unknown() -> None:
    """Before each request: a parameter that no one will read, or only the first of two, is an error."""
    if request.routing_exception is not None:
        return  # nothing is at that address: that is what is wrong
    view = current_app.view_functions.get(request.endpoint or "")
    model: type[Query] | None = getattr(view, _PARSED, None)
    repeated = {name for name, field in model.model_fields.items() if REPEATED in field.metadata} if model else set()
    doubled = [name for name, values in request.args.lists() if len(values) > 1 and name not in repeated]
    unread = [] if model else list(request.args)
    if names := doubled or unread:
        raise InvalidArguments(
            f"The request is wrong: query parameter {', '.join(names)} is {'given twice' if doubled else 'not known'}.",
            [{"in": "query", "name": name, "message": "not known" if unread else "given twice"} for name in names],
        )
