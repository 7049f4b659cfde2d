"""The operator commands: they run on the machine of the service and use its settings."""

from __future__ import annotations

import json as json_module

from rescind import bootstrap
from rescind.cli.options import Home, Host, Json, Port
from rescind.settings import load
from rescind.worker.home import make


def api(*, host: Host = None, port: Port = None, home: Home = None) -> int:
    """Serve the API in the foreground."""
    return bootstrap.run_api(load(host=host, port=port, home=home))


def worker(*, home: Home = None) -> int:
    """Run tasks in the foreground, in as many child processes as RESCIND_WORKER_CHILDREN says."""
    return bootstrap.run_worker(load(home=home))


def sweeper(*, home: Home = None) -> int:
    """Recover, announce and clean up in the foreground. At least one must run; more do no harm."""
    bootstrap.run_sweeper(load(home=home))
    return 0


def migrate(*, home: Home = None) -> int:
    """Bring the ledger to this version, and make the marker table in every target that answers."""
    settings = load(home=home)
    make(settings.home)
    bootstrap.migrate(settings)
    return 0


def purge(*, home: Home = None, json: Json = False) -> int:
    """Delete what is past its retention: uploads, and ended tasks with their markers."""
    deleted = bootstrap.purge(load(home=home))
    if json:
        print(json_module.dumps(deleted))
    else:
        print("Deleted: " + ", ".join(f"{count} {kind}" for kind, count in deleted.items()) + ".")
    return 0
