"""What an attempt hears: the cancels that an interruption calls."""

from __future__ import annotations

from contextlib import suppress

from rescind.errors import Stopped
from rescind.transaction.control import Control

STOPPED = Stopped("A stop was asked for.")


def test_a_cancel_is_called_at_every_interrupt_until_its_block_has_ended() -> None:
    control = Control()
    called: list[str] = []
    control.on_interrupt(lambda: called.append("branch"))
    with control.cancellable() as cancellable:
        cancellable(lambda: called.append("read"))
        control.interrupt(STOPPED)
        control.interrupt(STOPPED)
    control.interrupt(STOPPED)
    assert called == ["branch", "read", "branch", "read", "branch"]


def test_a_block_that_raises_ends_its_cancels_too() -> None:
    control = Control()
    called: list[str] = []
    with suppress(KeyError), control.cancellable() as cancellable:
        cancellable(lambda: called.append("read"))
        raise KeyError
    control.interrupt(STOPPED)
    assert called == []
