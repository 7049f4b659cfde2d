"""A connection is cut while PREPARE, COMMIT, ROLLBACK, a tombstone or the decision is under way: before the server has
got it, or after it has carried it out, its reply lost. The TCP proxy stands before the database concerned.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from tests.crash.conftest import Servers
from tests.crash.invariants import violations
from tests.crash.ledgers import PostgreSQLLedger, make_template
from tests.crash.observe import observe
from tests.crash.places import Place
from tests.crash.run import sweep
from tests.crash.runner import databases
from tests.crash.scenario import Held, Scenario
from tests.crash.world import World
from tests.support.servers.proxy import Proxy, proxied
from tests.support.waiting import until

from rescind import failpoints
from rescind.domain.states import DONE, State

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]


@dataclass(frozen=True)
class Cut:
    """Whoever comes to `point` loses the next message with `pattern` on its way to, or from, the database."""

    place: Place
    before: str  #: the address that the proxy stands before
    point: str
    pattern: bytes
    abandon: str | None = None  #: where the attempt fails
    held: bool = False  #: for a commit that does not come


CUTS = {
    "PREPARE on PostgreSQL": Cut(Place.postgresql_two_phase, "postgresql", "prepare.before", b"PREPARE TRANSACTION"),
    "COMMIT PREPARED": Cut(Place.postgresql_two_phase, "postgresql", "commit2p.before", b"COMMIT PREPARED"),
    "ROLLBACK PREPARED by the owner": Cut(
        Place.postgresql_two_phase, "postgresql", "abort.after_mark", b"ROLLBACK PREPARED", "prepare.after"
    ),
    "ROLLBACK PREPARED by a sweeper": Cut(
        Place.postgresql, "postgresql", "abort.before_rollback", b"ROLLBACK PREPARED", held=True
    ),
    "COMMIT on PostgreSQL": Cut(Place.postgresql, "postgresql", "commit1p.before", b"COMMIT"),
    "tombstone on PostgreSQL": Cut(
        Place.postgresql, "postgresql", "recover.before_tombstone", b"INSERT INTO rescind_marker", "commit1p.before"
    ),
    "XA PREPARE": Cut(Place.mariadb, "mariadb", "prepare.before", b"XA PREPARE"),
    "XA COMMIT": Cut(Place.mariadb, "mariadb", "commit2p.before", b"XA COMMIT"),
    "XA ROLLBACK by the owner": Cut(Place.mariadb, "mariadb", "abort.after_mark", b"XA ROLLBACK", "prepare.after"),
    "XA ROLLBACK by a sweeper": Cut(Place.mariadb, "mariadb", "abort.before_rollback", b"XA ROLLBACK", held=True),
    "XA PREPARE of the second branch": Cut(Place.postgresql_mariadb, "mariadb", "prepare.before", b"XA PREPARE"),
    "the claim": Cut(Place.ledger_two_phase, "ledger", "claim.after_update", b"COMMIT"),
    "the decision": Cut(Place.ledger_two_phase, "ledger", "decide.before", b"COMMIT"),
    "the finish": Cut(Place.ledger_two_phase, "ledger", "finish.before", b"COMMIT"),
    "the mark before a rollback": Cut(
        Place.ledger_two_phase, "ledger", "abort.before_mark", b"COMMIT", "prepare.after"
    ),
    "the end of a rollback": Cut(Place.ledger_two_phase, "ledger", "abort.before_final", b"COMMIT", "prepare.after"),
}


@dataclass
class Scene:
    """A world whose database stands behind a proxy. Worker and sweeper work in this process."""

    world: World
    proxy: Proxy

    def run(self, cut: Cut, *, carried_out: bool) -> str:
        """The task's id, when it has ended."""
        task_id = self.world.submit()
        lose = self.proxy.lose_reply if carried_out else self.proxy.lose_request
        failpoints.arm(cut.point, partial(lose, cut.pattern))
        if cut.abandon:
            failpoints.arm(cut.abandon, failpoints.Action.fail)
        until(partial(self._step, task_id), "the task to end")
        return task_id

    def _step(self, task_id: str) -> bool:
        """One worker, then one sweeper, which takes it for dead if it has left the task at work."""
        with self.world.open() as parts:
            try:
                parts.worker().drain()
            except Exception:  # as the claim's own error ends a wake-up
                failpoints.hit("claim.before")
        sweep(self.world, task_id, queued_is_rest=True)
        where = self.world.ledger.where(task_id)
        return where is not None and where[0] in DONE


@pytest.fixture
def scene(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Scene]:
    cut: Cut = CUTS[request.param]
    servers.expect(*cut.place.servers)
    addresses = databases({name: servers.there[name] for name in cut.place.servers})
    if "ledger" in addresses:
        PostgreSQLLedger(addresses["ledger"]).migrate()
    make_template(tmp_path / "template.db")
    server = servers.there["mariadb" if cut.before == "mariadb" else "postgresql"]
    with ExitStack() as stack:
        proxy = stack.enter_context(proxied(server.port))
        behind = addresses | {cut.before: proxy.through(addresses[cut.before])}
        scenario = Scenario(0, cut.place, held=Held.expiry if cut.held else None)
        world = World(scenario, tmp_path, behind, "cut", tmp_path / "template.db")
        world.set_up()
        stack.callback(world.ledger.close)
        yield Scene(world, proxy)


@pytest.mark.parametrize("carried_out", [True, False], ids=["its reply is lost", "it is lost itself"])
@pytest.mark.parametrize(("scene", "name"), [(name, name) for name in CUTS], ids=CUTS, indirect=["scene"])
def test_whatever_is_lost_the_markers_tell(scene: Scene, name: str, carried_out: bool) -> None:
    task_id = scene.run(CUTS[name], carried_out=carried_out)
    observed = observe(scene.world, task_id, [], [])
    assert scene.proxy.lost == 1
    assert violations(observed) == []
    assert observed.state == (State.failed if CUTS[name].held else State.committed)
