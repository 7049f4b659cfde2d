"""Running many scenarios, some at a time, each line of the log the whole of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.crash.report import TALLY
from tests.crash.scenario import Scenario

PROCESSES = 2 * (os.cpu_count() or 1)  #: a run waits for about as long as it works
ROOT = Path(__file__).parents[2]

Result = dict[str, Any]


def log_path() -> Path:
    """Where each run leaves its line."""
    return Path(
        os.environ.get("RESCIND_CRASH_LOG") or Path(tempfile.gettempdir()) / f"rescind-crash-{os.getpid()}.jsonl"
    )


class Runner:
    """A process that runs one scenario after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, scenario: Scenario, combination: str | None = None) -> Result:
        """The run's result, which is in the log too, under that name. Raises RuntimeError if the runner died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(scenario.line() + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the runner died in {scenario.line()}")
        result: Result = {"combination": combination} | json.loads(line)
        note_run(result)
        return result


@contextmanager
def runner(addresses: Mapping[str, str], own: Sequence[str] = ()) -> Iterator[Runner]:
    """A runner for databases that no other may use; it starts the servers `own` itself. Call it in the main thread."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crash.runner", json.dumps(dict(addresses)), *own],
        cwd=ROOT,
        # Libraries that start threads of their own would make a fork unsafe.
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Runner(process)
        assert process.stdin is not None
        process.stdin.close()


class Pool:
    """Some runners that work side by side."""

    def __init__(self, runners: Sequence[Runner]) -> None:
        self._runners = runners

    def run_all(self, scenarios: Iterable[Scenario], combination: str | None = None) -> list[Result]:
        """The results in the order of the scenarios. `combination` is what the report counts them under."""
        waiting = list(enumerate(scenarios))[::-1]
        results: dict[int, Result] = {}
        lock = threading.Lock()
        errors: list[str] = []

        def serve(mine: Runner) -> None:
            try:
                while True:
                    with lock:
                        if not waiting or errors:
                            break
                        number, scenario = waiting.pop()
                    results[number] = mine.run(scenario, combination)
            except Exception as error:
                errors.append(str(error))

        threads = [threading.Thread(target=serve, args=(mine,)) for mine in self._runners]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise RuntimeError("; ".join(errors))
        return [results[number] for number in sorted(results)]


def told(results: Iterable[Result]) -> str:
    """What a failure says: each wrong run with all that is needed to repeat it."""
    return "\n".join(json.dumps(result) for result in results if result["violations"])


def note_run(result: Result) -> None:
    """Count one run, and leave its line, whole whoever else writes."""
    TALLY.add(result)
    file = os.open(log_path(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(file, f"{json.dumps(result)}\n".encode())
    os.close(file)
