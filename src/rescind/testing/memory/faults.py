"""Faults on demand: which there are, and which call of which verb meets one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from threading import Lock


class Fault(StrEnum):
    """What happens to a call instead of, or beside, being carried out and answered."""

    refused = "refused"  #: an error, and nothing was carried out
    refused_after = "refused-after"  #: an error, though it was carried out
    cut = "cut"  #: the connection drops before it is carried out
    lost = "lost"  #: it is carried out and the connection drops: the reply is lost
    late = "late"  #: the connection drops, and it is carried out `seconds` later
    stuck = "stuck"  #: no reply; it is carried out `seconds` after the client has gone
    slow = "slow"  #: it takes `seconds`, and can be cancelled until then
    hollow = "hollow"  #: it is answered as done, but the branch was rolled back instead
    crash = "crash"  #: the server restarts before carrying it out: active branches are lost, prepared ones kept
    crash_after = "crash-after"  #: the server restarts after carrying it out, before the reply
    down = "down"  #: the server crashes before carrying it out and stays down until the operator starts it
    down_after = "down-after"  #: it is carried out, then as `down`
    committed_by_hand = "committed-by-hand"  #: after it, an operator commits the caller's prepared branch
    rolled_back_by_hand = "rolled-back-by-hand"  #: after it, an operator rolls the caller's prepared branch back


@dataclass
class Armed:
    """A fault that waits for the `nth` next call."""

    fault: Fault
    nth: int
    seconds: float


class Armoury:
    """The faults that are armed, by verb: at most one for each."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._armed: dict[str, Armed] = {}

    def arm(self, verb: str, fault: Fault, nth: int = 1, seconds: float = 0.2) -> None:
        """The `nth` call of `verb` from now on meets the fault; later ones do not."""
        with self._lock:
            self._armed[verb] = Armed(fault, nth, seconds)

    def disarm(self) -> list[str]:
        """Forget all; the verbs whose fault was never met."""
        with self._lock:
            unmet = sorted(self._armed)
            self._armed.clear()
            return unmet

    def take(self, verb: str) -> Armed | None:
        """The fault that this call meets."""
        with self._lock:
            armed = self._armed.get(verb)
            if armed is None:
                return None
            armed.nth -= 1
            return self._armed.pop(verb) if armed.nth == 0 else None
