"""The report counts what it should; and every failpoint of the code has acted in the course of the suite."""

from __future__ import annotations

from typing import Any

import pytest
from tests.crash.report import EACH_FAILPOINT, TALLY, Tally

from rescind.failpoints import NAMES

#: The files that lead to every failpoint; their names come before this one's.
LEADING = {"test_before_and_after.py", "test_every_failpoint.py"}


def _run(combination: str | None, *violations: str, mutant: str | None = None, hits: tuple[str, ...] = ()) -> Any:
    return {"combination": combination, "scenario": {"mutant": mutant}, "hits": hits, "violations": list(violations)}


def _told(*runs: Any) -> list[str]:
    tally = Tally()
    for run in runs:
        tally.add(run)
    return [line for line in tally.lines() if "runs/s" in line]


def test_none_of_n_drawn_runs_bounds_the_rate() -> None:
    (line,) = _told(*[_run("MariaDB, two-phase")] * 1000)
    assert "1000 runs, 0 violations, failure rate below 0.30% at 95 %" in line


def test_planned_runs_tell_no_rate() -> None:
    (line,) = _told(_run(EACH_FAILPOINT))
    assert "1 runs, 0 violations" in line
    assert "rate" not in line


def test_a_violation_is_counted_and_no_rate_is_told() -> None:
    (line,) = _told(_run("MariaDB, two-phase", "I5: …"), _run("MariaDB, two-phase"))
    assert "2 runs, 1 of them with violations" in line
    assert "rate" not in line


def test_combinations_are_told_apart_and_mutants_left_out() -> None:
    assert len(_told(_run("a"), _run("b"), _run(None), _run("c", "I1: …", mutant="R1 no first mark"))) == 2


def test_what_never_acted_is_named() -> None:
    tally = Tally()
    tally.add(_run("a", hits=("decide.before", "decide.before")))
    tally.add(_run("a", hits=("decide.after",), mutant="R1 no first mark"))
    assert tally.never() == sorted(NAMES - {"decide.before"})
    assert any("decide.before 2" in line for line in tally.lines())


@pytest.mark.crash
def test_every_failpoint_has_acted(request: pytest.FixtureRequest) -> None:
    if not {item.path.name for item in request.session.items} >= LEADING:
        pytest.skip("only a part of the suite is run")
    assert TALLY.never() == []
