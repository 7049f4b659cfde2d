"""What importing one part brings with it, seen in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest


def loaded_by(module: str) -> set[str]:
    """The modules that are there after `import module`, warnings being errors."""
    code = f"import sys; before = set(sys.modules); import {module}; print(*(set(sys.modules) - before))"
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_the_package_itself_imports_nothing() -> None:
    assert {name for name in loaded_by("rescind") if name != "__future__"} == {"rescind"}


@pytest.mark.parametrize(
    ("module", "foreign"),
    [
        ("rescind.cli.main", {"flask", "celery", "sqlalchemy", "pyarrow"}),  # a command starts at once
        ("rescind.cli.reading", {"pyarrow", "sqlalchemy"}),
        ("rescind.readers.media", {"pyarrow", "sqlalchemy"}),
        ("rescind.transaction.coordinator", {"flask", "celery", "rescind.uploads", "rescind.readers"}),
        ("rescind.tasks", {"flask", "celery"}),
        ("rescind.worker.run", {"flask"}),
    ],
)
def test_a_part_does_not_bring_what_it_must_not_know(module: str, foreign: set[str]) -> None:
    assert loaded_by(module) & foreign == set()
