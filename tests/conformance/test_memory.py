"""The in-memory target under the suite, with and without two-phase commit; and what is peculiar to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
from tests.support.memory import socket_path

from rescind.domain.branch import Protocol
from rescind.testing.conformance import Conformance, Connect
from rescind.testing.conformance.indexes import IndexesOf
from rescind.testing.conformance.scene import LEDGER, Scene, new_branch
from rescind.testing.memory import MemoryTarget, Operator, in_thread


@pytest.fixture
def operator() -> Iterator[Operator]:
    with socket_path() as address, in_thread(address) as operator:
        yield operator


class TestMemory(Conformance):
    @pytest.fixture
    def connect(self, operator: Operator) -> Connect:
        return partial(MemoryTarget, "memory", operator.address)

    @pytest.fixture
    def indexes(self, connect: Connect) -> IndexesOf:
        return lambda table: sorted(connect().catalog().table(table).indexes)

    def recycled(self, session: str) -> str:
        number, _, started = session.partition("@")
        return f"{number}@{int(started) - 1}"

    def test_a_prepared_branch_tells_of_its_incarnation(self, scene: Scene) -> None:
        later = replace(new_branch(), incarnation=4)
        if not scene.fresh().capabilities().two_phase:
            pytest.skip("no two-phase commit")
        scene.written(1, protocol=Protocol.two_phase, branch=later).prepare()
        assert scene.fresh().newest_incarnation(LEDGER) == 4
        assert scene.fresh().newest_incarnation("000000000000") == 0

    def test_a_marker_tells_of_its_incarnation(self, scene: Scene) -> None:
        scene.written(1, branch=replace(new_branch(), incarnation=3)).commit()
        assert scene.fresh().newest_incarnation(LEDGER) == 3


class TestMemoryWithoutTwoPhase(TestMemory):
    @pytest.fixture
    def connect(self, operator: Operator) -> Connect:
        return partial(MemoryTarget, "memory", operator.address, two_phase=False)
