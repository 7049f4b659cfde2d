"""What the API is given to work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import current_app

from rescind.ledger.engine import Ledger
from rescind.settings import DEFAULT_TARGET, Settings
from rescind.targets.target import Catalog, Target
from rescind.tasks.registry import TaskRegistry
from rescind.tasks.submission import Submission
from rescind.uploads.store import UploadStore

EXTENSION = "rescind"


@dataclass(frozen=True)
class Services:
    """The parts that requests use. `readiness` answers, for each part, None or why it is not ready."""

    settings: Settings
    ledger: Ledger
    targets: Mapping[str, Target]
    registry: TaskRegistry
    uploads: UploadStore
    submission: Submission
    readiness: Callable[[], dict[str, str | None]]

    def catalog(self) -> Catalog:
        """Reads of the target that tables are looked up in."""
        return self.targets[DEFAULT_TARGET].catalog()


def services() -> Services:
    """Those of the application that serves the current request."""
    found = current_app.extensions[EXTENSION]
    assert isinstance(found, Services)
    return found
