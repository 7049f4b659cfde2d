"""The tasks that the runs submit, beside the built-in ones."""

from __future__ import annotations

import threading

import pyarrow as pa

from rescind.tasks.transaction import Transaction
from rescind.tasks.transactional import TaskDefinition, transactional

BATCHES = 4
BATCH_ROWS = 10
FIRST_KEY = 1001

Row = tuple[int, str]


def input_rows() -> list[Row]:
    """What every task that writes puts into its table."""
    return [(FIRST_KEY + n, f"name {n}") for n in range(BATCHES * BATCH_ROWS)]


def _copy(tx: Transaction, table: str, targets: tuple[str, ...], pause_seconds: float) -> None:
    rows = input_rows()
    never = threading.Event()
    for target in targets:
        with tx.writer(tx.table(table, target), ("id", "name"), target) as writer:
            for first in range(0, len(rows), BATCH_ROWS):
                ids, names = zip(*rows[first : first + BATCH_ROWS], strict=True)
                writer.write(pa.record_batch([pa.array(ids), pa.array(names)], names=["id", "name"]))
                never.wait(pause_seconds)


def _writing(name: str, targets: tuple[str, ...], *, pause_seconds: float = 0.0, fails: bool = False) -> TaskDefinition:
    @transactional(name=name, targets=targets)
    def write(tx: Transaction, table: str) -> dict[str, str]:
        _copy(tx, table, targets, pause_seconds)
        if fails:
            raise ValueError("the function is at fault")
        return {"table": table}

    return write


ONE, BOTH = ("default",), ("default", "other")

write_one = _writing("write-1", ONE)
write_both = _writing("write-2", BOTH)
slow_one = _writing("slow-1", ONE, pause_seconds=0.03)
slow_both = _writing("slow-2", BOTH, pause_seconds=0.03)
fail_one = _writing("fail-1", ONE, fails=True)
fail_both = _writing("fail-2", BOTH, fails=True)


def file_bytes() -> bytes:
    """What `report` puts into its file."""
    return "".join(name for _, name in input_rows()).encode()


@transactional(name="report")
def report(tx: Transaction, table: str) -> None:
    """Write, and make a file of what was written."""
    _copy(tx, table, ONE, 0.0)
    with tx.output("report", filename="names.txt", media_type="text/plain") as file:
        for _, name in input_rows():
            file.write(name.encode())
