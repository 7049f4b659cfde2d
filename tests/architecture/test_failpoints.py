"""A failpoint that exists is somewhere in the code, and the other way round."""

from __future__ import annotations

import ast

from tests.architecture.source import modules

from rescind import failpoints


def reached() -> set[str]:
    """Every name in a `failpoints.hit("…")`; a name that is not written out would escape this test."""
    calls = (node for tree in modules("src").values() for node in ast.walk(tree) if isinstance(node, ast.Call))
    names = set()
    for call in calls:
        if ast.unparse(call.func) == "failpoints.hit":
            (name,) = call.args
            assert isinstance(name, ast.Constant), f"line {call.lineno}: write the failpoint's name out"
            names.add(str(name.value))
    return names


def test_every_failpoint_is_in_the_code() -> None:
    assert failpoints.NAMES - reached() == set()


def test_every_failpoint_in_the_code_exists() -> None:
    assert reached() - failpoints.NAMES == set()
