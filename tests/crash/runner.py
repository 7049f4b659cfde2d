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
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from tests.crash import pace, stories, traps
from tests.crash.ledgers import PostgreSQLLedger, make_template
from tests.crash.run import Run
from tests.crash.scenario import Scenario
from tests.crash.world import World
from tests.support.servers.mariadb import MariaDB
from tests.support.servers.postgresql import PostgreSQL
from tests.support.servers.server import running

from rescind.process import die_with_parent
from rescind.testing.memory import Operator, in_process
from rescind.testing.memory.faults import Fault

SHARED_MEMORY = Path("/dev/shm")
LEAST_FREE_BYTES = 1024**3

Database = PostgreSQL | MariaDB
SERVERS: dict[str, Callable[[], Database]] = {"postgresql": PostgreSQL, "mariadb": MariaDB}


def database(server: Database) -> str:
    """The URL of a new database. PyMySQL would read the machine's certificates for each of very many connections."""
    without_tls = "?ssl_disabled=true" if isinstance(server, MariaDB) else ""
    return server.make_database() + without_tls


def databases(servers: Mapping[str, Database]) -> dict[str, str]:
    """New ones for one runner: a target on each server, and on PostgreSQL a ledger."""
    found = {name: database(server) for name, server in servers.items()}
    return found | ({"ledger": database(servers["postgresql"])} if "postgresql" in servers else {})


def base_directory() -> str | None:
    """Where the runs' files go: processes are killed here, not machines, so that memory is as good as a disk."""
    if SHARED_MEMORY.is_dir() and shutil.disk_usage(SHARED_MEMORY).free > LEAST_FREE_BYTES:
        return str(SHARED_MEMORY)
    return None


@dataclass(frozen=True)
class Runner:
    """What the runs of this process have in common. `servers` are its own, to be killed."""

    root: Path
    addresses: Mapping[str, str]
    operators: Mapping[str, Operator]
    servers: Mapping[str, Database]

    def run(self, scenario: Scenario) -> dict[str, Any]:
        tag = uuid.uuid4().hex[:12]
        directory = self.root / f"run-{tag}"
        directory.mkdir()
        world = World(scenario, directory, self.addresses, tag, self.root / "template.db")
        begun = time.monotonic()
        try:
            world.set_up()
            if scenario.fault is not None:
                fault = scenario.fault
                self.operators[fault.target].arm(fault.verb, Fault(fault.fault), fault.nth, 0.05)
            found, facts = self._tell(scenario, world)
        except Exception:
            found, facts = [f"the run itself broke: {traceback.format_exc()}"], {}
        result = {"seed": scenario.seed, "scenario": scenario.document(), "hits": traps.lines(directory / "hits")}
        result |= facts | {"seconds": round(time.monotonic() - begun, 3), "violations": found}
        if found and scenario.mutant is None:
            return result | {"directory": str(directory)}
        if not found:  # what a mutant left prepared would hold its tables
            world.clean()
        shutil.rmtree(directory)
        return result

    def _tell(self, scenario: Scenario, world: World) -> tuple[list[str], dict[str, Any]]:
        """The violations, and how it ended."""
        if scenario.story is not None:
            return stories.tell(scenario, world), {}
        observed, found = Run(scenario, world, self.servers).go()
        facts = {"state": observed.state, "attempts": observed.attempt, "stops": list(observed.stops)}
        if scenario.outages:
            facts["deaths"] = traps.lines(world.file("deaths"))
        return found, facts | ({"events": observed.events} if found else {})


def main() -> None:
    """`addresses` (JSON) are of databases of this runner's own; the further arguments name servers that it starts."""
    die_with_parent()
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what anything prints is no result
    pace.quicken()
    tempfile.tempdir = base_directory()
    root = Path(tempfile.mkdtemp(prefix="rescind-crash-"))
    try:
        with ExitStack() as stack:
            _serve(_prepare(root, json.loads(sys.argv[1]), sys.argv[2:], stack), results)
    finally:
        if not any(root.glob("run-*")):
            shutil.rmtree(root)


def _prepare(root: Path, addresses: dict[str, str], own: list[str], stack: ExitStack) -> Runner:
    """Everything that all runs share, before the first fork."""
    servers = {name: stack.enter_context(running(SERVERS[name]())) for name in own}
    addresses |= databases(servers)
    sockets = {name: str(root / f"{name}.sock") for name in ("default", "other")}
    operators = {name: stack.enter_context(in_process(address)) for name, address in sockets.items()}
    make_template(root / "template.db")
    if "ledger" in addresses:
        PostgreSQLLedger(addresses["ledger"]).migrate()
    gc.collect()
    gc.freeze()  # or every child would copy what its collector visits
    return Runner(root, addresses | sockets, operators, servers)


def _serve(runner: Runner, results: TextIO) -> None:
    for line in sys.stdin:
        results.write(json.dumps(runner.run(Scenario.parse(json.loads(line)))) + "\n")
        results.flush()


if __name__ == "__main__":
    main()
