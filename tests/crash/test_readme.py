"""README.md beside this file names tests and mutants: each of them is there, and none of the rules is left out."""

from __future__ import annotations

import re

import pytest
from tests.crash.mutants import MUTANTS
from tests.crash.pool import ROOT

README = (ROOT / "tests/crash/README.md").read_text()
NAMED = sorted(set(re.findall(r"`([a-z0-9_/]+\.py)::(\w+)`", README)))
RULES = [f"R{number}" for number in range(1, 13)]


@pytest.mark.parametrize(("file", "test"), NAMED, ids=["::".join(named) for named in NAMED])
def test_a_test_that_is_named_is_there(file: str, test: str) -> None:
    assert f"def {test}(" in (ROOT / "tests" / file).read_text()


def test_files_of_this_folder_that_are_named_are_there() -> None:
    named = set(re.findall(r"`(\w+\.py)`", README))
    assert {name for name in named if not (ROOT / "tests/crash" / name).exists()} == set()


def test_every_rule_has_a_mutant_and_every_mutant_is_listed() -> None:
    assert {name.partition(" ")[0] for name in MUTANTS} >= set(RULES)
    assert {name for name in MUTANTS if f"`{name}`" not in README} == set()


def test_every_fault_and_rule_has_its_line() -> None:
    table = re.findall(r"^\| (\w+) \|", README, re.MULTILINE)
    assert {str(number) for number in range(1, 19)} | set(RULES) <= set(table)
