"""`/openapi.json` and `/docs`: the document, and a page made of it from files that are shipped."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response, current_app, render_template

from rescind.api import answers
from rescind.api.openapi import Responses, problems

blueprint = APIBlueprint("docs", __name__, tag="Documentation")

EXTENSION = "rescind-openapi"

_DOCUMENT: Responses = {200: {"description": "The document.", "content": {"application/json": {"schema": {}}}}}
_PAGE: Responses = {200: {"description": "The page.", "content": {"text/html": {"schema": {"type": "string"}}}}}


@blueprint.get("/openapi.json")
@blueprint.doc(responses=problems() | _DOCUMENT)
def specification() -> Response:
    """Show this document."""
    return answers.tagged(_document())


@blueprint.get("/docs")
@blueprint.doc(responses=problems() | _PAGE)
def page() -> str:
    """Show the API in a browser."""
    return render_template("docs.html")


def _document() -> dict[str, Any]:
    """Made once: it takes longer than any request should."""
    kept: dict[str, Any] = current_app.extensions[EXTENSION]
    return kept
