"""A small shop's Flask application that imports price lists through Rescind.

The application stays quick: it hands the file on over HTTP, a piece at a time, and never waits for the import.
Start it with `RESCIND_URL=http://127.0.0.1:8000 flask --app examples/flask_app/app run`.
"""

from __future__ import annotations

import os
import uuid
from typing import Any

import httpx2
from flask import Flask, Response, abort, redirect, render_template, request, url_for

TABLE = "prices"


def create_app(rescind: httpx2.Client) -> Flask:
    """The application; `rescind` speaks to Rescind's API."""
    app = Flask(__name__)

    @app.get("/")
    def upload_page() -> str:
        return upload_form()

    @app.post("/imports")
    def start_import() -> Any:
        file = request.files.get("file")
        if file is None or not file.filename:
            return upload_form("Choose a file first."), 422
        answer = rescind.post(
            f"/v1/tables/{TABLE}/rows",
            params={"create": "true"},
            # The form's own token makes a doubled click, or a reload, one import.
            headers={"Idempotency-Key": request.form["token"]},
            files={"file": (file.filename, file.stream, "text/csv")},
        )
        if answer.status_code != 202:
            return upload_form(explain(answer)), 422
        return redirect(url_for("import_page", task_id=answer.json()["id"]), code=303)

    @app.get("/imports/<uuid:task_id>")
    def import_page(task_id: str) -> str:
        return render_template("import.html", task=task_document(rescind, task_id))

    @app.post("/imports/<uuid:task_id>/stop")
    def stop_import(task_id: str) -> Any:
        # 409 says that it is too late to stop: the page shows how it ended either way.
        rescind.post(f"/v1/tasks/{task_id}/stop")
        return redirect(url_for("import_page", task_id=task_id), code=303)

    @app.errorhandler(httpx2.TransportError)
    def unreachable(error: httpx2.TransportError) -> tuple[str, int]:
        return upload_form("The import service does not answer."), 503

    return app


def upload_form(error: str | None = None) -> str:
    """The page with the form, and with what went wrong before."""
    return render_template("upload.html", table=TABLE, token=uuid.uuid4(), error=error)


def task_document(rescind: httpx2.Client, task_id: str) -> dict[str, Any]:
    """The task with its first rejects; 404 where there is none."""
    answer = rescind.get(f"/v1/tasks/{task_id}")
    if answer.status_code != 200:
        abort(Response(explain(answer), answer.status_code, mimetype="text/plain"))
    task: dict[str, Any] = answer.json()
    if task["state"] == "failed":
        task["rejects"] = rescind.get(f"/v1/tasks/{task_id}/rejects").json()["rejects"][:20]
    return task


def explain(answer: httpx2.Response) -> str:
    """What Rescind says is wrong, in its own words."""
    problem = answer.json()
    return " ".join(filter(None, (problem.get("detail"), problem.get("advice"))))


if "RESCIND_URL" in os.environ:
    app = create_app(httpx2.Client(base_url=os.environ["RESCIND_URL"], timeout=60.0))
