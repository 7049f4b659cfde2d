"""Over how many branches `writers=auto` puts the rows: the rule, and the word among the task's arguments."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from rescind.domain.schema import Column, Table, Type
from rescind.errors import InvalidArguments, TargetBusy, TargetUnavailable, UnknownTable
from rescind.targets.capabilities import Ability, Capabilities, Grade
from rescind.targets.postgresql import card
from rescind.targets.postgresql.preflight import Facts
from rescind.tasks.auto_writers import PAYS_FROM_BYTES, writers
from rescind.tasks.load import USUAL, How, load

GIVEN = {"table": "items", "upload": "1"}
ID = Column("id", Type.integer, "", has_default=True, key=1)
NAME, CODE = Column("name", Type.text, ""), Column("code", Type.text, "")
POSTGRESQL = card.of(Facts("15.4", 150_004, 64, "UTF8", False, False, 1))
REFUSED = Ability(Grade.refused, "It cannot.")


@dataclass(frozen=True)
class Case:
    """A load for which two branches are known to pay; each test says what is otherwise."""

    how: How = USUAL
    targets: Sequence[str] = ("default",)
    length: int = PAYS_FROM_BYTES
    cores: int = 2
    filled: Collection[str] | None = ("name", "code")
    found: tuple[Capabilities, Table] | Exception = (POSTGRESQL, Table("items", (ID, NAME, CODE), (("id",),)))

    def writers(self) -> int:
        return writers(self.how, self.targets, self.length, self.cores, self.filled, self._ask)

    def _ask(self, target: str) -> tuple[Capabilities, Table]:
        assert target == "default"
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def has(table: Table, **abilities: Any) -> tuple[Capabilities, Table]:
    return replace(POSTGRESQL, **abilities), table


KEYLESS = Table("items", (NAME, CODE))


@pytest.mark.parametrize(
    "case",
    [
        Case(),
        Case(cores=64, length=10**12),
        Case(found=has(KEYLESS)),
        Case(found=has(KEYLESS), filled=None),
        Case(found=has(Table("items", (ID, NAME, CODE), (("id",), ("code",)))), filled=("name",)),
    ],
)
def test_two_branches_where_they_are_known_to_pay(case: Case) -> None:
    assert case.writers() == 2


@pytest.mark.parametrize(
    "case",
    [
        Case(length=PAYS_FROM_BYTES - 1),
        Case(cores=1),
        Case(targets=("default", "archive")),
        Case(How(mode="replace")),
        Case(How(mode="upsert", key=("id",))),
        Case(How(on_error="skip")),
        Case(found=has(KEYLESS, two_phase=REFUSED)),
        Case(found=has(KEYLESS, several_branches=REFUSED)),
        Case(found=UnknownTable("It is yet to be made.")),
        Case(found=TargetUnavailable("It is down.")),
        Case(found=TargetBusy("It is being made.")),
    ],
)
def test_one_branch_otherwise(case: Case) -> None:
    assert case.writers() == 1


@pytest.mark.parametrize("filled", [("id", "name"), None])
def test_one_branch_where_two_rows_of_the_file_may_have_one_key(filled: Collection[str] | None) -> None:
    """None: the file's first rows do not tell all of its columns."""
    assert Case(filled=filled).writers() == 1


def test_one_branch_where_the_file_fills_another_unique_key() -> None:
    assert Case(found=has(Table("items", (ID, NAME, CODE), (("id",), ("code", "name"))))).writers() == 1


@pytest.mark.parametrize("said", [1, 16, "auto"])
def test_a_number_or_the_word_is_an_argument(said: object) -> None:
    assert load.check(GIVEN | {"writers": said})["writers"] == said


@pytest.mark.parametrize("said", [0, 17, -1, "x", "2", "AUTO", "", True, 1.0, 2.5, None, [2]])
def test_anything_else_is_one_problem_of_that_argument(said: object) -> None:
    with pytest.raises(InvalidArguments, match="from 1 to 16, or auto") as raised:
        load.check(GIVEN | {"writers": said})
    assert [problem["name"] for problem in raised.value.problems] == ["writers"]


def test_one_is_what_is_meant_where_nothing_is_said() -> None:
    assert load.check(GIVEN)["writers"] == 1


def test_what_is_chosen_is_in_the_arguments_and_the_branches() -> None:
    open_yet = load.check(GIVEN | {"writers": "auto"})
    assert load.branches(open_yet, None) == ("default",)
    chosen = load.with_writers(open_yet, 2)
    assert chosen == open_yet | {"writers": 2}
    assert load.branches(chosen, ("archive",)) == ("archive", "archive")
    assert load.with_writers(chosen, 3) == chosen
