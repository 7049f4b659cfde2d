"""Where a task writes and how it is to end, as requests say it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from rescind.api.query import Flag, Number, Query
from rescind.api.services import services
from rescind.domain.task import Commit, Terms
from rescind.errors import InvalidArguments, TargetBusy, TargetRefused, TargetUnavailable
from rescind.tasks.transactional import TaskDefinition
from rescind.transaction import preflight

LONGEST_HOLD_SECONDS = 86_400
MOST_TARGETS = 100

CommitWord = Literal["auto", "manual"]
TargetName = Annotated[str, Field(min_length=1, max_length=100)]

COMMIT = "`manual`: once everything is written it is held, unseen, until it is committed or stopped."
HOLD_SECONDS = "How long a manual commit is waited for; then everything is taken back."
DRY_RUN = "Write everything, constraints and triggers included, and take it all back; the task ends as `checked`."


class TargetQuery(Query):
    """Which database."""

    target: TargetName | None = Field(None, description="A registered target; `default` if none is named.")


class TermsQuery(TargetQuery):
    """Where to write, and how it is to end."""

    targets: Annotated[str, Field(min_length=1, max_length=2000)] | None = Field(
        None, description="Several registered targets, comma-separated: each gets all rows, or none does."
    )
    commit: CommitWord = Field("auto", description=COMMIT)
    hold_seconds: Annotated[Number, Field(ge=1, le=LONGEST_HOLD_SECONDS)] | None = Field(None, description=HOLD_SECONDS)
    dry_run: Flag = Field(False, description=DRY_RUN)

    def wanted(self) -> Wanted:
        """Raises InvalidArguments for parameters that exclude each other, and for unknown targets."""
        if self.target is not None and self.targets is not None:
            raise InvalidArguments.of("targets", "cannot be given beside target")
        names: tuple[str, ...] | None = None if self.target is None else (self.target,)
        if self.targets is not None:
            names = tuple(name.strip() for name in self.targets.split(","))
        parameter = "target" if self.target is not None else "targets"
        return Wanted(targets(names, parameter), terms(self.commit, self.hold_seconds, dry_run=self.dry_run))


@dataclass(frozen=True)
class Wanted:
    """`targets` is None where the request names none: the task's definition says then."""

    targets: tuple[str, ...] | None
    terms: Terms


def targets(names: Sequence[str] | None, parameter: str = "targets") -> tuple[str, ...] | None:
    """The names, checked. Raises InvalidArguments."""
    if names is None:
        return None
    for name in names:
        services().target(name, parameter)
    if len(set(names)) != len(names):
        raise InvalidArguments.of(parameter, "names a target twice")
    return tuple(names)


def terms(commit: str, hold_seconds: int | None, *, dry_run: bool) -> Terms:
    """Raises InvalidArguments for what excludes each other."""
    manual = Commit(commit) is Commit.manual
    if manual and dry_run:
        raise InvalidArguments.of("dry_run", "cannot be had with commit=manual: a dry run leaves nothing to commit")
    if hold_seconds is not None and not manual:
        raise InvalidArguments.of("hold_seconds", "is for commit=manual only")
    if manual and hold_seconds is None:
        hold_seconds = services().settings.hold_seconds
    return Terms(Commit(commit), dry_run, hold_seconds)


def check_commit(definition: TaskDefinition, args: dict[str, Any], wanted: Wanted) -> tuple[str, ...]:
    """The targets of the task, each once, for checked arguments.

    Raises InvalidArguments where they cannot commit as wanted. A target that does not answer is asked by the attempt.
    """
    branches = definition.branches(args, wanted.targets)
    with suppress(TargetUnavailable, TargetBusy):
        try:
            found = [services().target(name, "targets") for name in branches]
            for name in dict.fromkeys(branches):  # a server that is silent is not asked by the plan, which would wait
                services().look(name, lambda target: target.capabilities())
            preflight.plan(found, wanted.terms)
        except TargetRefused as error:
            raise InvalidArguments.of(_at_fault(branches, definition, wanted.terms), str(error).rstrip(".")) from error
    return tuple(dict.fromkeys(branches))


def _at_fault(branches: Sequence[str], definition: TaskDefinition, wanted: Terms) -> str:
    """The parameter without which there would have been a plan."""
    if wanted.commit is Commit.manual:
        return "commit"
    doubled = len(set(branches)) < len(branches)
    return definition.writers_argument if doubled and definition.writers_argument else "targets"
