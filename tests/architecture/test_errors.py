"""The tree of errors is the one that is drawn, and codes are stable names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rescind import errors
from rescind.errors import RescindError


def classes(base: type[RescindError] = RescindError) -> Iterator[type[RescindError]]:
    """Every error class that the module defines."""
    yield base
    for error in base.__subclasses__():
        if error.__module__ == errors.__name__:
            yield from classes(error)


def drawn() -> dict[str, str | None]:
    """Name to parent's name, as the module's docstring draws them: four columns a level."""
    parents: dict[str, str | None] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"((?:[│ ]   )*(?:[├└]── )?)(\w+)(?:  |$)", line):
            level = len(found[1]) // 4
            path = [*path[:level], found[2]]
            parents[found[2]] = path[level - 1] if level else None
    return parents


def test_the_drawn_tree_is_the_real_one() -> None:
    real = {error.__name__: error.__bases__[0].__name__ for error in classes() if error is not RescindError}
    assert drawn() == {"RescindError": None} | real


def test_codes_are_unique() -> None:
    codes = [error.code for error in classes()]
    assert sorted(codes) == sorted(set(codes))


def test_codes_are_lower_case_words() -> None:
    assert [error.code for error in classes() if not re.fullmatch(r"[a-z]+(-[a-z]+)*", error.code)] == []


def test_every_error_says_what_to_do() -> None:
    assert [error.__name__ for error in classes() if not error.advice.endswith(".")] == []
