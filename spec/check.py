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
class Run:
    """One search: the branches and recoverers of the model, and the macro that changes it."""

    name: str
    one_phase: int
    two_phase: int
    recoverers: int
    macro: str | None = None

    def flags(self) -> list[str]:
        sizes = [f"-DONE_PHASE={self.one_phase}", f"-DTWO_PHASE={self.two_phase}", f"-DRECOVERERS={self.recoverers}"]
        return [*sizes, f"-D{self.macro}"] if self.macro else sizes


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


#: the longest first, so that the others run beside it
MODELS = (
    Run("mixed", 1, 1, 2),
    Run("one-phase", 1, 0, 2),
    Run("two-phase", 0, 1, 2),
    Run("two branches", 0, 2, 1),
)

#: only when it is named: it takes as long as all the others together
DEEPER = Run("two branches, two recoverers", 0, 2, 2)

#: macro: branches (one-phase, two-phase) and recoverers of the smallest model in which it does harm
MUTANTS = {
    "NO_MARK_FIRST": (0, 1, 1),
    "ROLLBACK_ON_NO_ANSWER": (0, 1, 1),
    "ERROR_MEANS_DONE": (0, 1, 1),
    "ERROR_DECIDES": (1, 0, 1),
    "SAME_NAME": (0, 1, 2),
    "NO_ATTEMPT_IN_DECISION": (1, 0, 1),
    "NO_STOP_IN_DECISION": (1, 0, 1),
    "NO_ATTEMPT_IN_TURN_BACK": (1, 0, 2),
    "REGISTER_UNGUARDED": (0, 1, 1),
    "NO_END_SESSION": (0, 1, 1),
    "CLOSE_UNPROVEN": (0, 1, 1),
    "PREPARE_UNSEEN": (0, 1, 1),
    "TWO_PHASE_FIRST": (1, 1, 1),
    "NO_TOMBSTONE": (1, 0, 1),
    "NO_KIND": (1, 0, 2),
}

WITNESSES = {
    "REACH_COMMIT_AFTER_TOMBSTONE": (1, 0, 1),
    "REACH_COMMIT_OF_SECOND_ATTEMPT": (0, 1, 1),
    "REACH_STOP_WHILE_PREPARED": (0, 1, 1),
}

RUNS = (*MODELS, *(Run(macro, *sizes, macro=macro) for macro, sizes in (MUTANTS | WITNESSES).items()))


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
    run = result.run
    sizes = f"{run.one_phase} + {run.two_phase}, {run.recoverers}"
    verdict = ("counterexample" if result.errors else "NO COUNTEREXAMPLE") if run.macro else f"{result.errors} errors"
    return f"{run.name:31} {sizes:>9} {result.states:>12,} {result.seconds:>7.1f} s  {verdict}"


def main(names: list[str]) -> int:
    runs = [run for run in (*RUNS, DEEPER) if run.name in names] if names else list(RUNS)
    if not runs:
        raise SystemExit(f"no such run; there are: {', '.join(run.name for run in (*RUNS, DEEPER))}")
    print(f"{'model, mutant or witness':31} {'branches':>9} {'states':>12} {'time':>9}", flush=True)
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
