"""`/healthz`: the process answers. `/readyz`: so do the parts that it needs."""

from __future__ import annotations

from http import HTTPStatus

from apiflask import APIBlueprint
from flask import Response

from rescind.api import answers, schemas
from rescind.api.openapi import problems
from rescind.api.problems import Refusal
from rescind.api.services import services

blueprint = APIBlueprint("health", __name__, tag="Health")

OK = "ok"


@blueprint.get("/healthz")
@blueprint.output(schemas.Health)
@blueprint.doc(responses=problems())
def alive() -> Response:
    """Say whether the process answers."""
    return answers.document({"status": OK})


@blueprint.get("/readyz")
@blueprint.output(schemas.Readiness)
@blueprint.doc(responses=problems())
def ready() -> Response:
    """Say whether ledger, broker, targets and the directories of files answer, and which do not."""
    reasons = services().readiness()
    parts = {part: reason or OK for part, reason in reasons.items()}
    missing = [part for part, reason in reasons.items() if reason is not None]
    if missing:
        raise Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "not-ready",
            f"Not ready: {', '.join(f'{part} ({parts[part]})' for part in missing)}.",
            "What was accepted is safe and goes on by itself when these answer again.",
            headers={"Retry-After": "5"},
            details={"ready": False, "parts": parts},
        )
    return answers.document({"ready": True, "parts": parts})
