"""`make bench-servers`: the figures that the project promises on MariaDB and PostgreSQL, paired within one run.

The servers are private ones of the machine's programs, with fsync on. Each line says what was measured, what came
out, the goal on two quiet cores, and how busy the machine was. Words after the command choose some of the figures.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench.databases import Maria, Postgres, databases
from bench.figures import say, service_of
from bench.loads import loading, memory
from bench.phases import by_branch, by_service
from bench.quick import NARROW_ROWS, flights, narrow
from bench.recovering import dying, restarting
from bench.stops import proving, stopping

ALL = ("phases", "loads", "stops", "recovery", "restart")
FLIGHT_ROWS = 336_776


def measure(wanted: set[str], maria: Maria, postgres: Postgres, directory: Path) -> None:
    narrow_file = narrow(directory)
    flights_file, columns = flights(directory)
    if "phases" in wanted:
        by_branch(say, maria)
        by_branch(say, postgres)
        by_service(say, maria, directory, narrow_file)
    for database in (maria, postgres):
        with service_of(directory / database.name, database) as service:
            if "loads" in wanted:
                types = columns.replace('"', "")
                if database is maria:
                    types = types.replace("TIMESTAMP", "DATETIME")  # TIMESTAMP's first column changes by itself
                loading(say, service, database, "flights", flights_file, FLIGHT_ROWS, types)
                loading(say, service, database, "narrow", narrow_file, NARROW_ROWS, "a TEXT, b TEXT")
                memory(say, service, database, "after loads")
            if "stops" in wanted:
                stopping(say, service, database)
                proving(say, service, database)
                memory(say, service, database, "after 5 M rows")
            if "recovery" in wanted:
                dying(say, service, database)
    if "restart" in wanted:
        restarting(say, maria, postgres, directory)


def main() -> None:
    wanted = set(sys.argv[1:] or ALL)
    if unknown := wanted - set(ALL):
        sys.exit(f"There are no figures called {', '.join(sorted(unknown))}; there are: {', '.join(ALL)}.")
    with tempfile.TemporaryDirectory(prefix="rescind-bench-", dir=Path.cwd()) as name, databases() as (maria, postgres):
        measure(wanted, maria, postgres, Path(name))


if __name__ == "__main__":
    main()
