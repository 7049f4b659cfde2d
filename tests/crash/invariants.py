"""The invariants of the protocol, each a function of observed facts that answers with the violations it sees."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from hashlib import sha256

from tests.crash.observed import Contents, Observed

from rescind.domain.states import DONE, TAKEN_BACK, State, allowed

Invariant = Callable[[Observed], Iterator[str]]

_STATES = {str(state) for state in State}
_DONE = {str(state) for state in DONE}


def i1_only_decided_attempts_commit(o: Observed) -> Iterator[str]:
    """A branch of attempt a commits only if the ledger reached `committing` with attempt a."""
    decided = {attempt for kind, attempt in o.events if kind == State.committing}
    for attempt in sorted(o.committed_attempts - decided):
        yield f"attempt {attempt} committed, but the ledger never decided it"


def i2_one_attempt_commits(o: Observed) -> Iterator[str]:
    """At most one attempt has markers."""
    if len(o.committed_attempts) > 1:
        yield f"attempts {sorted(o.committed_attempts)} have all committed"


def i3_decided_branches_are_safe(o: Observed) -> Iterator[str]:
    """While the ledger says `committing`, every two-phase branch is prepared or has its marker."""
    for branch in o.committing:
        if not branch.listed and not branch.marked:
            yield f"attempt {branch.attempt} was decided, and its branch {branch.branch} is neither prepared nor marked"


def i4_nothing_is_left(o: Observed) -> Iterator[str]:
    """Stopped, failed or checked: the database is as if the task had never run."""
    if o.state not in TAKEN_BACK:
        return
    yield from (f"{o.state}, but {difference}" for difference in _differences(o.before, o.tables))
    if o.committed_attempts:
        yield f"{o.state}, but attempts {sorted(o.committed_attempts)} have markers"


def i5_everything_is_there(o: Observed) -> Iterator[str]:
    """Committed: a marker in every branch, rows and checksum of the input, the input's rows exactly once."""
    if o.state != State.committed:
        return
    yield from (f"committed, but {difference}" for difference in _differences(o.after, o.tables))
    markers = [m for m in o.markers if m.kind == "marker"]
    found = sorted((m.target, m.attempt, m.branch, m.checksum) for m in markers)
    wanted = sorted((target, o.attempt, n, o.checksum) for n, target in enumerate(o.targets))
    if found != wanted:
        yield f"committed, but the markers are {found}, not {wanted}"
    for target in sorted(set(o.targets)):
        counted = sum(m.rows or 0 for m in markers if m.target == target)
        if counted != o.rows:
            yield f"committed, but the markers of {target} count {counted} rows, not {o.rows}"
    told = o.rows * len(set(o.targets)) if o.told is None else o.told
    if o.receipt is None or o.receipt.get("rows_written") != told:
        yield f"committed, but the receipt is {o.receipt}"
    elif len(o.receipt.get("branches", ())) != len(o.targets):
        yield f"committed, but the receipt proves {o.receipt.get('branches')}"


def i6_nothing_is_undecided(o: Observed) -> Iterator[str]:
    """No branch stays prepared."""
    if o.prepared:
        yield f"still prepared: {', '.join(o.prepared)}"


def i7_accepted_stops_hold(o: Observed) -> Iterator[str]:
    """An accepted stop never commits; a refused one does, unless the database refuses a one-phase commit."""
    if o.accepted:
        if o.committed_attempts or o.state == State.committed:
            yield "a stop was accepted, and the task committed"
        elif o.state != State.stopped:
            yield f"a stop was accepted, and the task ended as {o.state}"
    elif o.state == State.stopped:
        yield f"stopped, though no stop was accepted (answers: {list(o.stops)})"
    if "too-late" in o.stops and o.state != State.committed and not o.one_phase:
        yield f"a stop was too late, and the task ended as {o.state}"


def i8_markers_decide(o: Observed) -> Iterator[str]:
    """The outcome is what the markers say, whatever errors there were."""
    if o.state in (State.committed, *TAKEN_BACK) and bool(o.committed_attempts) != (o.state == State.committed):
        yield f"{o.state}, with the markers of attempts {sorted(o.committed_attempts)}"
    if o.state == State.hazard:
        yield "hazard, though nobody touched the database by hand"


def i9_it_ends(o: Observed) -> Iterator[str]:
    """The task ended, rightly, once; no lock, no process is left."""
    if o.state not in _DONE:
        yield f"it rests as {o.state}"
    elif o.state not in o.may_end | {State.stopped, State.hazard}:
        yield f"it ended as {o.state} ({o.problem}) instead of {'/'.join(sorted(o.may_end))}"
    ends = [kind for kind, _ in o.events if kind in _DONE]
    if o.state in _DONE and ends != [o.state]:
        yield f"its ends in the history are {ends}"
    if o.finished != (o.state in _DONE):
        yield f"{o.state}, and finished is {o.finished}"
    yield from o.waits
    yield from (f"{process} never came to its end" for process in o.alive)


def history_is_a_path(o: Observed) -> Iterator[str]:
    """The events go from state to state by the arrows that exist, each of the attempt that was at work."""
    state, attempt = State.queued, 0
    for kind, of_attempt in o.events:
        if kind not in _STATES:
            continue
        attempt += kind == State.running
        if not allowed(state, State(kind)) or of_attempt != attempt:
            yield f"attempt {attempt} went from {state} to {kind} of attempt {of_attempt}"
        state = State(kind)
    if state != o.state or attempt != o.attempt:
        yield f"the history ends with {state} of attempt {attempt}, the task with {o.state} of attempt {o.attempt}"


def uploads_are_kept_as_long_as_needed(o: Observed) -> Iterator[str]:
    """Committed: the bytes are released. Any other end: they are there for a retry."""
    if o.upload_there is not None and o.state in _DONE and o.upload_there != (o.state != State.committed):
        yield f"{o.state}, and the upload's bytes are {'still there' if o.upload_there else 'gone'}"


def files_are_there_with_the_commit(o: Observed) -> Iterator[str]:
    """Committed: the attempt's file, whole, as its receipt says. Checked: that of rejects.

    Any other end: none, and before it none for anyone.
    """
    yield from (f"a file was given out while its task was {state}" for state in o.served if state != State.committed)
    if o.state not in _DONE:
        return
    committed, checked = o.state == State.committed, o.state == State.checked
    outputs = (o.receipt or {}).get("outputs", ())
    outputs = [output for output in outputs if committed or (checked and output["kind"] == "rejects")]
    told = {f"{o.task_id}.{o.attempt}.{output['kind']}": output["sha256"] for output in outputs}
    if {name: sha256(data).hexdigest() for name, data in o.files.items()} != told:
        yield f"{o.state}, and the files are {dict(o.files)}, and the receipt tells of {told}"
    makes = (committed and o.file_bytes is not None) or ((committed or checked) and o.left_out is not None)
    if len(o.files) != makes or (makes and o.file_bytes not in (None, *o.files.values())):
        yield f"{o.state}, and the files are {dict(o.files)}, not {o.file_bytes!r}"


def rejects_are_told(o: Observed) -> Iterator[str]:
    """Committed or checked: the receipt counts the rows that were left out, and the file names each of them once."""
    if o.state not in (State.committed, State.checked) or o.receipt is None:
        return
    left_out = o.left_out or ()
    if (told := o.receipt.get("rows_rejected", 0)) != len(left_out):
        yield f"the receipt tells of {told} rows that were left out, not {len(left_out)}"
    if left_out:
        read = o.receipt.get("rows_read")
        if read != o.rows + len(left_out):
            yield f"the receipt tells of {read} rows that were read, not {o.rows + len(left_out)}"
        found = [int(row["record"]) for data in o.files.values() for row in csv.DictReader(data.decode().splitlines())]
        if sorted(found) != list(left_out):
            yield f"the file of rejects names {found}, not {left_out}"


def rows_are_counted(o: Observed) -> Iterator[str]:
    """Committed: the receipt tells how many rows the table had, and how many it has."""
    if o.state != State.committed or o.receipt is None or o.counts is None:
        return
    if (told := o.receipt.get("counts")) != o.counts:
        yield f"the receipt counts {told}, not {dict(o.counts)}"


def others_see_old_rows_or_new(o: Observed) -> Iterator[str]:
    """Whoever looks at the table sees the rows of before or those of after, never some of both.

    Of branches in one target each is visible at its own commit (PROTOCOL, which commit a task gets): old rows stay.
    """
    for seen in o.seen:
        for target, tables in seen.items():
            for table, rows in tables.items():
                old, new = o.before[target][table], o.after[target][table]
                between = o.targets.count(target) > 1 and old <= rows <= new
                if rows not in (old, new) and not between:
                    yield f"{target}.{table} was seen with {rows.total()} rows that are neither the old nor the new"


def others_see_old_rows_before_the_decision(o: Observed) -> Iterator[str]:
    """While the task is not decided nothing that it writes can be seen."""
    for seen in o.seen_early:
        for target, tables in seen.items():
            for table, rows in tables.items():
                if rows != o.before[target][table]:
                    yield f"{target}.{table} was seen with {rows.total()} rows that are not the old, and undecided"


INVARIANTS: dict[str, Invariant] = {
    "I1": i1_only_decided_attempts_commit,
    "I2": i2_one_attempt_commits,
    "I3": i3_decided_branches_are_safe,
    "I4": i4_nothing_is_left,
    "I5": i5_everything_is_there,
    "I6": i6_nothing_is_undecided,
    "I7": i7_accepted_stops_hold,
    "I8": i8_markers_decide,
    "I9": i9_it_ends,
    "history": history_is_a_path,
    "uploads": uploads_are_kept_as_long_as_needed,
    "files": files_are_there_with_the_commit,
    "rejects": rejects_are_told,
    "counts": rows_are_counted,
    "seen": others_see_old_rows_or_new,
    "early": others_see_old_rows_before_the_decision,
}


def violations(o: Observed) -> list[str]:
    """Every violation, with the name of its invariant in front; empty: all is well."""
    return [f"{name}: {found}" for name, invariant in INVARIANTS.items() for found in invariant(o)]


def _differences(wanted: Contents, found: Contents) -> Iterator[str]:
    for target in sorted(wanted.keys() | found.keys()):
        should, has = wanted.get(target, {}), found.get(target, {})
        for table in sorted(should.keys() | has.keys()):
            if table not in has:
                yield f"{target}.{table} is gone"
            elif table not in should:
                yield f"{target}.{table} is left with {has[table].total()} rows"
            elif has[table] != should[table]:
                missing, extra = should[table] - has[table], has[table] - should[table]
                yield f"{target}.{table} lacks {missing.total()} rows and has {extra.total()} too many"
