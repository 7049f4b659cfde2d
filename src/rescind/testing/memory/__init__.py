"""A two-phase database in memory with faults on demand, for proving the commit protocol.

Its state lives in a small server (a thread, or a process that outlives a killed worker); `memory_target` gives
a `Target` that reaches it over a Unix socket, `Operator` is the console at which faults are armed. May import
`targets` (the contract), `domain` and `errors`; knows neither the ledger nor the protocol.
"""

from __future__ import annotations

from rescind.testing.memory.faults import Fault
from rescind.testing.memory.operator import Operator
from rescind.testing.memory.server import in_process, in_thread
from rescind.testing.memory.target import MemoryTarget, memory_target

__all__ = ["Fault", "MemoryTarget", "Operator", "in_process", "in_thread", "memory_target"]
