"""`/v1/tasks/{id}/rejects`: the rows that did not fit."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from itertools import islice

from apiflask import APIBlueprint
from flask import Response

from rescind.api import answers, schemas
from rescind.api.openapi import accepts, problems
from rescind.api.outputs import served
from rescind.api.services import services
from rescind.domain.receipt import REJECTS, Output, outputs_of
from rescind.domain.rejects import KEPT
from rescind.domain.task import Task
from rescind.ledger import rejects
from rescind.tasks import rejecting

blueprint = APIBlueprint("rejects", __name__, url_prefix="/v1/tasks", tag="Tasks")

CSV = "text/csv"


@blueprint.get("/<task_id>/rejects")
@blueprint.output(schemas.Rejects)
@blueprint.doc(responses=problems(404, 406, 410) | accepts(CSV))
def show(task_id: str) -> Response:
    """Show the rows that did not fit, as JSON (the first 1,000) or CSV (all that were kept)."""
    task = services().submission.get(task_id)
    form = answers.media_type("application/json", CSV)
    if (left_out := _left_out(task)) is not None:
        return _in_file(task, left_out, form)
    with services().ledger.read() as connection:
        found = rejects.of_task(connection, task_id)
    rows = [{"record": r.record, "column": r.column, "value": r.value, "reason": r.reason} for r in found]
    if form == CSV:
        named = {"Content-Disposition": f"attachment; filename={rejecting.FILE_NAME}"}
        return Response(_csv(rows), content_type=rejecting.MEDIA_TYPE, headers=named)
    return answers.document({"rejects": rows, "total": _total(task, len(rows))})


def _left_out(task: Task) -> Output | None:
    """The file with all rows that a committed load left out."""
    return next((output for output in outputs_of(task.receipt) if output.kind == REJECTS), None)


def _in_file(task: Task, output: Output, form: str) -> Response:
    file = services().outputs.open(task, output)
    if form == CSV:
        return served(file, output)
    with io.TextIOWrapper(file, "utf-8", newline="") as text:
        first = islice(csv.DictReader(text), KEPT)
        rows = [{name: value or None for name, value in row.items()} | {"record": int(row["record"])} for row in first]
    assert task.receipt is not None
    return answers.document({"rejects": rows, "total": task.receipt["rows_rejected"]})


def _total(task: Task, kept: int) -> int:
    """All rejects of the last attempt that had any, those included that were not kept."""
    return kept if task.problem is None else int(task.problem.details.get("rejected", kept))


def _csv(rows: Sequence[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(schemas.RejectedRow.model_fields))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
