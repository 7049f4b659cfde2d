"""Markers and tombstones: the proofs that decide outcomes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from rescind.domain.branch import BranchId, MarkerKind
from rescind.errors import RescindError, Undecided
from rescind.targets.marker import NAME
from rescind.targets.target import Target
from rescind.testing.conformance.scene import CHECKSUM, DEADLINE_SECONDS, Scene, Suite, items, new_branch, write

HOLD_SECONDS = 0.3  #: how long a tombstone is watched while it must wait


class Markers(Suite):
    """A marker proves that a branch committed, a tombstone that it never can."""

    @pytest.fixture
    def engine(self) -> sa.Engine | None:
        """Of the database that `connect` leads to; None where it is no SQL database."""
        return None

    def test_a_marker_reads_back_as_written(self, scene: Scene) -> None:
        branch = scene.written(1, 2)
        branch.commit()
        (marker,) = scene.markers(branch.id)
        assert (marker.branch, marker.kind) == (branch.id, MarkerKind.marker)
        assert (marker.rows, marker.checksum) == (2, CHECKSUM)
        assert abs(datetime.now(UTC) - marker.at) < timedelta(minutes=5)

    def test_a_second_marker_under_one_key_is_refused(self, scene: Scene) -> None:
        first = scene.written(1)
        first.commit()
        # The incarnation is not part of the key: a restored ledger must collide with what it did before.
        again = scene.begin(branch=replace(first.id, incarnation=2))
        write(again, items(2))
        with pytest.raises(RescindError):
            again.write_marker(1, CHECKSUM)
        again.close()
        scene.sees(first, prepared=False, rows=1, marked=True)

    def test_each_attempt_has_a_marker_of_its_own(self, scene: Scene) -> None:
        first = scene.written(1)
        first.commit()
        scene.written(2, branch=replace(first.id, attempt=2)).commit()
        assert sorted(marker.branch.attempt for marker in scene.markers(first.id)) == [1, 2]

    def test_a_tombstone_stands_where_nothing_committed(self, scene: Scene) -> None:
        branch = new_branch()
        assert scene.fresh().insert_tombstone(branch) is MarkerKind.tombstone
        (tombstone,) = scene.markers(branch)
        assert tombstone.kind is MarkerKind.tombstone
        assert (tombstone.rows, tombstone.checksum) == (None, None)

    def test_a_second_tombstone_finds_the_first(self, scene: Scene) -> None:
        branch = new_branch()
        scene.fresh().insert_tombstone(branch)
        assert scene.fresh().insert_tombstone(branch) is MarkerKind.tombstone
        assert scene.kinds(branch) == [MarkerKind.tombstone]

    def test_a_tombstone_finds_the_marker(self, scene: Scene) -> None:
        branch = scene.written(1)
        branch.commit()
        assert scene.fresh().insert_tombstone(branch.id) is MarkerKind.marker
        assert scene.kinds(branch.id) == [MarkerKind.marker]

    def test_a_tombstone_forbids_the_marker_for_ever(self, scene: Scene) -> None:
        branch = scene.begin()
        branch.rollback()
        branch.close()
        scene.fresh().insert_tombstone(branch.id)
        zombie = scene.begin(branch=branch.id)
        write(zombie, items(1))
        with pytest.raises(RescindError):
            zombie.write_marker(1, CHECKSUM)
        zombie.close()
        assert scene.count() == 0
        assert scene.kinds(branch.id) == [MarkerKind.tombstone]

    def test_a_tombstone_waits_for_the_branch_and_finds_its_commit(self, scene: Scene) -> None:
        assert self._tombstone_beside(scene, commits=True) is MarkerKind.marker
        assert scene.count() == 1

    def test_a_tombstone_waits_for_the_branch_and_finds_its_end(self, scene: Scene) -> None:
        assert self._tombstone_beside(scene, commits=False) is MarkerKind.tombstone
        assert scene.count() == 0

    def test_a_ledgers_newest_incarnation_has_an_index(self, scene: Scene, engine: sa.Engine | None) -> None:
        if engine is None:
            pytest.skip("it is no SQL database")
        found = sa.inspect(engine).get_indexes(NAME)
        engine.dispose()
        assert ["ledger", "incarnation"] in [index["column_names"] for index in found]

    def test_forgetting_a_task_leaves_the_others(self, scene: Scene) -> None:
        first = scene.written(1)
        first.commit()
        first.close()
        second = scene.written(2)
        second.commit()
        scene.fresh().insert_tombstone(replace(first.id, attempt=2))
        scene.fresh().forget(first.id.ledger, first.id.task)
        assert scene.kinds(first.id) == []
        assert scene.kinds(second.id) == [MarkerKind.marker]
        assert scene.count() == 2

    def _tombstone_beside(self, scene: Scene, *, commits: bool) -> MarkerKind:
        """Ask for a tombstone while the branch may still commit, then end the branch."""
        branch = scene.written(1)
        with ThreadPoolExecutor(1) as pool:
            try:
                asked = pool.submit(_tombstone, scene.fresh(), branch.id)
                with pytest.raises(TimeoutError):
                    asked.result(HOLD_SECONDS)
                assert scene.kinds(branch.id) == []
                if commits:
                    branch.commit()
            finally:
                branch.close()
            return asked.result(DEADLINE_SECONDS)


def _tombstone(target: Target, branch: BranchId) -> MarkerKind:
    """Ask until it is answered, as recovery does."""
    while True:
        try:
            return target.insert_tombstone(branch)
        except Undecided:
            continue
