"""What a command prints: tasks, receipts, errors, tables. Results go to standard output, troubles to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rescind.cli.exits import Exit, of_state
from rescind.cli.progress import describe
from rescind.domain.states import State

REJECTS_SHOWN = 5

#: What became of the work, by the state that a task ended in.
_OUTCOME = {
    State.committed: "Done: all of it is in the database.",
    State.checked: "Checked: nothing was changed. {rows:,} rows would have been written.",
    State.stopped: "Stopped: all that it wrote was taken back.",
    State.failed: "Failed: all that it wrote was taken back.",
    State.hazard: "The database contradicts the decision: an operator must look.",
}


def accepted(document: Mapping[str, Any], *, as_json: bool) -> Exit:
    """Of a task that nobody waits for."""
    if as_json:
        return dump(document)
    print(f"Task {document['id']} is {describe(document)}.")
    print(f"Look at it with: rescind show {document['id']}", file=sys.stderr)
    return Exit.done


def task(document: Mapping[str, Any], *, as_json: bool) -> Exit:
    """A task with its receipt or error."""
    if as_json:
        return dump(document)
    _aligned([*_head(document), *_hold(document), *_receipt(document)])
    if error := document.get("error"):
        print(f"\n{error['detail']}\n{_advice(document)}")
    return Exit.done


def held(document: Mapping[str, Any], *, as_json: bool) -> Exit:
    """A task that waits for a person: what they can do, until when, and what is locked meanwhile."""
    if as_json:
        return dump(document)
    print(f"Held: {document['progress']['rows']:,} rows are written, and nobody sees them yet.")
    _aligned([*_head(document), *_hold(document)])
    print(f"\nCommit it with:    rescind commit {document['id']}")
    print(f"Take it back with: rescind stop {document['id']}")
    return Exit.done


def ended(document: Mapping[str, Any], rejects: Sequence[Mapping[str, Any]], *, as_json: bool) -> Exit:
    """A task that was waited for; `rejects` are the first of its bad rows. The exit code says how it ended."""
    code = of_state(document["state"])
    if as_json:
        dump(document)
        return code
    outcome = _OUTCOME[State(document["state"])].format(rows=document["progress"]["rows"])
    if code is Exit.done:
        print(outcome)
        _aligned([*_head(document), *_receipt(document)])
        return code
    print(f"rescind: {outcome}", file=sys.stderr)
    for line in filter(None, _reasons(document, rejects)):
        print(line, file=sys.stderr)
    return code


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Exit:
    """Columns as wide as their widest value."""
    lines = [head, *([str(value) for value in row] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    for line in lines:
        print("  ".join(value.ljust(width) for value, width in zip(line, widths, strict=True)).rstrip())
    return Exit.done


def dump(document: object) -> Exit:
    """As JSON."""
    print(json.dumps(document, indent=2, ensure_ascii=False))
    return Exit.done


def reject_line(reject: Mapping[str, Any]) -> str:
    """One bad row in words."""
    column = f", column {reject['column']}" if reject["column"] else ""
    value = f" ({reject['value']!r})" if reject["value"] is not None else ""
    return f"record {reject['record']}{column}: {reject['reason']}{value}"


def _reasons(document: Mapping[str, Any], rejects: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    error = document.get("error") or {}
    yield error.get("detail", "")
    if len(rejects) > 1:  # a single one stands in the sentence above
        yield from (f"  {reject_line(reject)}" for reject in rejects[:REJECTS_SHOWN])
    yield _advice(document)
    yield f"Its history: rescind show {document['id']}"


def _advice(document: Mapping[str, Any]) -> str:
    """The error's advice; where it names an address of the API, the command that shows the same."""
    advice = str((document.get("error") or {}).get("advice", ""))
    return advice.replace(f"under {document['links']['rejects']}", f"by `rescind rejects {document['id']}`")


def _head(document: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    yield "task", document["id"]
    yield "does", f"{document['task']} {json.dumps(document['args'], ensure_ascii=False)}"
    yield "state", describe(document)
    yield "targets", ", ".join(document["targets"])
    yield "attempt", document["attempt"]
    if document.get("dry_run"):
        yield "dry run", "everything is taken back"
    for name in ("retry_of", "protocol", "created_at", "started_at", "finished_at"):
        if document.get(name) is not None:
            yield name.replace("_", " "), document[name]
    if settled := document.get("settled"):
        yield "settled", f"as {settled['as']} by {settled['operator']}, {settled['at']}: {settled['why']}"
    if error := document.get("last_error"):
        yield f"attempt {error['attempt']}", error["detail"]
    if not document["done"]:
        left = " left" if document["state"] == State.aborting else ""
        yield "progress", f"{document['progress']['phase']}, {document['progress']['rows']:,} rows{left}"


def _hold(document: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    if hold := document.get("hold"):
        yield "held until", f"{hold['until']}; then all of it is taken back"
        for branch, locks in hold["locks"].items():
            yield f"locks {branch}", locks


def _receipt(document: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    receipt = document.get("receipt")
    if receipt is None:
        return
    taken_back = bool(document.get("dry_run"))
    written = "would be written" if taken_back else "written"
    yield (
        "rows",
        ", ".join(f"{receipt[f'rows_{kind}']:,} {kind}" for kind in ("read", "written", "rejected")).replace(
            "written", written
        ),
    )
    for when, count in receipt["counts"].items():
        yield f"rows {when}", f"{count:,}" + (", had it committed" if taken_back and when.startswith("after") else "")
    for made in receipt["tables_made"]:
        yield "would make" if taken_back else "table made", f"{made['table']} in {made['target']}"
    for output in receipt.get("outputs", ()):  # of a version that made none there is no word
        yield "file made", f"{output['filename']}, {output['length']:,} bytes, SHA-256 {output['sha256']}"
    if receipt["input_digest"]:
        yield "input", receipt["input_digest"]
    if receipt["result"] is not None:
        yield "result", json.dumps(receipt["result"], ensure_ascii=False)
    for branch in receipt.get("branches", ()):  # a dry run has none
        yield "marker", f"branch {branch['branch']}, {branch['rows']:,} rows, at {branch['at']}"


def _aligned(lines: Sequence[tuple[str, object]]) -> None:
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        print(f"{name.ljust(width)}  {value}")
