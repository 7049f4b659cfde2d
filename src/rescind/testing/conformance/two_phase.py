"""Two-phase commit: after each verb, what is listed and what others see."""

from __future__ import annotations

import pytest

from rescind.domain.branch import Protocol
from rescind.errors import RescindError, TargetRefused
from rescind.testing.conformance.scene import CHECKSUM, Scene, Suite, new_branch

TWO = Protocol.two_phase


class TwoPhase(Suite):
    """open ─ start ─ writes ─ write_marker ─ prepare ─ commit ─ close, and every other end."""

    @pytest.fixture
    def able(self, scene: Scene) -> Scene:
        """A database that can prepare."""
        ability = scene.fresh().capabilities().two_phase
        if not ability:
            pytest.skip(f"no two-phase commit: {ability.reason}")
        return scene

    def test_without_the_ability_it_is_refused_and_nothing_is_listed(self, scene: Scene) -> None:
        if scene.fresh().capabilities().two_phase:
            pytest.skip("two-phase commit is there")
        with pytest.raises(TargetRefused):
            scene.open(TWO)
        assert scene.fresh().protocol() is Protocol.one_phase
        assert scene.prepared() == []

    def test_prepared_is_listed_and_unseen_until_the_second_phase(self, able: Scene) -> None:
        branch = able.written(1, 2, protocol=TWO)
        able.sees(branch, prepared=False, rows=0, marked=False)
        branch.prepare()
        able.sees(branch, prepared=True, rows=0, marked=False)
        branch.commit()
        able.sees(branch, prepared=False, rows=2, marked=True)
        branch.close()
        able.sees(branch, prepared=False, rows=2, marked=True)

    def test_rollback_by_the_owner_takes_a_prepared_branch_back(self, able: Scene) -> None:
        branch = able.written(1, protocol=TWO)
        branch.prepare()
        branch.rollback()
        branch.close()
        able.sees(branch, prepared=False, rows=0, marked=False)

    def test_close_before_prepare_takes_back(self, able: Scene) -> None:
        branch = able.written(1, protocol=TWO)
        branch.close()
        able.sees(branch, prepared=False, rows=0, marked=False)

    def test_a_prepared_branch_survives_its_session(self, able: Scene) -> None:
        branch = able.written(1, protocol=TWO)
        branch.prepare()
        branch.close()
        able.sees(branch, prepared=True, rows=0, marked=False)
        able.fresh().rollback_prepared(branch.id)

    def test_another_session_commits_it(self, able: Scene) -> None:
        branch = able.written(1, protocol=TWO)
        branch.prepare()
        branch.close()
        able.fresh().commit_prepared(branch.id)
        able.sees(branch, prepared=False, rows=1, marked=True)

    def test_another_session_rolls_it_back_and_leaves_no_lock(self, able: Scene) -> None:
        branch = able.written(1, protocol=TWO)
        branch.prepare()
        branch.close()
        able.fresh().rollback_prepared(branch.id)
        able.sees(branch, prepared=False, rows=0, marked=False)
        able.written(1).commit()
        assert able.count() == 1

    @pytest.mark.parametrize("verb", ["commit_prepared", "rollback_prepared"])
    def test_finishing_what_is_not_prepared_changes_nothing(self, able: Scene, verb: str) -> None:
        branch = able.written(1)
        branch.commit()
        with pytest.raises(RescindError):
            getattr(able.fresh(), verb)(branch.id)
        with pytest.raises(RescindError):
            getattr(able.fresh(), verb)(new_branch())
        able.sees(branch, prepared=False, rows=1, marked=True)

    def test_a_marker_after_prepare_is_refused(self, able: Scene) -> None:
        branch = able.written(1, protocol=TWO)
        branch.prepare()
        with pytest.raises(RescindError):
            branch.write_marker(1, CHECKSUM)
        able.sees(branch, prepared=True, rows=0, marked=False)
        branch.rollback()

    def test_ledgers_do_not_see_each_others_branches(self, able: Scene) -> None:
        mine, theirs = new_branch(), new_branch(ledger="c0ffee000002")
        for number, branch_id in enumerate((mine, theirs)):
            branch = able.written(number, protocol=TWO, branch=branch_id)
            branch.prepare()
            branch.close()
        assert able.prepared(mine.ledger) == [mine]
        assert able.prepared(theirs.ledger) == [theirs]
        assert able.fresh().markers(theirs.ledger, mine.task) == []
        for branch_id in (mine, theirs):
            able.fresh().rollback_prepared(branch_id)
