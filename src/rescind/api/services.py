"""What the API is given to work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import current_app

from rescind.errors import InvalidArguments
from rescind.ledger.engine import Ledger
from rescind.settings import DEFAULT_TARGET, Settings
from rescind.targets.target import Catalog, Target
from rescind.tasks.registry import TaskRegistry
from rescind.tasks.submission import Submission
from rescind.uploads.outputs import OutputStore
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
    outputs: OutputStore
    submission: Submission
    readiness: Callable[[], dict[str, str | None]]

    def catalog(self, target: str | None = None) -> Catalog:
        """Reads of the target, or of `default`. Raises InvalidArguments where there is none of that name."""
        return self.target(target or DEFAULT_TARGET, "target").catalog()

    def target(self, name: str, parameter: str) -> Target:
        """Raises InvalidArguments, naming the parameter that named the target."""
        if name not in self.targets:
            message = f"there is no target {name!r}; there are: {', '.join(self.targets)}"
            raise InvalidArguments(f"{parameter}: {message}.", [{"name": parameter, "message": message}])
        return self.targets[name]


def services() -> Services:
    """Those of the application that serves the current request."""
    found = current_app.extensions[EXTENSION]
    assert isinstance(found, Services)
    return found
