"""The console of the database: faults, restarts, and decisions by hand."""

from __future__ import annotations

from typing import Any

from rescind.domain.branch import BranchId
from rescind.errors import TargetUnavailable
from rescind.testing.memory.faults import Fault
from rescind.testing.memory.wire import OPERATOR, Link


class Operator:
    """Reaches the server at `address`, also when its database is down. Can be used in any process."""

    def __init__(self, address: str) -> None:
        self.address = address

    def arm(self, verb: str, fault: Fault, nth: int = 1, seconds: float = 0.2) -> None:
        """The `nth` next call of `verb` meets the fault.

        Verbs are the names of the branch's and the target's methods, but `open`, `write` and `read_markers`.
        """
        self._ask("arm", verb, fault, nth, seconds)

    def disarm(self) -> list[str]:
        """Take every fault away; the verbs whose fault was never met."""
        return list(self._ask("disarm"))

    def restart(self) -> None:
        """Crash and start again: sessions and active branches are lost, prepared ones kept."""
        self._ask("restart")

    def down(self) -> None:
        """Crash, and refuse connections until `up`."""
        self._ask("down")

    def up(self) -> None:
        self._ask("up")

    def commit_by_hand(self, branch: BranchId) -> None:
        """Commit a prepared branch, whoever owns it. Raises TargetConflict where it is not prepared."""
        self._ask("by_hand", branch, True)

    def roll_back_by_hand(self, branch: BranchId) -> None:
        """Roll a prepared branch back, whoever owns it. Raises TargetConflict where it is not prepared."""
        self._ask("by_hand", branch, False)

    def sessions(self) -> list[tuple[str, BranchId | None]]:
        """Every living session's identity, and the branch that it began."""
        return list(self._ask("sessions"))

    def landing(self) -> list[str]:
        """The sessions with a `late` or `stuck` verb that is still to be carried out."""
        return list(self._ask("landing"))

    def configure(self, *, lock_seconds: float = 10.0, attached: bool = True) -> None:
        """How long a lock is waited for, and whether a branch can only be finished once its owner is gone."""
        self._ask("set", lock_seconds, attached)

    def answers(self) -> bool:
        """Whether the server is there."""
        try:
            self.sessions()
        except TargetUnavailable:
            return False
        return True

    def _ask(self, verb: str, *args: Any) -> Any:
        with Link(self.address, OPERATOR) as link:
            return link.call(verb, *args)
