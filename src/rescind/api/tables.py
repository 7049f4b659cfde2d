"""`/v1/tables` and `/v1/targets`: what the databases hold and can do."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from rescind.api import answers, schemas
from rescind.api.openapi import problems
from rescind.api.problems import problem
from rescind.api.query import takes
from rescind.api.services import services
from rescind.api.terms import TargetQuery
from rescind.domain.limits import limit_text
from rescind.domain.schema import Column, Type
from rescind.errors import TargetError
from rescind.targets.target import Target

blueprint = APIBlueprint("tables", __name__, url_prefix="/v1", tag="Tables")


@blueprint.get("/tables")
@takes(blueprint, TargetQuery)
@blueprint.output(schemas.Tables)
@blueprint.doc(responses=problems())
def names(query: TargetQuery) -> Response:
    """List the tables."""
    return answers.document({"tables": services().look(query.target, lambda found: found.catalog().tables())})


@blueprint.get("/tables/<path:table>")
@takes(blueprint, TargetQuery)
@blueprint.output(schemas.TableDocument)
@blueprint.doc(responses=problems(404))
def show(table: str, query: TargetQuery) -> Response:
    """Show a table's columns."""
    found = services().table(table, query.target)
    return answers.document(
        {
            "name": found.name,
            "columns": [_column(column) for column in found.columns],
            "key": [column.name for column in found.key],
        }
    )


@blueprint.get("/tables/<path:table>/count")
@takes(blueprint, TargetQuery)
@blueprint.output(schemas.Count)
@blueprint.doc(responses=problems(404))
def count(table: str, query: TargetQuery) -> Response:
    """Count a table's rows."""
    services().table(table, query.target)  # a database that is silent is found out before the long work
    return answers.document({"count": services().catalog(query.target).count(table)})


@blueprint.get("/targets")
@blueprint.output(schemas.Targets)
@blueprint.doc(responses=problems(), tags=["Targets"])
def targets() -> Response:
    """List the registered databases with their capability cards."""
    return answers.document({"targets": [_target(target) for target in services().targets.values()]})


def _column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "declared": column.declared,
        "nullable": column.nullable,
        "optional": column.optional,
        "limits": _limits(column),
    }


def _limits(column: Column) -> dict[str, Any]:
    """The limits that there are, as a person who prepares a file needs them."""
    limits = column.limits
    found = {
        "minimum": _bound(column, limits.low),
        "maximum": _bound(column, limits.high),
        "precision": limits.precision,
        "scale": limits.scale,
        "max_characters": limits.characters,
        "max_bytes": limits.bytes,
        "values": limits.values,
        "encoding": limits.codec,
    }
    return {name: limit for name, limit in found.items() if limit is not None}


def _bound(column: Column, number: int | None) -> int | str | None:
    if number is None or column.type in (Type.integer, Type.unsigned):
        return number
    return limit_text(column.type, number)


def _card(target: Target) -> dict[str, Any]:
    return target.capabilities().document()


def _target(target: Target) -> dict[str, Any]:
    try:
        return {"name": target.name, "capabilities": services().look(target.name, _card)}
    except TargetError as error:
        return {"name": target.name, "error": problem(error.code, str(error), error.advice, error.details())}
