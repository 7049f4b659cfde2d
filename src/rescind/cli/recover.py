"""`rescind recover`: what is undecided, in words; and an operator's word where nothing is decided by itself."""

from __future__ import annotations

import json as json_module
import os
import pwd
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from rescind import bootstrap
from rescind.cli.exits import Exit, Failure
from rescind.cli.options import Home, Json
from rescind.domain.moments import rfc3339
from rescind.domain.states import State
from rescind.settings import Settings, load
from rescind.transaction.operator import BranchEnd, Operator, Recovered, Restored
from rescind.transaction.situation import Listed, Open, Seen, Situation
from rescind.transaction.verdict import Verdict
from rescind.worker.home import holder

Word = Literal["commit", "rollback", "committed", "failed"]


def recover(
    *,
    dry_run: Annotated[bool, Parameter(help="Only explain.")] = False,
    restored: Annotated[bool, Parameter(help="The ledger was restored from a backup: begin a new life of it.")] = False,
    branch: Annotated[str | None, Parameter(name="--branch", help="End this prepared branch, by its name.")] = None,
    task: Annotated[str | None, Parameter(name="--task", help="Settle this task, which is in hazard.")] = None,
    word: Annotated[
        Word | None, Parameter(name="--as", help="commit or rollback a branch; a task has committed or failed.")
    ] = None,
    why: Annotated[str | None, Parameter(help="Why; it is kept with your name.")] = None,
    against_markers: Annotated[
        bool, Parameter(help="With --task: although markers speak against it, since you have put the data right.")
    ] = False,
    home: Home = None,
    json: Json = False,
) -> int:
    """Explain every task and prepared branch that is undecided, and do once what the sweeper would do.

    Branches in quarantine and tasks in hazard are left to you: --branch or --task, with --as and --why.
    """
    settings = load(home=home)
    if sum((restored, branch is not None, task is not None)) > 1:
        raise _usage("Give one of --restored, --branch and --task.")
    if branch is None and task is None and (word is not None or why is not None):
        raise _usage("--as and --why belong to --branch or --task.")
    if task is None and against_markers:
        raise _usage("--against-markers belongs to --task.")
    if restored:
        _refuse_beside_a_service(settings, dry_run)
    with bootstrap.operator(settings, _user(), dry_run=dry_run) as operator:
        if restored:
            lines, document = _restored(operator)
        elif branch is not None:
            lines, document = _branch(operator, branch, word, why)
        elif task is not None:
            lines, document = _task(operator, task, word, why, sure=against_markers)
        else:
            lines, document = _everything(operator)
    print(json_module.dumps(document, indent=2, default=_plain) if json else "\n".join(lines))
    return Exit.done


Said = tuple[list[str], dict[str, Any]]


def _everything(operator: Operator) -> Said:
    found = operator.recover()
    lines = list(_explained(found.before))
    if not operator.dry_run:
        lines += ["", "Done:", *(f"  {line}" for line in _outcomes(found))]
    document = {"before": _situation(found.before)}
    if not operator.dry_run:
        document |= {"after": _situation(found.after), "states": found.states}
    return lines, document


def _branch(operator: Operator, gid: str, word: str | None, why: str | None) -> Said:
    if word not in tuple(BranchEnd):
        raise _usage("A branch is ended with --as commit or --as rollback.")
    found = operator.end_branch(gid, BranchEnd(word), _reason(why))
    would = "would be ended" if operator.dry_run else "was ended, and that is proven"
    lines = [*_listed(found), f"As {word} it {would} in target {found.target}."]
    return lines, _document(found) | {"as": word, "done": not operator.dry_run}


def _task(operator: Operator, task_id: str, word: str | None, why: str | None, *, sure: bool) -> Said:
    if word not in (State.committed, State.failed):
        raise _usage("A task in hazard is settled with --as committed or --as failed.")
    settled = replace(operator, dry_run=True).settle(task_id, State(word), _reason(why))
    if not operator.dry_run:
        if settled.warnings and not sure:
            raise _contradicted(settled.warnings)
        settled = operator.settle(task_id, State(word), _reason(why))
    lines = [f"Task {task_id} is in hazard: {settled.task.problem.detail if settled.task.problem else ''}"]
    lines += [f"  {line}" for line in _seen(settled.seen)]
    lines += [f"Against it: {warning}" for warning in settled.warnings]
    lines.append(f"It {'would be' if operator.dry_run else 'is'} settled as {word}; nothing was done in any database.")
    evidence = {seen.target: seen.document() for seen in settled.seen}
    document = {"task": task_id, "as": word, "evidence": evidence, "warnings": settled.warnings}
    return lines, document | {"done": not operator.dry_run}


def _contradicted(warnings: Sequence[str]) -> Failure:
    advice = "Put the data right by hand; then say it again with --against-markers. docs/operating.md tells how."
    return Failure("\n".join(warnings), "Nothing was changed.", advice)


def _restored(operator: Operator) -> Said:
    found = operator.restored()
    would = "would begin" if operator.dry_run else "begins"
    lines = [f"The ledger's life {found.new} {would}, after {found.last}.", *_consequences(found)]
    document = {"last": found.last, "new": found.new, "seen": found.seen, "tasks": found.waiting}
    return lines, document | {"done": not operator.dry_run}


def _consequences(found: Restored) -> Iterator[str]:
    for name, life in found.seen.items():
        yield f"  Target {name} had seen life {life}." if life else f"  Target {name} had seen none of this ledger."
    for state, number in found.waiting.items():
        yield f"  Tasks that were {state} in the backup: {number}."
    yield "What follows from it:"
    yield "  A task that had committed after the backup ends in hazard at its next attempt: its markers are found."
    yield "  Branches prepared in an earlier life are in quarantine; `rescind recover` lists them, nothing ends them."
    yield "  Tasks that were submitted after the backup are not known any more: submit them again."
    yield "Start every process of Rescind anew now: those that run on make no more attempts."


def _explained(found: Situation) -> Iterator[str]:
    yield f"Ledger {found.ledger}, life {found.incarnation}."
    for name, reason in found.away.items():
        yield f"Target {name} does not answer, and what it holds is not known: {reason}"
    for name, life in found.later.items():
        yield f"Target {name} has seen life {life} of this ledger: it was restored. Run `rescind recover --restored`."
    for listed in found.branches:
        yield from _listed(listed)
    for each in found.tasks:
        yield from _open(each)
    if not found.branches and not found.tasks and not found.away:
        yield "Nothing is undecided."


def _listed(listed: Listed) -> Iterator[str]:
    yield f"Branch {listed.branch}, prepared in target {listed.target}: {_VERDICTS[listed.verdict]}"
    yield f"  {listed.why}"
    if listed.verdict is Verdict.quarantine:
        since = "the ledger does not know" if listed.since is None else rfc3339(listed.since)
        yield f"  Registered: {since}. Task {listed.branch.task}, attempt {listed.branch.attempt}."
        yield from (f"  {line}" for line in _seen(listed.seen))
        yield f"  End it with: rescind recover --branch {listed.branch} --as commit|rollback --why TEXT"


def _open(each: Open) -> Iterator[str]:
    task = each.task
    yield f"Task {task.id} ({task.name}) is {task.state}, attempt {task.attempt}: {each.plan}"
    if task.waiting_for:
        yield f"  It waits: {task.waiting_for}"
    if task.state is State.hazard:
        yield f"  {task.problem.detail if task.problem else ''}"
        yield from (f"  {line}" for line in _seen(each.seen))
        for branch in (branch for seen in each.seen for branch in seen.prepared):
            yield f"  End its branch with: rescind recover --branch {branch} --as commit|rollback --why TEXT"
        yield f"  Settle it with: rescind recover --task {task.id} --as committed|failed --why TEXT"


def _seen(found: tuple[Seen, ...]) -> Iterator[str]:
    for seen in found:
        if seen.error is not None:
            yield f"Target {seen.target} does not answer: {seen.error}"
            continue
        counts = f"markers {len(seen.markers)}, prepared branches {len(seen.prepared)}"
        yield f"Target {seen.target} has of the task: {counts}."
        for marker in seen.markers:
            yield f"  {marker.kind} of {marker.branch}, {marker.rows or 0:,} rows, at {rfc3339(marker.at)}"
        for branch in seen.prepared:
            yield f"  prepared: {branch}"


def _outcomes(found: Recovered) -> Iterator[str]:
    left = {listed.branch for listed in found.after.branches}
    for listed in found.before.branches:
        if listed.branch not in left:
            yield f"Branch {listed.branch} is prepared no more."
        elif listed.verdict in (Verdict.commit, Verdict.roll_back):
            yield f"Branch {listed.branch} is still prepared; the sweeper goes on."
    for each in found.before.tasks:
        now = found.states[each.task.id]
        if now is not each.task.state:
            yield f"Task {each.task.id} was {each.task.state} and is {now or 'forgotten'}."
    seen = {each.task.id for each in found.before.tasks}
    yield from (
        f"Task {each.task.id} is {each.task.state} now." for each in found.after.tasks if each.task.id not in seen
    )
    yield "Whatever had to be done now has been tried once; the sweeper does the same every few seconds."


def _situation(found: Situation) -> dict[str, Any]:
    head = {"ledger": found.ledger, "incarnation": found.incarnation, "away": found.away, "later": found.later}
    undecided = [
        {
            "task": each.task.id,
            "name": each.task.name,
            "state": each.task.state,
            "attempt": each.task.attempt,
            "plan": each.plan,
            "evidence": {seen.target: seen.document() for seen in each.seen},
        }
        for each in found.tasks
    ]
    return head | {"branches": [_document(listed) for listed in found.branches], "tasks": undecided}


def _document(listed: Listed) -> dict[str, Any]:
    return {
        "branch": str(listed.branch),
        "target": listed.target,
        "verdict": listed.verdict,
        "why": listed.why,
        "since": listed.since,
        "evidence": {seen.target: seen.document() for seen in listed.seen},
    }


def _reason(why: str | None) -> str:
    if why is None or not why.strip():
        raise _usage("Say why, with --why: it is kept with your name.")
    return why.strip()


def _plain(value: object) -> str:
    return rfc3339(value) if isinstance(value, datetime) else str(value)


def _user() -> str:
    """Not from the environment, which says what the user wants it to say."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _refuse_beside_a_service(settings: Settings, dry_run: bool) -> None:
    pid = holder(settings.home)
    if pid is not None and not dry_run:
        what = f"`rescind up` runs in {settings.home.absolute()}, as process {pid}."
        raise Failure(what, "Nothing was changed.", "End it first: its processes are of the ledger's last life.")


def _usage(what: str) -> Failure:
    return Failure(what, "Nothing was changed.", "See `rescind recover --help`.", Exit.usage)


_VERDICTS = {
    Verdict.commit: "it is committed.",
    Verdict.roll_back: "it is rolled back.",
    Verdict.leave: "it is left alone.",
    Verdict.quarantine: "QUARANTINE. Nothing ends it by itself.",
}
