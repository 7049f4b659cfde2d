"""A worker's children: what each does first, and how the parent's word to leave reaches them."""

from __future__ import annotations

import mmap
import os

from setproctitle import setproctitle

from rescind.process import die_with_parent

NICENESS = 10  #: a child under full load must not slow the API down


class Leaving:
    """The word to leave: said in the parent, heard in every child that was forked from it."""

    def __init__(self) -> None:
        self._word = mmap.mmap(-1, 1)  # anonymous and shared: a child of a fork sees what the parent writes

    def say(self) -> None:
        self._word[0] = 1

    def __call__(self) -> bool:
        return self._word[0] == 1


def set_up_child(parent: int) -> None:
    """What a child does before anything else. `parent` is the number of the process that forked it."""
    die_with_parent(parent)
    setproctitle("rescind: worker child")
    os.nice(NICENESS)
