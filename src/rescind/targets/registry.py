"""The targets of the settings, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from rescind.errors import ConfigurationError, TargetUnavailable
from rescind.targets.sqlite.target import SQLiteTarget
from rescind.targets.target import Target


class TargetRegistry(Mapping[str, Target]):
    """Targets by their lower-case name. Not to be carried over a fork."""

    def __init__(self, targets: Mapping[str, Target]) -> None:
        self._targets = dict(targets)

    def __getitem__(self, name: str) -> Target:
        """Raises TargetUnavailable for a name that no setting mentions: an older setting may have had it."""
        if name not in self._targets:
            raise TargetUnavailable(f"Target {name} is not configured; there are: {', '.join(self._targets)}.")
        return self._targets[name]

    def __contains__(self, name: object) -> bool:
        return name in self._targets

    def __iter__(self) -> Iterator[str]:
        return iter(self._targets)

    def __len__(self) -> int:
        return len(self._targets)

    def exclusive(self) -> frozenset[str]:
        """Names of the targets that have room for one writer at a time; those that do not answer among them."""
        return frozenset(name for name, target in self._targets.items() if not _takes_several(target))

    def close(self) -> None:
        """Let go of every connection that is not a branch's."""
        for target in self._targets.values():
            target.close()


def _takes_several(target: Target) -> bool:
    try:
        return bool(target.capabilities().parallel_writers)
    except TargetUnavailable:
        return False


def open_targets(urls: Mapping[str, str]) -> TargetRegistry:
    """The targets of those URLs, without connecting. Raises ConfigurationError, which never shows a password."""
    return TargetRegistry({name: _open(name, url) for name, url in urls.items()})


def _open(name: str, text: str) -> Target:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The text itself is left out, and the cause with it: a password may stand in either.
        raise ConfigurationError(f"The URL of target {name} cannot be read.") from None
    match url.drivername:
        case "sqlite" | "sqlite+pysqlite":
            return SQLiteTarget(name, _file(name, url))
        case other:
            raise ConfigurationError(f"Target {name}: no target can be made of {other}:// (there is: sqlite:///FILE).")


def _file(name: str, url: URL) -> Path:
    if url.query or url.host or not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise ConfigurationError(f"Target {name}: an SQLite target is a plain file, sqlite:///FILE, without options.")
    return Path(url.database).absolute()
