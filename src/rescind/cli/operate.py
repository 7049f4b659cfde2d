"""The operator commands: they run on the machine of the service and use its settings."""

from __future__ import annotations

import json as json_module
from pathlib import Path

from rescind import bootstrap
from rescind.settings import load


def api(*, host: str | None = None, port: int | None = None, home: Path | None = None) -> int:
    """Serve the API in the foreground.

    Parameters
    ----------
    host
        Address to listen on (default: 127.0.0.1).
    port
        Port to listen on (default: 8000).
    home
        Directory for everything that is written (default: ./.rescind).
    """
    return bootstrap.run_api(load(host=host, port=port, home=home))


def worker(*, home: Path | None = None) -> int:
    """Run tasks in the foreground, in as many child processes as RESCIND_WORKER_CHILDREN says.

    Parameters
    ----------
    home
        Directory for everything that is written (default: ./.rescind).
    """
    return bootstrap.run_worker(load(home=home))


def sweeper(*, home: Path | None = None) -> int:
    """Recover, announce and clean up in the foreground. At least one must run; more do no harm.

    Parameters
    ----------
    home
        Directory for everything that is written (default: ./.rescind).
    """
    bootstrap.run_sweeper(load(home=home))
    return 0


def migrate(*, home: Path | None = None) -> int:
    """Bring the ledger to this version, and make the marker table in every target that answers.

    Parameters
    ----------
    home
        Directory for everything that is written (default: ./.rescind).
    """
    bootstrap.migrate(load(home=home))
    return 0


def purge(*, home: Path | None = None, json: bool = False) -> int:
    """Delete what is past its retention: uploads, and ended tasks with their markers.

    Parameters
    ----------
    home
        Directory for everything that is written (default: ./.rescind).
    json
        Print how many of each as JSON.
    """
    deleted = bootstrap.purge(load(home=home))
    if json:
        print(json_module.dumps(deleted))
    else:
        print("Deleted: " + ", ".join(f"{count} {kind}" for kind, count in deleted.items()) + ".")
    return 0
