"""`rescind doctor`: is everything as it must be, and if not, what to do."""

from __future__ import annotations

import json as json_module
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rescind import bootstrap
from rescind.cli.exits import Exit, Failure
from rescind.cli.options import Home, Json
from rescind.cli.selftest import self_test
from rescind.errors import RescindError
from rescind.settings import Settings, load
from rescind.targets import marker
from rescind.worker.home import holder

OLDEST_PYTHON = (3, 11)
GIB = 1024**3
LITTLE_SPACE_BYTES = 2 * GIB
NO_SPACE_BYTES = GIB // 8


class Verdict(StrEnum):
    """How a check came out."""

    ok = "ok"
    warn = "warn"  #: it works, and may not for long
    fail = "fail"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what was found, and what helps if it is not as it must be."""

    name: str
    verdict: Verdict
    reason: str
    cure: str = ""
    notes: tuple[str, ...] = ()  #: what else is worth knowing


def doctor(
    *targets: Annotated[str, Parameter(name="TARGET", help="With --xa-selftest: which targets (default: all).")],
    xa_selftest: Annotated[
        bool, Parameter(help="Prove two-phase commit on the targets' own servers, instead.")
    ] = False,
    home: Home = None,
    json: Json = False,
) -> int:
    """Check Python, home, space, ledger, broker, uploads and every target. Exit code 1 if one of them fails."""
    settings = load(home=home)
    if xa_selftest:
        return self_test(settings, targets, as_json=json)
    if targets:
        raise Failure("Targets are named for --xa-selftest only.", code=Exit.usage)
    checks = list(examine(settings))
    if json:
        print(json_module.dumps([asdict(check) for check in checks], indent=2))
    else:
        for check in checks:
            print(f"{check.verdict.upper():4}  {check.name}: {check.reason}")
            for line in filter(None, (check.cure, *check.notes)):
                print(f"      {line}")
    return Exit.failed if any(check.verdict is Verdict.fail for check in checks) else Exit.done


def examine(settings: Settings) -> Iterator[Check]:
    """Every check. What lies in a home that is not there yet is not looked at, and nothing is made."""
    yield _python()
    yield _home(settings.home)
    if settings.home.exists():
        yield _service(settings.home)
    for directory in {settings.home, settings.uploads_directory()}:
        if directory.exists():
            yield _space(directory)
    yield from _parts(bootstrap.checks(settings))
    yield from cards(bootstrap.cards(settings))


def _python() -> Check:
    name, found = "python", f"Python {platform.python_version()}."
    if sys.version_info >= OLDEST_PYTHON:
        return Check(name, Verdict.ok, found)
    return Check(name, Verdict.fail, found, "Install Python 3.11 or newer.")


def _home(home: Path) -> Check:
    if not home.exists():
        return Check("home", Verdict.warn, f"{home.absolute()} is not there yet.", "`rescind up` makes it.")
    if os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return Check("home", Verdict.ok, f"{home.absolute()} can be written to.")
    cure = "Give this user the directory, or choose another with --home or RESCIND_HOME."
    return Check("home", Verdict.fail, f"{home.absolute()} cannot be written to.", cure)


def _service(home: Path) -> Check:
    pid = holder(home)
    if pid is None:
        return Check("service", Verdict.warn, "No `rescind up` runs in the home.", "Start it, or its parts.")
    return Check("service", Verdict.ok, f"`rescind up` runs in the home, as process {pid}.")


def _space(directory: Path) -> Check:
    free = shutil.disk_usage(directory).free
    name, found = "space", f"{free / GIB:.1f} GiB are free for {directory.absolute()}."
    if free >= LITTLE_SPACE_BYTES:
        return Check(name, Verdict.ok, found)
    return Check(name, Verdict.fail if free < NO_SPACE_BYTES else Verdict.warn, found, "Free some space.")


def _parts(reasons: Mapping[str, str | None]) -> Iterator[Check]:
    """The parts that the service itself checks for /readyz; a reason is why one is not ready."""
    for name, reason in reasons.items():
        if reason is None:
            yield Check(name, Verdict.ok, "Ready.")
        else:
            about = marker.NAME if marker.NAME in reason else name.partition(":")[0]
            yield Check(name, Verdict.fail, reason, _CURES[about])


def cards(found: Mapping[str, bootstrap.Card]) -> Iterator[Check]:
    """What each target can do, in words; its warnings stand by themselves. One that does not answer was told of."""
    for name, card in found.items():
        if isinstance(card, RescindError):
            continue
        grades = ((words, getattr(card, ability)) for ability, words in _ABILITIES.items())
        notes = tuple(f"{words}: {ability.grade}. {ability.reason}" for words, ability in grades)
        yield Check(f"card:{name}", Verdict.ok, card.database, notes=notes)
        for warning in card.warnings:
            yield Check(f"card:{name}", Verdict.warn, warning)


_ABILITIES = {
    "one_phase": "one-phase commit",
    "two_phase": "two-phase commit",
    "parallel_writers": "several tasks writing at once",
    "several_branches": "a large load is sooner done by several branches",
    "transactional_ddl": "tables made by tasks",
    "sql": "SQL of your own tasks",
    "bulk_load": "many rows",
}
_CURES = {
    "ledger": "Start its database, or put address, user, password and database right in RESCIND_LEDGER_URL; a new one "
    "is made by `rescind migrate`.",
    "broker": "Start the broker; CELERY_BROKER_URL says where it is. Work that is accepted meanwhile is safe.",
    "uploads": "Make the directory writable, or choose another with RESCIND_UPLOADS.",
    "outputs": "Make the directory writable, or choose another with RESCIND_OUTPUTS.",
    "target": "Start the database, or put address, user, password and database right in DATABASE_URL or "
    "RESCIND_TARGETS__NAME; the message says which.",
    marker.NAME: "Run `rescind migrate`; where its user may not make tables, an administrator makes this one with the "
    "SQL in docs/operating.md, which lists the rights too.",
}
