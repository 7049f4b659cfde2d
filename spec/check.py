"""Check every model of the protocol, and that each mutant of it is caught. `check.py NAME…` runs some of them.

A model must have no error in all its states. A mutant takes one rule away and must give a counterexample, and a
witness is a place that must be reached: either of them without one means that the model proves nothing, and fails.
Needs spin and gcc; Python's standard library only.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
AT_ONCE = 2  # the largest needs 1.7 GB
DEEPEST = 1_000_000  # steps; a deeper search is reported as an error


@dataclass(frozen=True)
class Model:
    """The branches and recoverers that are modelled, and what kind of task: its macros, with a space between."""

    one_phase: int
    two_phase: int
    recoverers: int
    kind: str = ""

    def flags(self) -> list[str]:
        sizes = [f"-DONE_PHASE={self.one_phase}", f"-DTWO_PHASE={self.two_phase}", f"-DRECOVERERS={self.recoverers}"]
        return [*sizes, *(f"-D{macro}" for macro in self.kind.split())]


@dataclass(frozen=True)
class Run:
    """One search: the model, and the macro that makes a mutant of it or names a place to be reached."""

    name: str
    model: Model
    macro: str | None = None

    def flags(self) -> list[str]:
        return [*self.model.flags(), *([f"-D{self.macro}"] if self.macro else [])]


@dataclass(frozen=True)
class Result:
    """What the search found. `complete`: every reachable state was seen."""

    run: Run
    states: int
    errors: int
    complete: bool
    seconds: float
    output: str

    @property
    def as_expected(self) -> bool:
        if self.run.macro is None:
            return self.errors == 0 and self.complete
        return self.errors == 1 and "assertion violated" in self.output


ONE, TWO, BOTH = (1, 0), (0, 1), (1, 1)  # branches, one-phase and two-phase
TABLE, CROWD = "MAKES_TABLE", "MAKES_TABLE STRANGERS"

#: the longest first, so that the others run beside it
MODELS = {
    "mixed": Model(*BOTH, 2),
    "table": Model(*TWO, 2, TABLE),
    "table among strangers, held": Model(*TWO, 1, f"{CROWD} HOLD"),
    "held": Model(*TWO, 2, "HOLD"),
    "table among strangers": Model(*TWO, 1, CROWD),
    "one-phase": Model(*ONE, 2),
    "two-phase": Model(*TWO, 2),
    "table among strangers, dry run": Model(*TWO, 1, f"{CROWD} DRY_RUN"),
    "held, two branches": Model(0, 2, 1, "HOLD"),
    "two branches": Model(0, 2, 1),
    "dry run": Model(*BOTH, 2, "DRY_RUN"),
}

#: only when they are named: each takes longer than all the others together, and up to 12 GB
DEEPER = {
    "two branches, two recoverers": Model(0, 2, 2),
    "table among strangers, two recoverers": Model(*TWO, 2, CROWD),
}

#: each with the smallest model in which it does harm
MUTANTS = {
    "NO_MARK_FIRST": Model(*TWO, 1),
    "ROLLBACK_ON_NO_ANSWER": Model(*TWO, 1),
    "ERROR_MEANS_DONE": Model(*TWO, 1),
    "ERROR_DECIDES": Model(*ONE, 1),
    "SAME_NAME": Model(*TWO, 2),
    "NO_ATTEMPT_IN_DECISION": Model(*ONE, 1),
    "NO_STOP_IN_DECISION": Model(*ONE, 1),
    "NO_ATTEMPT_IN_TURN_BACK": Model(*ONE, 2),
    "REGISTER_UNGUARDED": Model(*TWO, 1),
    "NO_END_SESSION": Model(*TWO, 1),
    "CLOSE_UNPROVEN": Model(*TWO, 1),
    "PREPARE_UNSEEN": Model(*TWO, 1),
    "TWO_PHASE_FIRST": Model(*BOTH, 1),
    "NO_TOMBSTONE": Model(*ONE, 1),
    "NO_KIND": Model(*ONE, 2),
    "NO_ATTEMPT_IN_HOLD": Model(*TWO, 1, "HOLD"),
    "NO_STOP_IN_HOLD": Model(*TWO, 1, "HOLD"),
    "NO_STOP_IN_COMMIT_REQUEST": Model(*TWO, 1, "HOLD"),
    "NO_EXPIRY_IN_COMMIT_REQUEST": Model(*TWO, 1, "HOLD"),
    "NO_STATE_IN_RELEASE": Model(*TWO, 1, "HOLD"),
    "NO_STATE_IN_HAZARD_OF_HELD": Model(*TWO, 2, "HOLD"),
    "SWEEP_HELD": Model(*TWO, 1, "HOLD"),
    "DRY_RUN_DECIDES": Model(*ONE, 1, "DRY_RUN"),
    "CHECKED_UNPROVEN": Model(*ONE, 1, "DRY_RUN"),
    "CHECKED_UNSEEN": Model(*ONE, 1, "DRY_RUN"),
    "RECORD_LAST": Model(*TWO, 1, TABLE),
    "RECORD_UNGUARDED": Model(*TWO, 1, TABLE),
    "CREATE_ELSEWHERE": Model(*TWO, 1, TABLE),
    "UNDO_FIRST": Model(*TWO, 1, TABLE),
    "UNDO_BEFORE_ROLLBACK": Model(*TWO, 1, TABLE),
    "UNDO_ONCE": Model(*TWO, 1, TABLE),
    "NO_COMMENT": Model(*TWO, 1, CROWD),
    "NO_ATTEMPT_IN_COMMENT": Model(*TWO, 2, TABLE),
    "NO_EMPTINESS": Model(*TWO, 1, CROWD),
    "NO_LOCK": Model(*TWO, 1, CROWD),
}

WITNESSES = {
    "REACH_COMMIT_AFTER_TOMBSTONE": Model(*ONE, 1),
    "REACH_COMMIT_OF_SECOND_ATTEMPT": Model(*TWO, 1),
    "REACH_STOP_WHILE_PREPARED": Model(*TWO, 1),
    "REACH_COMMIT_OF_HELD": Model(*TWO, 1, "HOLD"),
    "REACH_STOP_OF_HELD": Model(*TWO, 1, "HOLD"),
    "REACH_CHECKED": Model(*ONE, 1, "DRY_RUN"),
    "REACH_TABLE_OF_SECOND_ATTEMPT": Model(*TWO, 1, TABLE),
    "REACH_TABLE_WITH_STRANGE_ROWS": Model(*TWO, 1, CROWD),
}

RUNS = (
    *(Run(name, model) for name, model in MODELS.items()),
    *(Run(macro, model, macro) for macro, model in (MUTANTS | WITNESSES).items()),
)
NAMED = (*RUNS, *(Run(name, model) for name, model in DEEPER.items()))


def search(run: Run) -> Result:
    """Let spin write the checker, compile it and run it, in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="rescind-spec-") as directory:
        for source in HERE.glob("*.pml"):
            shutil.copy(source, directory)
        started = time.monotonic()
        call(directory, "spin", "-a", *run.flags(), "protocol.pml")
        optimise = "-O0" if run.macro else "-O2"  # a mutant is caught sooner than it is optimised
        call(directory, "gcc", optimise, "-w", "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=512", "-o", "pan", "pan.c")
        output = call(directory, "./pan", f"-m{DEEPEST}", "-w24")
        seconds = time.monotonic() - started
        if run.macro is None and Path(directory, "protocol.pml.trail").exists():
            output += call(directory, "spin", "-t", "-p", *run.flags(), "protocol.pml")
    states, errors = find(r"(\d+) states, stored", output), find(r"errors: (\d+)", output)
    complete = not re.search(r"Search not completed|max search depth|out of memory", output)
    return Result(run, states, errors, complete, seconds, output)


def call(directory: str, *command: str) -> str:
    done = subprocess.run(
        command, check=False, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}")
    return done.stdout


def find(pattern: str, output: str) -> int:
    found = re.search(pattern, output)
    if found is None:
        raise SystemExit(f"spin's answer was not understood:\n{output}")
    return int(found[1])


def line(result: Result) -> str:
    run, model = result.run, result.run.model
    sizes = f"{model.one_phase} + {model.two_phase}, {model.recoverers}"
    verdict = ("counterexample" if result.errors else "NO COUNTEREXAMPLE") if run.macro else f"{result.errors} errors"
    return f"{run.name:38}{sizes:>9} {result.states:>12,} {result.seconds:>7.1f} s  {verdict}"


def main(names: list[str]) -> int:
    runs = [run for run in NAMED if run.name in names] if names else list(RUNS)
    if not runs:
        raise SystemExit(f"no such run; there are: {', '.join(run.name for run in NAMED)}")
    print(f"{'model, mutant or witness':38}{'branches':>9} {'states':>12} {'time':>9}", flush=True)
    unexpected = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for result in pool.map(search, runs):
            print(line(result), flush=True)
            if not result.as_expected:
                unexpected.append(result)
    for result in unexpected:
        print(f"\n{result.run.name}: not as expected\n{result.output[-4000:]}", file=sys.stderr)
    if not unexpected:
        print(f"{len(runs)} searches, all as expected.")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
