"""Files are short, packages say what they are, and imports stand on top."""

from __future__ import annotations

import ast

from tests.architecture.source import ROOT, modules

MOST_LINES = 400
ONE_PAGE = {"src/rescind/errors.py": 520}  # the whole tree of errors, drawn on top, is worth more in one place

#: modules that may import inside a function, and why
LATE_IMPORTS = {
    "src/rescind/targets/registry.py": "only the drivers of configured databases",
    "src/rescind/ledger/connections.py": "the same for the ledger",
}


def test_no_file_is_too_long() -> None:
    lengths = {name: len((ROOT / name).read_text().splitlines()) for name in modules("src", "tests", "spec")}
    assert {name: n for name, n in lengths.items() if n > ONE_PAGE.get(name, MOST_LINES)} == {}


def test_every_module_says_what_it_is() -> None:
    silent = [name for name, tree in modules("src").items() if tree.body and not ast.get_docstring(tree)]
    assert silent == []


def test_imports_stand_on_top() -> None:
    late = {
        f"{name}:{statement.lineno}"
        for name, tree in modules("src").items()
        if name not in LATE_IMPORTS
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in ast.walk(function)
        if isinstance(statement, ast.Import | ast.ImportFrom)
    }
    assert late == set()
