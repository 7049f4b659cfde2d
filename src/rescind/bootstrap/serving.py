"""The API as a process."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rescind.api.application import create_app
from rescind.api.looks import Looks
from rescind.api.server import serve
from rescind.api.services import Services
from rescind.bootstrap.core import check_before_forking, connected_celery, open_core, start
from rescind.bootstrap.readiness import soon_ready
from rescind.broker.announcer import Announcer
from rescind.broker.publisher import publisher
from rescind.ledger import migrate as migration
from rescind.ledger import transitions
from rescind.ledger.engine import Ledger
from rescind.settings import Settings
from rescind.tasks.submission import Submission

if TYPE_CHECKING:
    from flask import Flask


def api_app(settings: Settings) -> Flask:
    """The WSGI application. Make it in the process that serves it."""
    core = open_core(settings)
    migration.check(core.ledger)
    celery = connected_celery(settings)
    announcer = Announcer(publisher(celery), partial(_mark_announced, core.ledger))
    return create_app(
        Services(
            settings=settings,
            ledger=core.ledger,
            targets=core.targets,
            registry=core.registry,
            uploads=core.uploads,
            outputs=core.outputs,
            submission=Submission(core.ledger, core.registry, announcer.announce),
            source=core.source,
            readiness=partial(soon_ready, Looks(), core, celery),
            broker_trouble=lambda: announcer.trouble,
        )
    )


def run_api(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT."""
    start(settings, "api")
    check_before_forking(settings)
    serve(partial(api_app, settings), settings.host, settings.port, settings.api_threads)
    return 0


def _mark_announced(ledger: Ledger, task_id: str) -> None:
    with ledger.write() as connection:
        transitions.mark_announced(connection, task_id)
