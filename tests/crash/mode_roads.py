"""The runs in which a load in one of its modes is killed: at every failpoint from its branch to its end, by place."""

from __future__ import annotations

from dataclasses import replace

from tests.crash import roads
from tests.crash.modes import FAILING, FILING, MIXED, MODES
from tests.crash.places import Place
from tests.crash.scenario import BY_TWO, Act, Held, Scenario, Trap

#: What a load passes, whatever its mode; before that nobody knows the mode.
LOADING = (
    roads.CHECKED,
    "branch.before_register", "branch.after_register", "branch.after_start", "branch.mid_data", "branch.after_data",
    "branch.before_marker", "branch.after_marker", "decide.before", "decide.sent_no_reply", "decide.after",
    *roads.FINISH,
)  # fmt: skip
#: Places of a kind that another place has too: only the commit, which differs, is gone through.
COMMIT_ALONE = (Place.one_phase, Place.postgresql, Place.mixed, Place.postgresql_mariadb, Place.mariadb_sqlite)
#: Where two branches of one target are prepared, which a single one on PostgreSQL is not.
TWO_BRANCHES = (Place.memory, Place.postgresql, Place.mariadb)
#: What both branches of a target pass, one after the other.
EACH_OF_TWO = (
    "branch.after_start", "branch.mid_data", "branch.before_marker", "branch.after_marker",
    *roads.PREPARE, *roads.TWO_PHASE,
)  # fmt: skip
ROLLED_BACK = ("abort.before_rollback", "abort.after_rollback", "abort.before_final")


def mode_roads(place: Place) -> dict[str, Scenario]:
    """The runs at that place, by mode and point."""
    found: dict[str, Scenario] = {}
    for job in (job for job in MODES if job not in MIXED):
        load = Scenario(0, place, job)
        if len(place.targets) > 1 and job in FILING:
            continue  # refused: a row might fit into one of them only
        runs = {}
        if job in BY_TWO:
            runs = _by_two(load) if place in TWO_BRANCHES else {}
        elif place in roads.WHOLE:
            runs = _failing(load) if job in FAILING else _whole(load)
        elif place in COMMIT_ALONE and job not in FAILING:
            runs = _commit(load)
        found |= {f"{job}, {name}": scenario for name, scenario in runs.items()}
    return found


def _whole(load: Scenario) -> dict[str, Scenario]:
    points = (*LOADING, *(roads.OUTPUT if load.job in FILING else ()))
    found = {point: replace(load, workers=(Trap(point),)) for point in points} | _commit(load)
    found |= {point: replace(load, workers=(roads.LOST,), recoverers=(Trap(point),)) for point in ROLLED_BACK}
    # Killed where everything is written, and stopped before anybody tries again: the rows of before must be there.
    last = Trap("branch.after_marker")
    stop = Trap("abort.before_final", Act.stop)
    found["stopped after its death"] = replace(load, workers=(last,), recoverers=(stop,))
    if load.place.prepares:
        found["prepared, and stopped"] = replace(load, held=Held.stop)
    return found


def _by_two(load: Scenario) -> dict[str, Scenario]:
    """Where both branches have written, and at what each of them passes after the first one has."""
    found = {f"{point}, second": replace(load, workers=(Trap(point, at=2),)) for point in EACH_OF_TWO}
    points = ("branch.mid_data", "branch.after_data", *roads.OUTPUT, "decide.before", "decide.after", *roads.FINISH)
    found |= {point: replace(load, workers=(Trap(point),)) for point in points}
    found |= {point: replace(load, workers=(roads.LOST,), recoverers=(Trap(point),)) for point in ROLLED_BACK}
    return found | {"prepared, and stopped": replace(load, held=Held.stop)}


def _commit(load: Scenario) -> dict[str, Scenario]:
    points: tuple[str, ...] = roads.ONE_PHASE if load.one_phase else ()
    points += (*roads.PREPARE, *roads.TWO_PHASE) if load.two_phase else ()
    return {point: replace(load, workers=(Trap(point),)) for point in points}


def _failing(load: Scenario) -> dict[str, Scenario]:
    """Where too many rows do not fit: killed on the way there, and on the way back."""
    points = ("branch.after_start", *roads.OWN_ABORT, *ROLLED_BACK)
    return {point: replace(load, workers=(Trap(point),)) for point in points}


def all_runs() -> dict[str, Scenario]:
    return {f"{place}: {name}": run for place in Place for name, run in mode_roads(place).items()}
