"""Two tasks in one database at the same time."""

from __future__ import annotations

import pytest

from rescind.domain.branch import Protocol
from rescind.errors import TargetBusy
from rescind.testing.conformance.scene import Scene, Suite, items, write


class Together(Suite):
    """Side by side where the card says so; one after the other where not."""

    def test_parallel_writers_go_side_by_side(self, scene: Scene) -> None:
        ability = scene.fresh().capabilities().parallel_writers
        if not ability:
            pytest.skip(f"one writer at a time: {ability.reason}")
        first, second = scene.written(1), scene.written(2)
        second.commit()
        assert scene.count() == 1
        first.rollback()
        scene.sees(second, prepared=False, rows=1, marked=True)
        assert scene.kinds(first.id) == []

    def test_a_second_writer_is_told_to_wait(self, scene: Scene) -> None:
        if scene.fresh().capabilities().parallel_writers:
            pytest.skip("writers go side by side")
        first, second = scene.written(1), scene.open()
        with pytest.raises(TargetBusy):
            second.start()
        second.close()
        first.commit()
        third = scene.written(2)
        third.commit()
        assert scene.count() == 2

    def test_readers_see_the_old_rows_beside_a_writer(self, scene: Scene) -> None:
        scene.written(1, 2).commit()
        branch = scene.begin()
        assert branch.clear_table("items") == 2
        write(branch, items(3))
        assert scene.values("items") == [(1, "item 1"), (2, "item 2")]
        branch.rollback()

    def test_a_prepared_branch_hinders_only_its_own_keys(self, scene: Scene) -> None:
        card = scene.fresh().capabilities()
        if not (card.two_phase and card.parallel_writers):
            pytest.skip(f"not both abilities: {card.two_phase.reason} {card.parallel_writers.reason}")
        held = scene.written(1, protocol=Protocol.two_phase)
        held.prepare()
        held.close()
        scene.written(2).commit()
        assert scene.count() == 1
        scene.fresh().commit_prepared(held.id)
        assert scene.count() == 2
