"""What every target must do, as tests that a target's own test module inherits.

    class TestMine(Conformance):
        @pytest.fixture
        def connect(self, tmp_path: Path) -> Connect:
            return partial(MyTarget, "mine", url_of_a_new_and_empty_database)

`connect` is called for each fresh connection, and in other processes too: it must survive pickling. Tests that
need an ability ask the target's card and are skipped with the card's reason where it is refused; others then
assert the refusal. May import `targets` and `domain`; needs pytest.
"""

from __future__ import annotations

from rescind.testing.conformance.cancelling import Cancelling
from rescind.testing.conformance.catalogs import Catalogs
from rescind.testing.conformance.indexes import Indexes
from rescind.testing.conformance.made_before import MadeBefore
from rescind.testing.conformance.markers import Markers
from rescind.testing.conformance.one_phase import OnePhase
from rescind.testing.conformance.scene import Connect
from rescind.testing.conformance.sessions import Sessions
from rescind.testing.conformance.tables import Tables
from rescind.testing.conformance.together import Together
from rescind.testing.conformance.two_phase import TwoPhase
from rescind.testing.conformance.upserts import Upserts

__all__ = ["Conformance", "Connect"]


class Conformance(
    OnePhase, TwoPhase, Sessions, Markers, Tables, Indexes, MadeBefore, Catalogs, Cancelling, Together, Upserts
):
    """The whole suite."""
