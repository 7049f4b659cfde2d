"""Each invariant sees what it is for: one fabricated violation after the other, in facts that are fine otherwise."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from tests.crash.invariants import violations
from tests.crash.observed import BranchSeen, MarkerSeen, Observed

BEFORE = {"default": {"item": Counter({(1, "user's"): 1})}}
AFTER = {"default": {"item": Counter({(1, "user's"): 1, (7, "new"): 1})}}
DOUBLED = {"default": {"item": Counter({(1, "user's"): 1, (7, "new"): 2})}}
MADE = {"default": {"item": Counter({(1, "user's"): 1}), "made": Counter()}}
EMPTY: dict[str, dict[str, Counter[tuple[Any, ...]]]] = {"default": {"item": Counter()}}
GONE: dict[str, dict[str, Counter[tuple[Any, ...]]]] = {"default": {}}
MARKER = MarkerSeen("default", 1, 0, "marker", 1, "abc")
TOMBSTONE = MarkerSeen("default", 1, 0, "tombstone")

COMMITTED = Observed(
    state="committed",
    attempt=1,
    events=(("submitted", 0), ("running", 1), ("committing", 1), ("committed", 1)),
    stops=(),
    markers=(MARKER,),
    prepared=(),
    committing=(BranchSeen(1, 0, listed=True, marked=False), BranchSeen(1, 0, listed=False, marked=True)),
    before=BEFORE,
    after=AFTER,
    tables=AFTER,
    targets=("default",),
    rows=1,
    checksum="abc",
    receipt={"rows_written": 1, "branches": [{}]},
    may_end=frozenset({"committed"}),
    one_phase=True,
)
REPORTED = replace(
    COMMITTED,
    task_id="t",
    files={"t.1.report": b"abc"},
    file_bytes=b"abc",
    receipt={
        "rows_written": 1,
        "branches": [{}],
        "outputs": [{"kind": "report", "sha256": sha256(b"abc").hexdigest()}],
    },
)
LEFT_OUT = b"record,column,value,reason\r\n2,id,x,no number\r\n"
SKIPPED = replace(
    REPORTED,
    files={"t.1.rejects": LEFT_OUT},
    file_bytes=None,
    left_out=(2,),
    receipt={
        "rows_read": 2,
        "rows_written": 1,
        "rows_rejected": 1,
        "counts": {"before": 1, "after": 2},
        "branches": [{}],
        "outputs": [{"kind": "rejects", "sha256": sha256(LEFT_OUT).hexdigest()}],
    },
    counts={"before": 1, "after": 2},
    seen=(BEFORE, AFTER),
    seen_early=(BEFORE,),
    served=("committed",),
)
CHECKED = replace(
    SKIPPED,
    state="checked",
    events=(("submitted", 0), ("running", 1), ("aborting", 1), ("checked", 1)),
    markers=(),
    committing=(),
    tables=BEFORE,
    seen=(BEFORE,),
    served=(),
    may_end=frozenset({"checked"}),
)
STOPPED = replace(
    COMMITTED,
    state="stopped",
    events=(("submitted", 0), ("running", 1), ("stop-requested", 1), ("aborting", 1), ("stopped", 1)),
    stops=("accepted",),
    markers=(TOMBSTONE,),
    tables=BEFORE,
    receipt=None,
)
FAILED = replace(
    STOPPED,
    state="failed",
    events=(("submitted", 0), ("running", 1), ("aborting", 1), ("failed", 1)),
    stops=(),
    may_end=frozenset({"failed"}),
)


@pytest.mark.parametrize("facts", [COMMITTED, REPORTED, SKIPPED, CHECKED, STOPPED, FAILED])
def test_what_is_right_is_not_complained_of(facts: Observed) -> None:
    assert violations(facts) == []


def test_of_two_branches_one_may_be_seen_before_the_other() -> None:
    after = {"default": {"item": AFTER["default"]["item"] + Counter([(8, "newer")])}}
    two = replace(COMMITTED, targets=("default", "default"), after=after)
    for seen, wrong in ((AFTER, False), (DOUBLED, True), (EMPTY, True)):
        assert any(v.startswith("seen:") for v in violations(replace(two, seen=(seen,)))) is wrong


def test_a_refused_one_phase_commit_may_make_a_late_stop_wrong() -> None:
    turned = (("running", 1), ("committing", 1), ("aborting", 1), ("failed", 1))
    assert violations(replace(FAILED, events=turned, stops=("too-late",))) == []


def _receipt(facts: Observed) -> dict[str, Any]:
    return dict(facts.receipt or {})


WRONG: dict[str, tuple[Observed, dict[str, Any]]] = {
    "I1 an attempt commits that was never decided": (COMMITTED, {"markers": (replace(MARKER, attempt=2),)}),
    "I2 two attempts commit": (COMMITTED, {"markers": (MARKER, replace(MARKER, attempt=2))}),
    "I3 decided without being prepared": (COMMITTED, {"committing": (BranchSeen(1, 0, listed=False, marked=False),)}),
    "I4 rows are left": (STOPPED, {"tables": AFTER}),
    "I4 a made table is left": (FAILED, {"tables": MADE}),
    "I4 the user's table is gone": (FAILED, {"tables": GONE}),
    "I4 a marker is left": (FAILED, {"markers": (MARKER,)}),
    "I5 rows are missing": (COMMITTED, {"tables": BEFORE}),
    "I5 rows are doubled": (COMMITTED, {"tables": DOUBLED}),
    "I5 no marker": (COMMITTED, {"markers": ()}),
    "I5 a tombstone for a marker": (COMMITTED, {"markers": (TOMBSTONE,)}),
    "I5 a marker twice": (COMMITTED, {"markers": (MARKER, replace(MARKER, branch=1))}),
    "I5 a marker of other rows": (COMMITTED, {"markers": (replace(MARKER, rows=2),)}),
    "I5 a marker of another input": (COMMITTED, {"markers": (replace(MARKER, checksum="other"),)}),
    "I5 a receipt of other rows": (COMMITTED, {"receipt": {"rows_written": 2, "branches": [{}]}}),
    "I5 a receipt without proof": (COMMITTED, {"receipt": {"rows_written": 1, "branches": []}}),
    "I5 no receipt": (COMMITTED, {"receipt": None}),
    "I6 a branch stays prepared": (STOPPED, {"prepared": ("rescind:1:x",)}),
    "I7 an accepted stop commits": (COMMITTED, {"stops": ("accepted",)}),
    "I7 an accepted stop fails": (FAILED, {"stops": ("accepted",)}),
    "I7 stopped by nobody": (STOPPED, {"stops": ()}),
    "I7 too late, and stopped": (replace(STOPPED, one_phase=False), {"stops": ("too-late",)}),
    "I8 a marker, and failed": (FAILED, {"markers": (MARKER,)}),
    "I8 no marker, and committed": (COMMITTED, {"markers": ()}),
    "I8 hazard without a reason": (COMMITTED, {"state": "hazard"}),
    "I9 at work for ever": (COMMITTED, {"state": "running"}),
    "I9 the wrong end": (FAILED, {"may_end": frozenset({"committed"})}),
    "I9 two ends": (COMMITTED, {"events": (*COMMITTED.events, ("committed", 1))}),
    "I9 no end in the history": (COMMITTED, {"events": COMMITTED.events[:-1]}),
    "I9 no time of its end": (COMMITTED, {"finished": False}),
    "I9 a lock is left": (COMMITTED, {"waits": ("a lock is left",)}),
    "I9 a process is left": (COMMITTED, {"alive": ("worker",)}),
    "history a step that is not there": (COMMITTED, {"events": (("running", 1), ("committed", 1))}),
    "history a decision of another attempt": (
        COMMITTED,
        {"events": (("running", 1), ("committing", 2), ("committed", 1))},
    ),
    "history two attempts at once": (COMMITTED, {"events": (("running", 1), *COMMITTED.events[1:])}),
    "uploads kept for nothing": (COMMITTED, {"upload_there": True}),
    "uploads gone too early": (STOPPED, {"upload_there": False}),
    "files none with the commit": (REPORTED, {"files": {}}),
    "files half with the commit": (REPORTED, {"files": {"t.1.report": b"ab"}}),
    "files of another attempt": (REPORTED, {"files": {"t.2.report": b"abc"}}),
    "files of another name": (REPORTED, {"files": {"t.1.report.part": b"abc"}}),
    "files that the receipt does not tell of": (REPORTED, {"receipt": COMMITTED.receipt}),
    "files that are not there": (COMMITTED, {"receipt": REPORTED.receipt}),
    "files none of rejects": (SKIPPED, {"files": {}}),
    "files none of a dry run's rejects": (CHECKED, {"files": {}}),
    "files of a dry run": (CHECKED, {"files": {"t.1.export": b""}, "left_out": None}),
    "rejects of a dry run that are others": (CHECKED, {"left_out": (3,)}),
    "files given out too early": (SKIPPED, {"served": ("running",)}),
    "rejects that no receipt tells of": (SKIPPED, {"receipt": {**_receipt(SKIPPED), "rows_rejected": 0}}),
    "rejects that were not read": (SKIPPED, {"receipt": {**_receipt(SKIPPED), "rows_read": 1}}),
    "rejects of another row": (SKIPPED, {"left_out": (3,)}),
    "rejects left out twice": (SKIPPED, {"files": {"t.1.rejects": LEFT_OUT + b"2,id,x,no number\r\n"}}),
    "rejects where every row fits": (SKIPPED, {"left_out": None}),
    "counts of other rows": (SKIPPED, {"counts": {"before": 1, "after": 1}}),
    "counts that are not told": (SKIPPED, {"receipt": {k: v for k, v in _receipt(SKIPPED).items() if k != "counts"}}),
    "seen half of the rows": (SKIPPED, {"seen": (BEFORE, EMPTY)}),
    "seen old rows and new": (STOPPED, {"seen": (DOUBLED,)}),
    "early the new rows are seen": (SKIPPED, {"seen_early": (BEFORE, AFTER)}),
    "files left": (STOPPED, {"files": {"t.1.report": b""}}),
    "files half left": (FAILED, {"files": {"t.1.report.part": b""}}),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_violation_is_seen_by_the_invariant_that_it_breaks(name: str) -> None:
    facts, wrong = WRONG[name]
    invariant = name.partition(" ")[0]
    assert [v for v in violations(replace(facts, **wrong)) if v.startswith(f"{invariant}:")]
