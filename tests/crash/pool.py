"""Running many scenarios, two at a time, each line of the log the whole of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.crash.scenario import Scenario

PROCESSES = 2
ROOT = Path(__file__).parents[2]

Result = dict[str, Any]


def log_path() -> Path:
    """Where each run leaves its line."""
    return Path(
        os.environ.get("RESCIND_CRASH_LOG") or Path(tempfile.gettempdir()) / f"rescind-crash-{os.getpid()}.jsonl"
    )


def run_all(scenarios: Iterable[Scenario]) -> list[Result]:
    """The results in the order of the scenarios. Raises RuntimeError if a runner died."""
    waiting = list(enumerate(scenarios))[::-1]
    results: dict[int, Result] = {}
    lock = threading.Lock()
    errors: list[str] = []

    def serve() -> None:
        try:
            with subprocess.Popen(
                [sys.executable, "-m", "tests.crash.runner"],
                cwd=ROOT,
                # Libraries that start threads of their own would make a fork unsafe.
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as runner:
                assert runner.stdin is not None
                assert runner.stdout is not None
                while True:
                    with lock:
                        if not waiting or errors:
                            break
                        number, scenario = waiting.pop()
                    runner.stdin.write(scenario.line() + "\n")
                    runner.stdin.flush()
                    line = runner.stdout.readline()
                    if not line:
                        raise RuntimeError(f"the runner died in {scenario.line()}")
                    with lock:
                        results[number] = json.loads(line)
                        note_run(results[number])
                runner.stdin.close()
        except Exception as error:
            errors.append(str(error))

    threads = [threading.Thread(target=serve) for _ in range(min(PROCESSES, len(waiting)))]
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
    """Leave one run's line."""
    with log_path().open("a") as log:
        log.write(json.dumps(result) + "\n")
