"""What the API is given to work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from flask import current_app

from rescind.api.looks import Looks
from rescind.domain.schema import Table
from rescind.domain.upload import Upload
from rescind.errors import InvalidArguments
from rescind.ledger.engine import Ledger
from rescind.readers.options import Options
from rescind.readers.reader import Source
from rescind.settings import DEFAULT_TARGET, Settings
from rescind.targets.target import Catalog, Target
from rescind.tasks.registry import TaskRegistry
from rescind.tasks.submission import Submission
from rescind.uploads.outputs import OutputStore
from rescind.uploads.store import UploadStore

EXTENSION = "rescind"

Found = TypeVar("Found")


@dataclass(frozen=True)
class Services:
    """The parts that requests use. `readiness` answers, for each part, None or why it is not ready.

    `broker_trouble` says why no announcement can be made at present, and None where nothing is known of that.
    """

    settings: Settings
    ledger: Ledger
    targets: Mapping[str, Target]
    registry: TaskRegistry
    uploads: UploadStore
    outputs: OutputStore
    submission: Submission
    readiness: Callable[[], dict[str, str | None]]
    source: Callable[[Upload, Options], Source]
    broker_trouble: Callable[[], str | None] = lambda: None
    looks: Looks = field(default_factory=Looks)

    def table(self, name: str, target: str | None = None) -> Table:
        """The table as a short look finds it. Raises UnknownTable, TargetUnavailable, InvalidArguments."""
        return self.look(target, lambda found: found.catalog().table(name))

    def look(self, target: str | None, at: Callable[[Target], Found]) -> Found:
        """What is found at the target, or at `default`, in a short time. Raises TargetUnavailable, InvalidArguments."""
        found = self.target(target or DEFAULT_TARGET, "target")
        return self.looks.at(f"Target {found.name}", lambda: at(found))

    def catalog(self, target: str | None = None) -> Catalog:
        """Reads of the target, or of `default`. Raises InvalidArguments where there is none of that name."""
        return self.target(target or DEFAULT_TARGET, "target").catalog()

    def target(self, name: str, parameter: str) -> Target:
        """Raises InvalidArguments, naming the parameter that named the target."""
        if name not in self.targets:
            message = f"there is no target {name!r}; there are: {', '.join(self.targets)}"
            raise InvalidArguments.of(parameter, message)
        return self.targets[name]


def services() -> Services:
    """Those of the application that serves the current request."""
    found = current_app.extensions[EXTENSION]
    assert isinstance(found, Services)
    return found
