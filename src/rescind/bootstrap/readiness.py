"""Whether the parts are ready, and why one is not."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from celery import Celery

from rescind.api.looks import Looks
from rescind.bootstrap.core import Core, connected_celery, open_core
from rescind.broker.publisher import ping
from rescind.errors import ConfigurationError, RescindError
from rescind.ledger import migrate as migration
from rescind.settings import DEFAULT_TARGET, Settings


def soon_ready(looks: Looks, core: Core, celery: Celery) -> dict[str, str | None]:
    """Each part's reason for not being ready, or None, in a short time."""
    return looks.reasons(_readiness(core, celery))


def _readiness(core: Core, celery: Celery) -> dict[str, Callable[[], str | None]]:
    """How each part is asked why it is not ready."""
    checks: dict[str, Callable[[], Any]] = {
        "ledger": partial(migration.check, core.ledger),
        "broker": partial(ping, celery)
        if core.settings.broker()
        else partial(_writable, core.settings.home / "broker"),
        "uploads": partial(_writable, core.settings.uploads_directory()),
        "outputs": partial(_writable, core.settings.outputs_directory()),
    }
    checks |= {f"target:{name}": target.preflight for name, target in core.targets.items()}
    return {part: partial(_reason, check) for part, check in checks.items()}


def checks(settings: Settings) -> dict[str, str | None]:
    """Each part's reason for not being ready, or None, however long it takes to answer.

    Before the first start it is asked of what lies outside the home whether it answers, and nothing is made.
    """
    with closing(open_core(settings)) as core:
        parts = (
            _readiness(core, connected_celery(settings))
            if settings.home.exists()
            else _outside(core, connected_celery(settings))
        )
        return {part: reason() for part, reason in parts.items()}


def _outside(core: Core, celery: Celery) -> dict[str, Callable[[], str | None]]:
    """Targets are not registered yet, and the ledger may have no tables: both are the first start's to make."""
    inside = in_a_missing_home(core.settings)
    checks: dict[str, Callable[[], Any]] = {}
    if core.settings.ledger_url:
        checks["ledger"] = partial(migration.answer, core.ledger)
    if core.settings.broker():
        checks["broker"] = partial(ping, celery)
    checks |= {f"target:{name}": target.capabilities for name, target in core.targets.items() if name not in inside}
    return {part: partial(_reason, check) for part, check in checks.items()}


def in_a_missing_home(settings: Settings) -> frozenset[str]:
    """The targets whose file the first start would make."""
    missing = settings.database_url is None and not settings.home.exists()
    return frozenset([DEFAULT_TARGET]) if missing else frozenset()


def _reason(check: Callable[[], Any]) -> str | None:
    try:
        check()
    except (RescindError, OSError) as error:
        return str(error)
    return None


def _writable(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigurationError(f"The directory {directory} cannot be written to.")
