"""What the first phase costs: a load that is prepared before it commits, against one that only commits."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from bench.databases import DEMO_COLUMNS, Database, Maria
from bench.figures import Say, service_of, spread
from bench.service import Service, seconds
from rescind.domain.branch import BranchId, Protocol
from rescind.targets.registry import open_targets
from rescind.targets.target import Target
from rescind.tasks.generate import batches

ROWS = 2_000_000
PAIRS = 5
GOAL = "median <= 1.03"


def by_branch(say: Say, database: Database) -> None:
    """The branch alone: rows, marker, and then PREPARE, its listing and COMMIT PREPARED, or one COMMIT."""
    target = open_targets({"default": database.url})["default"]
    target.set_up()
    whole: dict[Protocol, list[float]] = {protocol: [] for protocol in Protocol}
    last: dict[Protocol, list[float]] = {protocol: [] for protocol in Protocol}
    for pair in range(PAIRS):
        order = list(Protocol) if pair % 2 else list(Protocol)[::-1]
        for protocol in order:
            database.make_table("phases", DEMO_COLUMNS)
            took, after = _load(target, protocol)
            database.drop_table("phases")
            whole[protocol].append(took)
            last[protocol].append(after)
    target.close()
    ratios = [two / one for two, one in zip(whole[Protocol.two_phase], whole[Protocol.one_phase], strict=True)]
    say(f"{database.name}: two-phase branch / one-phase, 2 M rows", spread(ratios, "{:.3f}"), GOAL)
    one, two = (statistics.median(last[protocol]) for protocol in Protocol)
    part = (two - one) / statistics.median(whole[Protocol.one_phase])
    say("  of which after the last row", f"{two * 1000:.0f} ms against {one * 1000:.0f} ms", f"{part:+.2%} of the load")


def _load(target: Target, protocol: Protocol) -> tuple[float, float]:
    """Seconds from the beginning to the commit, and from the marker to it."""
    branch = target.open_branch(BranchId("0" * 12, 1, str(uuid4()), 1, 0), protocol)
    begun = time.perf_counter()
    branch.start()
    table = target.catalog().table("phases")
    writer = branch.writer(table, ("field1", "field2"))
    for batch in batches(ROWS, seed=1):
        writer.write(batch)
    writer.close()
    branch.write_marker(ROWS, "0" * 64)
    marked = time.perf_counter()
    if protocol is Protocol.two_phase:
        branch.prepare()
        assert branch.id in target.list_prepared(branch.id.ledger)
    branch.commit()
    ended = time.perf_counter()
    branch.close()
    return ended - begun, ended - marked


def by_service(say: Say, database: Maria, directory: Path, narrow: Path) -> None:
    """Two whole services on one database, one of which is told `two_phase=never`."""
    times: tuple[list[float], list[float]] = ([], [])
    with (
        service_of(directory / "auto", database) as auto,
        service_of(directory / "never", database, RESCIND_TWO_PHASE="never") as never,
    ):
        pairs: Sequence[tuple[Service, list[float], str]] = (
            (auto, times[0], "two-phase"),
            (never, times[1], "one-phase"),
        )
        for pair in range(PAIRS):
            for service, into, protocol in pairs if pair % 2 else reversed(pairs):
                database.make_table("phases", "a TEXT, b TEXT")
                task = service.wait(service.upload("phases", narrow))
                assert (task["state"], task["protocol"]) == ("committed", protocol), task
                into.append(seconds(task, "started_at", "finished_at"))
                database.drop_table("phases")
    ratios = [two / one for two, one in zip(*times, strict=True)]
    say(f"{database.name}: service, two_phase=auto / never, 2 M rows", spread(ratios, "{:.3f}"), GOAL)
