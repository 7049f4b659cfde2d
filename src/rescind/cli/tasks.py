"""The user commands about tasks: start a `generate`, list, show, commit, stop and retry."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from rescind.cli import report
from rescind.cli.exits import Exit
from rescind.cli.follow import follow
from rescind.cli.options import Key, TaskId, Terms, Wait
from rescind.cli.progress import describe, view
from rescind.cli.service import Access, Service, path
from rescind.domain.states import State

HERE = Access()
USUAL = Terms()


def generate(
    rows: Annotated[int, Parameter(name="N", help="How many rows.")],
    /,
    *,
    into: Annotated[str, Parameter(help="The table; it is made if it is missing.")] = "data",
    seed: Annotated[int | None, Parameter(help="The same seed gives the same rows.")] = None,
    terms: Terms = USUAL,
    wait: Wait = False,
    idempotency_key: Key = None,
    access: Access = HERE,
) -> int:
    """Generate rows of random data."""
    args = {"table": into, "rows": rows} | ({} if seed is None else {"seed": seed})
    headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
    with Service(access.url) as service:
        task = service.post("/v1/tasks", {"task": "generate", "args": args, **terms.body()}, headers=headers)
        return started(service, task, wait=wait, as_json=access.json)


def tasks(
    *,
    state: Annotated[State | None, Parameter(help="Only tasks in this state.")] = None,
    task: Annotated[str | None, Parameter(help="Only tasks of this name.")] = None,
    limit: Annotated[int, Parameter(help="At most so many.")] = 20,
    access: Access = HERE,
) -> int:
    """List tasks, the newest first."""
    with Service(access.url) as service:
        page = service.get("/v1/tasks", state=state, task=task, limit=limit)
    if access.json:
        return report.dump(page)
    rows = [(t["id"], t["task"], describe(t), f"{t['progress']['rows']:,}", t["created_at"]) for t in page["tasks"]]
    return report.table(("ID", "TASK", "STATE", "ROWS", "CREATED"), rows)


def show(task_id: TaskId, /, *, access: Access = HERE) -> int:
    """Show one task: its state, and its receipt or its error."""
    with Service(access.url) as service:
        return report.task(service.get(path("tasks", task_id)), as_json=access.json)


def commit(task_id: TaskId, /, *, wait: Wait = False, access: Access = HERE) -> int:
    """Commit a task that is held. Asking twice is the same as asking once."""
    with Service(access.url) as service:
        task = service.post(path("tasks", task_id, "commit"))
        if not wait:
            return report.accepted(task, as_json=access.json)
        with view(silent=access.json) as seen:
            task = follow(service, task, seen)
    return report.ended(task, [], as_json=access.json)


def stop(task_id: TaskId, /, *, wait: Wait = False, access: Access = HERE) -> int:
    """Stop a task and have all that it wrote taken back. Once this has answered, it will never commit."""
    with Service(access.url) as service:
        task = service.post(path("tasks", task_id, "stop"))
        if not wait:
            return report.accepted(task, as_json=access.json)
        with view(silent=access.json) as seen:
            task = follow(service, task, seen)
    code = report.ended(task, [], as_json=access.json)
    return Exit.done if code is Exit.stopped else code


def retry(task_id: TaskId, /, *, wait: Wait = False, access: Access = HERE) -> int:
    """Start a failed or stopped task again, as a new task. Asking twice makes one."""
    with Service(access.url) as service:
        task = service.post(path("tasks", task_id, "retry"))
        return started(service, task, wait=wait, as_json=access.json)


def started(service: Service, task: dict[str, Any], *, wait: bool, as_json: bool) -> int:
    """What is said of a task that was just started, and the exit code: at once, or when it has ended or is held."""
    if not wait:
        return report.accepted(task, as_json=as_json)
    with view(silent=as_json) as seen:
        task = follow(service, task, seen, or_held=True)
    if not task["done"]:
        return report.held(task, as_json=as_json)
    bad = service.get(task["links"]["rejects"])["rejects"] if task["state"] == State.failed else []
    return report.ended(task, bad, as_json=as_json)
