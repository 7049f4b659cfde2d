"""Waiting for a fact, with a bound."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.02


def until(fact: Callable[[], T], what: str, seconds: float = 30.0) -> T:
    """The first true value of `fact`; AssertionError naming `what` did not come within `seconds`."""
    end = time.monotonic() + seconds
    while not (value := fact()):
        assert time.monotonic() < end, f"waited {seconds} s in vain for {what}"
        time.sleep(POLL_SECONDS)
    return value
