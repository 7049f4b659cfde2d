"""What is said in the end: of each combination how many runs broke nothing, of each failpoint how often it acted."""

from __future__ import annotations

import textwrap
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rescind.failpoints import NAMES

#: Runs that are planned and not drawn: how they end tells no rate.
EACH_FAILPOINT, BEFORE_AND_AFTER, OPERATORS = "each failpoint", "before and after", "operators and neighbours"
SERVER_DIES, DURABILITY = "a server dies at a point", "durability"
PLANNED = frozenset({EACH_FAILPOINT, BEFORE_AND_AFTER, OPERATORS, SERVER_DIES, DURABILITY})
_WIDTH = 110


@dataclass
class Count:
    """The runs of one combination. `began` and `ended` are seconds of a monotonic clock."""

    began: float
    ended: float
    runs: int = 0
    wrong: int = 0

    def verdict(self, *, drawn: bool) -> str:
        """None of n drawn runs failed: the rate of failures is below 3/n with a confidence of 95 % (rule of three)."""
        if self.wrong:
            return f"{self.runs} runs, {self.wrong} of them with violations"
        rate = f", failure rate below {3 / self.runs:.2%} at 95 %" if drawn else ""
        return f"{self.runs} runs, 0 violations{rate}"


class Tally:
    """The runs of this session; those in which a guard was taken out on purpose do not count."""

    def __init__(self) -> None:
        self.hits: Counter[str] = Counter()
        self._counts: dict[str, Count] = {}
        self._lock = threading.Lock()

    def add(self, result: Mapping[str, Any]) -> None:
        """Count a run that has just ended."""
        if result.get("scenario", {}).get("mutant"):
            return
        now = time.monotonic()
        with self._lock:
            self.hits.update(result["hits"])
            if (name := result["combination"]) is not None:
                count = self._counts.setdefault(name, Count(now - result.get("seconds", 0.0), now))
                count.ended = now
                count.runs += 1
                count.wrong += bool(result["violations"])

    def never(self) -> list[str]:
        """The failpoints at which nothing has happened."""
        return sorted(NAMES - self.hits.keys())

    def lines(self) -> Iterator[str]:
        """The report; nothing where no run was."""
        if not self._counts:
            return
        for name, count in self._counts.items():
            pace = f"({count.runs / max(count.ended - count.began, 0.001):.1f} runs/s)"
            yield f"{name:<38} {count.verdict(drawn=name not in PLANNED)} {pace}"
        hits = [f"{point} {self.hits[point]}" for point in sorted(NAMES)]
        yield from textwrap.wrap(f"hits of each failpoint: {', '.join(hits)}", _WIDTH, break_on_hyphens=False)


TALLY = Tally()
