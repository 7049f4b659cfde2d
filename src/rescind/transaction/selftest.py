"""Proof on a user's own server that two-phase commit is what its card says.

A branch is prepared, its session ended, and it is then listed, committed, and another one rolled back; each step is
looked at from outside. The branches are of a ledger that nobody has, so that no recovery touches them, and write
nothing but their markers.
"""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass

from rescind.domain.branch import BranchId, Protocol
from rescind.errors import RescindError
from rescind.targets.target import Branch, Target
from rescind.transaction import proof

SESSION_SECONDS = 10.0
ROWS, CHECKSUM = 0, "0" * 64  #: of the markers: no rows were written


@dataclass(frozen=True)
class Step:
    """One thing that was tried, and why it failed if it did."""

    name: str
    reason: str | None = None

    @property
    def ok(self) -> bool:
        return self.reason is None


class _Failed(Exception):
    """What was looked at is not as it must be."""


def run(open_target: Callable[[], Target]) -> Generator[Step, None, None]:
    """The steps, as they are done; after one that fails only the cleaning up follows. Nothing is left behind.

    `open_target` gives the target anew: who lists the branches has never seen their sessions.
    """
    trial = _Trial(open_target)
    try:
        for name, act in trial.steps():
            try:
                act()
            except (RescindError, _Failed) as error:
                yield Step(name, str(error))
                break
            yield Step(name)
    finally:
        left = trial.clean_up()
        trial.close()
    yield Step("clean up", left)


class _Trial:
    def __init__(self, open_target: Callable[[], Target]) -> None:
        self._here, self._elsewhere = open_target(), open_target()
        task = str(uuid.uuid4())
        ledger = secrets.token_hex(6)
        self._kept, self._dropped = (BranchId(ledger, 1, task, 1, number) for number in (0, 1))
        self._opened: dict[BranchId, Branch] = {}

    def steps(self) -> Iterator[tuple[str, Callable[[], None]]]:
        kept, dropped = self._kept, self._dropped
        yield "the server, its settings and the marker table", self._here.preflight
        yield "write a marker in a branch", lambda: self._write(kept)
        yield "prepare it", lambda: self._prepare(kept)
        yield "end its session, and see it gone", lambda: self._leave(kept)
        yield "it is still listed, to a new connection", lambda: self._expect_listed(kept)
        yield "its marker is not seen yet", lambda: self._expect_marked(kept, False)
        yield "commit it from another session", lambda: self._elsewhere.commit_prepared(kept)
        yield "it is listed no more", lambda: self._expect_unlisted(kept)
        yield "its marker is seen", lambda: self._expect_marked(kept, True)
        yield "prepare a second branch", lambda: self._prepare_second(dropped)
        yield "end its session too", lambda: self._leave(dropped)
        yield "roll it back from another session", lambda: self._elsewhere.rollback_prepared(dropped)
        yield "it is neither listed nor marked", lambda: self._expect_nothing(dropped)

    def clean_up(self) -> str | None:
        """Why something is left, and where; None where nothing is. Whatever failed before, all of it is tried."""
        for branch in self._opened.values():
            branch.rollback()
            branch.close()
        try:
            for opened in self._opened.values():
                self._end(opened.session)
            for listed in self._listed():
                with suppress(RescindError):  # whether it helped is looked at below
                    self._elsewhere.rollback_prepared(listed)
            self._elsewhere.forget(self._kept.ledger, self._kept.task)
            if left := self._listed():
                return f"Still prepared, to be rolled back by hand: {', '.join(map(str, left))}."
        except (RescindError, _Failed) as error:
            names = " and ".join(map(str, (self._kept, self._dropped)))
            return f"{error} Branches {names} may be left prepared, and their rows in rescind_marker."
        return None

    def close(self) -> None:
        self._here.close()
        self._elsewhere.close()

    def _write(self, branch: BranchId) -> None:
        opened = self._opened[branch] = self._here.open_branch(branch, Protocol.two_phase)
        opened.start()
        opened.write_marker(ROWS, CHECKSUM)

    def _prepare(self, branch: BranchId) -> None:
        self._opened[branch].prepare()
        self._expect_listed(branch)

    def _prepare_second(self, branch: BranchId) -> None:
        self._write(branch)
        self._prepare(branch)

    def _leave(self, branch: BranchId) -> None:
        self._opened[branch].close()
        self._end(self._opened[branch].session)

    def _end(self, session: str) -> None:
        if not proof.end_session(self._elsewhere, session, SESSION_SECONDS):
            raise _Failed(f"Session {session} is still there after {SESSION_SECONDS:.0f} seconds.")

    def _listed(self) -> list[BranchId]:
        return self._elsewhere.list_prepared(self._kept.ledger)

    def _expect_listed(self, branch: BranchId) -> None:
        if branch not in self._listed():
            raise _Failed(f"The server does not list {branch} as prepared.")

    def _expect_unlisted(self, branch: BranchId) -> None:
        """MySQL lists a branch until its rollback is done."""
        deadline = time.monotonic() + SESSION_SECONDS
        while branch in self._listed():
            if time.monotonic() > deadline:
                raise _Failed(f"The server still lists {branch} as prepared.")
            time.sleep(0.05)

    def _expect_marked(self, branch: BranchId, wanted: bool) -> None:
        if (proof.marker_of(self._elsewhere, branch) is not None) is not wanted:
            raise _Failed(f"The marker of {branch} {'is missing' if wanted else 'can be read before the commit'}.")

    def _expect_nothing(self, branch: BranchId) -> None:
        self._expect_unlisted(branch)
        self._expect_marked(branch, False)
