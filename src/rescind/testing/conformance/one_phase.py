"""One-phase commit: after each verb, what others see."""

from __future__ import annotations

import pytest

from rescind.domain.branch import Protocol
from rescind.errors import RescindError, TargetRefused
from rescind.testing.conformance.scene import CHECKSUM, Scene, Suite, items, write


class OnePhase(Suite):
    """open ─ start ─ writes ─ write_marker ─ commit ─ close, and a rollback at each step."""

    def test_nothing_is_seen_before_the_commit_and_all_after_it(self, scene: Scene) -> None:
        branch = scene.open()
        scene.sees(branch, prepared=False, rows=0, marked=False)
        branch.start()
        scene.sees(branch, prepared=False, rows=0, marked=False)
        assert write(branch, items(1, 2)) == 2
        scene.sees(branch, prepared=False, rows=0, marked=False)
        branch.write_marker(2, CHECKSUM)
        scene.sees(branch, prepared=False, rows=0, marked=False)
        branch.commit()
        scene.sees(branch, prepared=False, rows=2, marked=True)
        branch.close()
        scene.sees(branch, prepared=False, rows=2, marked=True)

    def test_an_open_branch_holds_nothing(self, scene: Scene) -> None:
        scene.open()
        scene.written(1).commit()
        assert scene.count() == 1

    @pytest.mark.parametrize("steps", ["start", "write", "mark"])
    @pytest.mark.parametrize("end", ["rollback", "close"])
    def test_rollback_and_close_take_back(self, scene: Scene, steps: str, end: str) -> None:
        branch = scene.begin()
        if steps in ("write", "mark"):
            write(branch, items(1))
        if steps == "mark":
            branch.write_marker(1, CHECKSUM)
        getattr(branch, end)()
        branch.close()
        scene.sees(branch, prepared=False, rows=0, marked=False)
        scene.written(1).commit()  # no lock is left: the same key goes in
        assert scene.count() == 1

    def test_ends_may_come_twice_and_at_any_time(self, scene: Scene) -> None:
        branch = scene.open()
        branch.rollback()
        branch.start()
        branch.rollback()
        branch.rollback()
        branch.cancel()
        branch.close()
        branch.close()
        branch.rollback()
        branch.cancel()

    def test_rollback_after_the_commit_takes_nothing_back(self, scene: Scene) -> None:
        branch = scene.written(1)
        branch.commit()
        branch.rollback()
        branch.close()
        scene.sees(branch, prepared=False, rows=1, marked=True)

    def test_an_attempt_without_rows_commits_its_marker(self, scene: Scene) -> None:
        branch = scene.written()
        branch.commit()
        scene.sees(branch, prepared=False, rows=0, marked=True)

    def test_a_failed_attempt_commits_nothing_even_if_told_to(self, scene: Scene) -> None:
        scene.written(1).commit()
        branch = scene.begin()
        write(branch, items(2))
        with pytest.raises(RescindError):
            write(branch, items(1))
        branch.rollback()
        with pytest.raises(RescindError):
            branch.write_marker(1, CHECKSUM)
        branch.close()
        scene.sees(branch, prepared=False, rows=1, marked=False)

    def test_a_prepare_is_refused_on_a_branch_opened_for_one_phase(self, scene: Scene) -> None:
        branch = scene.written(1, protocol=Protocol.one_phase)
        with pytest.raises(TargetRefused):
            branch.prepare()
        branch.close()
        scene.sees(branch, prepared=False, rows=0, marked=False)
