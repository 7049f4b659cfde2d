"""A branch in another process, which can be killed, ended or told to go on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from rescind.domain.branch import BranchId, Protocol
from rescind.domain.schema import Table
from rescind.errors import RescindError
from rescind.testing.conformance.scene import CHECKSUM, DEADLINE_SECONDS, Connect, items, write

# Not a fork, which would carry the test's own connections along; and not `multiprocessing`'s spawn, whose
# resource tracker goes on running for as long as the tests do.
_COMMAND = "import sys; from rescind.testing.conformance.elsewhere import work; work(int(sys.argv[1]))"


@dataclass
class Elsewhere:
    """A branch that wrote one row of ITEMS and its marker, in a process of its own."""

    branch: BranchId
    session: str
    process: subprocess.Popen[bytes]
    orders: Connection

    def tell(self, verb: str) -> bool:
        """Have the branch do `commit`, `prepare` or `close`; whether it could. Raises EOFError if it is dead."""
        self.orders.send(verb)
        assert self.orders.poll(DEADLINE_SECONDS), f"no answer to {verb}"
        return bool(self.orders.recv())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(DEADLINE_SECONDS)


@contextmanager
def elsewhere(
    connect: Connect,
    branch: BranchId,
    protocol: Protocol,
    item: int,
    key: Sequence[str] = (),
    made: Table | None = None,
) -> Iterator[Elsewhere]:
    """Start it, and wait until the marker is written.

    The item is written by that key. With `made` the table is made first, instead of ITEMS, with its indexes.
    """
    ours, theirs = Pipe()
    descriptor = theirs.fileno()
    process = subprocess.Popen([sys.executable, "-c", _COMMAND, str(descriptor)], pass_fds=[descriptor])
    theirs.close()
    try:
        ours.send((connect, branch, protocol, item, key, made))
        assert ours.poll(2 * DEADLINE_SECONDS), "the other process does not begin"
        yield Elsewhere(branch, ours.recv(), process, ours)
    finally:
        process.kill()
        process.wait(DEADLINE_SECONDS)
        ours.close()


def work(descriptor: int) -> None:
    """What the other process does: write, then follow orders until it is killed."""
    orders = Connection(descriptor)
    connect, branch_id, protocol, item, key, made = orders.recv()
    target = connect()
    branch = target.open_branch(branch_id, protocol)
    inside = target.capabilities().makes_tables_inside
    if made is not None and not inside:
        branch.create_table(made)
    branch.start()
    if made is not None and inside:
        branch.create_table(made)
    write(branch, items(item), key=key)
    if made is not None and inside:
        branch.create_indexes(made)
    branch.write_marker(1, CHECKSUM)
    orders.send(branch.session)
    while True:
        verb = orders.recv()
        try:
            getattr(branch, verb)()
            orders.send(True)
        except RescindError:
            orders.send(False)
