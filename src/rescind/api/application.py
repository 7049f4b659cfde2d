"""Making the application out of its parts."""

from __future__ import annotations

from apiflask import APIFlask
from flask import Response

from rescind import __version__
from rescind.api import (
    classic,
    connection,
    docs,
    guards,
    health,
    loads,
    openapi,
    outputs,
    problems,
    query,
    rejects,
    rows,
    tables,
    tasks,
    uploads,
    waiting,
)
from rescind.api import services as given
from rescind.api.body import MOST_BYTES, ApiRequest, StrictJson
from rescind.api.services import Services

#: The pages are made of files of ours alone; the documentation's script sets styles and draws its icons inline.
POLICY = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"


def create_app(services: Services) -> APIFlask:
    """The application that serves with those services."""
    app = APIFlask("rescind.api", "Rescind", __version__, spec_path=None, docs_path=None, json_errors=False)
    app.url_map.merge_slashes = False  # an empty name would lead to another address
    app.request_class = ApiRequest
    app.json = StrictJson(app)
    app.config.update(MAX_CONTENT_LENGTH=MOST_BYTES, AUTO_404_RESPONSE=False, AUTO_VALIDATION_ERROR_RESPONSE=False)
    app.extensions[given.EXTENSION] = services
    settings = services.settings
    app.extensions[waiting.EXTENSION] = waiting.WaitingRoom(settings.api_threads, settings.wait_seconds)
    app.before_request(connection.limit_stalls)
    app.before_request(query.refuse_unknown)
    app.before_request(guards.refuse_foreign_writes)
    app.after_request(connection.read_to_the_end)
    app.after_request(_harden)
    problems.register(app)
    for part in (tasks, outputs, tables, rows, loads, uploads, health, docs, rejects):
        app.register_blueprint(part.blueprint)
    if settings.classic:
        app.register_blueprint(classic.blueprint)
    openapi.install(app, services.registry, settings.max_generate_rows)
    app.extensions[docs.EXTENSION] = app.spec
    return app


def _harden(response: Response) -> Response:
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = POLICY
    return response
