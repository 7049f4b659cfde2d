"""Loads in their modes: the file, what the user's table holds once it is in, and the rows that are left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.crash.bodies import FIRST_KEY, Row, input_rows
from tests.crash.scenario import Job
from tests.crash.sites import BEFORE

TAKEN = BEFORE[0][0]
NEW_OF_OLD = [(key, f"new {key}") for key, _ in BEFORE[:3]]  #: with keys that the table has
RAGGED, TYPED, TWICE = "9", "x,bad", f"{FIRST_KEY},twice"
NEIGHBOURS = 8  #: good rows before each bad one
UPSERT = {"mode": "upsert", "key": ["id"]}


@dataclass(frozen=True)
class Mode:
    """One load, with `args` beside table and upload.

    `stays` are the rows of before that are left alone; `first` the file's rows before the usual ones; `bad` lines
    between them, which are no rows of the table; `fails`: there are more of these than it bears.
    """

    args: dict[str, Any]
    stays: Sequence[Row] = ()
    first: Sequence[Row] = ()
    bad: Sequence[str] = ()
    fails: bool = False

    @property
    def rows(self) -> list[Row]:
        """Those that the file puts into the table."""
        return [*self.first, *input_rows()]

    @property
    def after(self) -> Counter[Row]:
        """What the user's table holds once it has committed."""
        return Counter([*self.stays, *self.rows])

    @property
    def file(self) -> bytes:
        return "".join(f"{line}\n" for line in ("id,name", *(line for _, line in self._records()))).encode()

    @property
    def left_out(self) -> tuple[int, ...]:
        """The numbers of the bad records."""
        return tuple(n for n, (good, _) in enumerate(self._records(), 1) if not good)

    def _records(self) -> Iterator[tuple[bool, str]]:
        bad = iter(self.bad)
        for n, (key, name) in enumerate(self.rows, 1):
            yield True, f"{key},{name}"
            if n % NEIGHBOURS == 0 and (line := next(bad, None)) is not None:
                yield False, line


MODES: dict[Job, Mode] = {
    Job.replacement: Mode({"mode": "replace"}, first=NEW_OF_OLD),
    Job.upsert: Mode(UPSERT, stays=BEFORE[len(NEW_OF_OLD) :], first=NEW_OF_OLD),
    Job.skip: Mode(
        {"on_error": "skip"},
        stays=BEFORE,
        bad=(RAGGED, TYPED, TWICE, RAGGED, f"{TAKEN},taken"),
    ),
    # No key is there twice: one branch would wait for the other's to be decided, and give up.
    Job.skip_by_two: Mode(
        {"on_error": "skip", "writers": 2},
        stays=BEFORE,
        bad=(RAGGED, f"{TAKEN},taken", TYPED, f"{TAKEN},again", RAGGED),
    ),
    Job.replace_and_skip: Mode(
        {"mode": "replace", "on_error": "skip", "max_rejects": "10%"}, first=NEW_OF_OLD, bad=(RAGGED, TYPED, TWICE)
    ),
    Job.upsert_and_skip: Mode(
        UPSERT | {"on_error": "skip", "max_rejects": "2"},
        stays=BEFORE[len(NEW_OF_OLD) :],
        first=NEW_OF_OLD,
        bad=(RAGGED, TYPED),
    ),
    # The last bad row is the file's last, and one too many: the old rows have been deleted long before.
    Job.too_many: Mode(
        {"mode": "replace", "on_error": "skip", "max_rejects": "4"},
        bad=(RAGGED, TYPED, TWICE, TWICE, TYPED),
        fails=True,
    ),
}

#: Tasks that end as failed, and rightly.
FAILING = frozenset({Job.fail, *(job for job, mode in MODES.items() if mode.fails)})
#: Modes that are made of others: drawn at random, and not led to each point.
MIXED = frozenset({Job.replace_and_skip, Job.upsert_and_skip})
#: Tasks that load an upload.
LOADING = frozenset({Job.load, Job.load_by_two, Job.create, *MODES})
#: Tasks that make a file.
FILING = frozenset({Job.report, Job.export, *(job for job, mode in MODES.items() if mode.bad)})
