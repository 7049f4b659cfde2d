"""Named points in the code at which a test can make a process die, fail, hang or lose a reply.

A point does nothing until it is armed: `hit(name)` then costs one dictionary look-up. Points are armed by
`arm(name, action, at=n)` in the process, or for a whole stack by `RESCIND_FAILPOINTS=name=action[@n],…`
(read by `arm_from_environment`). The n-th hit of the armed point acts; earlier and later ones pass.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_GROUPS = {
    "submit": ("before_insert", "after_insert", "after_commit", "before_reply"),
    "announce": ("before", "after_publish", "before_mark"),
    "claim": ("before", "after_update", "after_commit"),
    "branch": (
        "before_register",
        "after_register",
        "after_start",
        "mid_data",
        "after_data",
        "before_marker",
        "after_marker",
    ),
    "load": ("checked",),
    "ddl": ("before_record", "after_record", "after_ddl", "before_undo", "after_undo"),
    "prepare": ("before", "sent_no_reply", "after", "before_list", "after_list"),
    "hold": ("before_close", "after_close", "after_mark"),
    "decide": ("before", "sent_no_reply", "after"),
    "commit1p": ("before", "sent_no_reply", "after"),
    "commit2p": ("before", "sent_no_reply", "after"),
    "finish": ("before", "sent_no_reply", "after"),
    "abort": (
        "before_mark",
        "after_mark",
        "before_kill",
        "after_kill",
        "before_rollback",
        "sent_no_reply",
        "after_rollback",
        "before_final",
    ),
    "recover": (
        "before_scan",
        "between_scan_and_act",
        "before_tombstone",
        "tombstone_sent_no_reply",
        "after_tombstone",
    ),
    "sweep": ("before_dead", "before_orphans", "before_announce"),
    "heartbeat": ("skip", "late"),
    "forget": ("before", "between", "after"),
    "ledger": ("io_error", "busy", "disk_full"),
    "upload": ("short_read", "disk_full", "changed_file"),
    "output": ("mid_data", "disk_full", "before_rename", "after_rename", "before_remove"),
}

#: Every failpoint that exists: a name that is not here cannot be armed or hit.
NAMES = frozenset(f"{group}.{point}" for group, points in _GROUPS.items() for point in points)


class Action(StrEnum):
    """What an armed failpoint does to the process that reaches it."""

    kill = "kill"  #: SIGKILL to this process, as by `kill -9`
    fail = "fail"  #: raise Injected
    hang = "hang"  #: SIGSTOP to this process: it goes on when a test sends SIGCONT (a zombie)
    lose = "lose"  #: raise ReplyLost: what was sent may well have been carried out


class Injected(Exception):
    """A failpoint was told to fail here."""


class ReplyLost(ConnectionError):
    """A failpoint dropped the answer to what was sent."""


@dataclass
class _Armed:
    action: Action | Callable[[], None]
    at: int


_armed: dict[str, _Armed] = {}
_hits: Counter[str] = Counter()
_lock = threading.Lock()


def hit(name: str) -> None:
    """Reach the point called `name`: acts only if a test armed it."""
    if _armed:
        _act(name)


def arm(name: str, action: Action | Callable[[], None], at: int = 1) -> None:
    """Arm `name` so that its `at`-th hit from now on acts. A callable is simply called."""
    if name not in NAMES:
        raise KeyError(f"no failpoint is called {name}")
    _hits[name] = 0
    _armed[name] = _Armed(action, at)


def disarm() -> None:
    """Disarm every point and forget the counts."""
    _armed.clear()
    _hits.clear()


def arm_from_environment() -> None:
    """Arm what `RESCIND_FAILPOINTS` lists, as `name=action` or `name=action@n`, separated by commas.

    With `RESCIND_FAILPOINTS_ONCE=FILE` the first process that acts takes the file away, and no other acts:
    a restarted process would otherwise die at the same point for ever.
    """
    for item in filter(None, os.environ.get("RESCIND_FAILPOINTS", "").split(",")):
        name, _, rest = item.partition("=")
        action, _, at = rest.partition("@")
        arm(name, Action(action), int(at or 1))


def _act(name: str) -> None:
    assert name in NAMES, name
    with _lock:
        _hits[name] += 1
        armed = _armed.get(name)
        if armed is None or _hits[name] != armed.at or not _first():
            return
    match armed.action:
        case Action.kill:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)  # the signal is delivered at once; nothing after this line may run
        case Action.hang:
            os.kill(os.getpid(), signal.SIGSTOP)
        case Action.fail:
            raise Injected(name)
        case Action.lose:
            raise ReplyLost(name)
        case other:
            other()


def _first() -> bool:
    once = os.environ.get("RESCIND_FAILPOINTS_ONCE")
    if once is None:
        return True
    try:
        Path(once).unlink()
    except FileNotFoundError:
        return False
    return True
