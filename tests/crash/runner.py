"""A process that runs scenarios: a JSON document a line from standard input, a result a line to standard output.

`python -m tests.crash.runner` is started by `pool.py`; it forks every process of its runs, so it imports all
that they need and starts no thread.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from tests.crash import pace, stories, traps
from tests.crash.run import Run
from tests.crash.scenario import Scenario
from tests.crash.world import World, make_template

from rescind.process import die_with_parent
from rescind.testing.memory import Operator, in_process
from rescind.testing.memory.faults import Fault

SHARED_MEMORY = Path("/dev/shm")
LEAST_FREE_BYTES = 256 * 1024**2


def base_directory() -> str | None:
    """Where the runs' files go: processes are killed here, not machines, so that memory is as good as a disk."""
    if SHARED_MEMORY.is_dir() and shutil.disk_usage(SHARED_MEMORY).free > LEAST_FREE_BYTES:
        return str(SHARED_MEMORY)
    return None


def main() -> None:
    die_with_parent()
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what anything prints is no result
    pace.quicken()
    root = Path(tempfile.mkdtemp(prefix="rescind-crash-", dir=base_directory()))
    try:
        with ExitStack() as stack:
            servers = {name: str(root / f"{name}.sock") for name in ("default", "other")}
            operators = {name: stack.enter_context(in_process(address)) for name, address in servers.items()}
            make_template(root / "template.db")
            gc.collect()
            gc.freeze()  # or every child would copy what its collector visits
            _serve(root, servers, operators, results)
    finally:
        if not any(root.glob("run-*")):
            shutil.rmtree(root)


def _serve(root: Path, servers: dict[str, str], operators: dict[str, Operator], results: TextIO) -> None:
    for line in sys.stdin:
        result = _one(Scenario.parse(json.loads(line)), root, servers, operators)
        results.write(json.dumps(result) + "\n")
        results.flush()


def _one(scenario: Scenario, root: Path, servers: dict[str, str], operators: dict[str, Operator]) -> dict[str, Any]:
    tag = uuid.uuid4().hex[:12]
    directory = root / f"run-{tag}"
    directory.mkdir()
    world = World(scenario, directory, servers, tag)
    world.calm()
    world.set_up(root / "template.db")
    if scenario.fault is not None:
        fault = scenario.fault
        operators[fault.target].arm(fault.verb, Fault(fault.fault), fault.nth, 0.05)
    begun = time.monotonic()
    try:
        found, facts = _tell(scenario, world)
    except Exception:
        found, facts = [f"the run itself broke: {traceback.format_exc()}"], {}
    result = {"seed": scenario.seed, "scenario": scenario.document(), "hits": traps.lines(directory / "hits")}
    result |= facts | {"seconds": round(time.monotonic() - begun, 3), "violations": found}
    if found and scenario.mutant is None:
        return result | {"directory": str(directory)}
    shutil.rmtree(directory)
    return result


def _tell(scenario: Scenario, world: World) -> tuple[list[str], dict[str, Any]]:
    """The violations, and how it ended."""
    if scenario.story is not None:
        return stories.tell(scenario, world), {}
    observed, found = Run(scenario, world).go()
    return found, {"state": observed.state, "attempts": observed.attempt, "stops": list(observed.stops)}


if __name__ == "__main__":
    main()
