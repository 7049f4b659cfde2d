"""The targets of the settings, by name."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from sqlalchemy import URL

from rescind.errors import ConfigurationError, TargetUnavailable
from rescind.settings import TwoPhase
from rescind.targets.sqlite.target import SQLiteTarget
from rescind.targets.target import LOCK_SECONDS, Target
from rescind.urls import database_url

ABSENT_SECONDS = 30.0  #: for how long a target that did not answer is not asked again whether it takes several writers


class TargetRegistry(Mapping[str, Target]):
    """Targets by their lower-case name. Not to be carried over a fork."""

    def __init__(self, targets: Mapping[str, Target]) -> None:
        self._targets = dict(targets)
        self._absent_until: dict[str, float] = {}

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
        """Names of the targets that have room for one writer at a time; those that do not answer among them.

        May take long where a server hangs: it is asked once in ABSENT_SECONDS, or every claim would wait for it.
        """
        return frozenset(name for name in self._targets if not self._takes_several(name))

    def close(self) -> None:
        """Let go of every connection that is not a branch's."""
        for target in self._targets.values():
            target.close()

    def _takes_several(self, name: str) -> bool:
        if time.monotonic() < self._absent_until.get(name, 0.0):
            return False
        try:
            return bool(self._targets[name].capabilities().parallel_writers)
        except TargetUnavailable:
            self._absent_until[name] = time.monotonic() + ABSENT_SECONDS
            return False


def open_targets(
    urls: Mapping[str, str], two_phase: TwoPhase = "auto", lock_seconds: int = LOCK_SECONDS
) -> TargetRegistry:
    """The targets of those URLs, without connecting. Raises ConfigurationError, which never shows a password.

    `two_phase` is the setting of that name: whether a single MySQL branch is prepared first. `lock_seconds` is that of
    its name: how long a task's statement waits for a lock. SQLite's one lock is waited for between attempts instead.
    """
    return TargetRegistry({name: _open(name, url, two_phase, lock_seconds) for name, url in urls.items()})


def _open(name: str, text: str, two_phase: TwoPhase, lock_seconds: int) -> Target:
    try:
        url = database_url(text)
    except ValueError as error:
        raise ConfigurationError(f"The URL of target {name} cannot be read: {error}.") from None
    # A driver is imported where a URL needs it: most installations have one kind, and each costs start-up time.
    match url.get_backend_name():
        case "postgresql":
            from rescind.targets.postgresql.target import PostgreSQLTarget  # noqa: PLC0415

            return PostgreSQLTarget(name, _server(name, url), lock_seconds)
        case "mysql":
            from rescind.targets.mysql.target import MySQLTarget  # noqa: PLC0415

            return MySQLTarget(name, _server(name, url), two_phase == "auto", lock_seconds)
        case _:
            return SQLiteTarget(name, _file(name, url))


def _file(name: str, url: URL) -> Path:
    if url.query or url.host or not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise ConfigurationError(f"Target {name}: an SQLite target is a plain file, sqlite:///FILE, without options.")
    return Path(url.database).absolute()


def _server(name: str, url: URL) -> URL:
    if not url.database:
        raise ConfigurationError(f"Target {name}: the URL names no database ({url.get_backend_name()}://…/DATABASE).")
    return url
