"""The in-memory target under the suite, with and without two-phase commit; and what is peculiar to it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from tests.support.memory import socket_path

from rescind.testing.conformance import Conformance, Connect
from rescind.testing.memory import MemoryTarget, Operator, in_thread


@pytest.fixture
def operator() -> Iterator[Operator]:
    with socket_path() as address, in_thread(address) as operator:
        yield operator


class TestMemory(Conformance):
    @pytest.fixture
    def connect(self, operator: Operator) -> Connect:
        return partial(MemoryTarget, "memory", operator.address)

    def recycled(self, session: str) -> str:
        number, _, started = session.partition("@")
        return f"{number}@{int(started) - 1}"


class TestMemoryWithoutTwoPhase(TestMemory):
    @pytest.fixture
    def connect(self, operator: Operator) -> Connect:
        return partial(MemoryTarget, "memory", operator.address, two_phase=False)
