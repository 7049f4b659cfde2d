"""The only place where parts are wired together.

Nothing that is opened here may be carried over a fork: each process opens its own `Core`. Every part may be imported;
only the command line, the entry points and tests import this.
"""

from rescind.bootstrap.core import Core, open_core, start
from rescind.bootstrap.operating import Card, cards, migrate, operator, purge, self_test
from rescind.bootstrap.readiness import checks
from rescind.bootstrap.serving import api_app, run_api
from rescind.bootstrap.working import celery_app, open_sweeper, open_worker, run_sweeper, run_worker

__all__ = [
    "Card",
    "Core",
    "api_app",
    "cards",
    "celery_app",
    "checks",
    "migrate",
    "open_core",
    "open_sweeper",
    "open_worker",
    "operator",
    "purge",
    "run_api",
    "run_sweeper",
    "run_worker",
    "self_test",
    "start",
]
