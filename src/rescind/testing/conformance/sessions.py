"""Sessions: known by an identity, ended by it, and never mistaken for another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from rescind.domain.branch import Protocol
from rescind.testing.conformance.elsewhere import Elsewhere, elsewhere
from rescind.testing.conformance.scene import Connect, Scene, Suite, eventually, new_branch


class Sessions(Suite):
    """What recovery does to the session of a worker that is dead, silent, or not the one it was."""

    @pytest.fixture
    def other(self, scene: Scene, connect: Connect) -> Iterator[Elsewhere]:
        """A one-phase branch in another process, one row and the marker written."""
        with elsewhere(connect, new_branch(), Protocol.one_phase, item=1) as other:
            yield other

    def test_ending_a_session_takes_its_branch_back(self, scene: Scene, other: Elsewhere) -> None:
        target = scene.fresh()
        eventually(lambda: target.end_session(other.session), "the session is gone")
        assert scene.count() == 0
        assert scene.kinds(other.branch) == []
        scene.written(1).commit()  # no lock is left
        assert scene.count() == 1

    def test_an_ended_session_cannot_commit(self, scene: Scene, other: Elsewhere) -> None:
        target = scene.fresh()
        eventually(lambda: target.end_session(other.session), "the session is gone")
        with suppress(EOFError, OSError):  # its process may have gone with the session
            assert not other.tell("commit")
        assert scene.count() == 0
        assert scene.kinds(other.branch) == []

    def test_ending_it_again_does_nothing(self, scene: Scene, other: Elsewhere) -> None:
        target = scene.fresh()
        eventually(lambda: target.end_session(other.session), "the session is gone")
        survivor = scene.written(2)
        assert target.end_session(other.session)
        survivor.commit()
        assert scene.count() == 1

    def test_a_killed_worker_leaves_nothing(self, scene: Scene, other: Elsewhere) -> None:
        other.kill()
        target = scene.fresh()
        eventually(lambda: target.end_session(other.session), "the session is gone")
        assert scene.count() == 0
        scene.written(1).commit()
        assert scene.count() == 1

    def test_a_session_with_a_recycled_number_is_left_alone(self, scene: Scene, other: Elsewhere) -> None:
        target = scene.fresh()
        assert target.end_session(self.recycled(other.session))
        assert other.tell("commit")
        assert scene.count() == 1

    def test_a_prepared_branch_outlives_the_end_of_its_session(self, scene: Scene, other: Elsewhere) -> None:
        ability = scene.fresh().capabilities().two_phase
        if not ability:
            pytest.skip(f"no two-phase commit: {ability.reason}")
        assert other.tell("rollback")
        with elsewhere(scene.connect, new_branch(), Protocol.two_phase, item=1) as prepared:
            assert prepared.tell("prepare")
            target = scene.fresh()
            eventually(lambda: target.end_session(prepared.session), "the session is gone")
            assert scene.prepared() == [prepared.branch]
            target.commit_prepared(prepared.branch)
        assert (scene.prepared(), scene.count()) == ([], 1)

    def recycled(self, session: str) -> str:
        """The identity that another session with the same number would have: a target's test class says how."""
        raise NotImplementedError
