"""A branch in another process, which can be killed, ended or told to go on."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from rescind.domain.branch import BranchId, Protocol
from rescind.errors import RescindError
from rescind.testing.conformance.scene import CHECKSUM, DEADLINE_SECONDS, Connect, items, write

_SPAWN = multiprocessing.get_context("spawn")  # a fork would carry the test's own connections along


@dataclass
class Elsewhere:
    """A branch that wrote one row of ITEMS and its marker, in a process of its own."""

    branch: BranchId
    session: str
    process: BaseProcess
    orders: Connection

    def tell(self, verb: str) -> bool:
        """Have the branch do `commit`, `prepare` or `close`; whether it could. Raises EOFError if it is dead."""
        self.orders.send(verb)
        assert self.orders.poll(DEADLINE_SECONDS), f"no answer to {verb}"
        return bool(self.orders.recv())

    def kill(self) -> None:
        self.process.kill()
        self.process.join(DEADLINE_SECONDS)


@contextmanager
def elsewhere(connect: Connect, branch: BranchId, protocol: Protocol, item: int) -> Iterator[Elsewhere]:
    """Start it, and wait until the marker is written."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_work, args=(connect, branch, protocol, item, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        assert ours.poll(2 * DEADLINE_SECONDS), "the other process does not begin"
        yield Elsewhere(branch, ours.recv(), process, ours)
    finally:
        process.kill()
        process.join(DEADLINE_SECONDS)
        process.close()
        ours.close()


def _work(connect: Connect, branch_id: BranchId, protocol: Protocol, item: int, orders: Connection) -> None:
    branch = connect().open_branch(branch_id, protocol)
    branch.start()
    write(branch, items(item))
    branch.write_marker(1, CHECKSUM)
    orders.send(branch.session)
    while True:
        verb = orders.recv()
        try:
            getattr(branch, verb)()
            orders.send(True)
        except RescindError:
            orders.send(False)
