"""The lock fits what pyproject.toml asks for, and names no address of any registry."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()


def pinned() -> dict[str, set[Version]]:
    """Versions by name; a package may be pinned twice, for different versions of Python."""
    pins: dict[str, set[Version]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==([^ ;\\]+)", LOCK, re.MULTILINE):
        pins.setdefault(canonicalize_name(name), set()).add(Version(version))
    return pins


def wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(line) for line in [*project["dependencies"], *project["optional-dependencies"]["dev"]]]


@pytest.mark.parametrize("requirement", wanted(), ids=lambda r: r.name)
def test_every_requirement_is_pinned_to_versions_that_fit(requirement: Requirement) -> None:
    versions = pinned().get(canonicalize_name(requirement.name), set())
    assert versions, f"{requirement.name} is not in requirements.lock: run `make lock`"
    assert all(requirement.specifier.contains(v, prereleases=True) for v in versions), "run `make lock`"


def test_every_pin_has_hashes() -> None:
    blocks = re.split(r"^(?=\S)", LOCK, flags=re.MULTILINE)
    assert [b.partition(" ")[0] for b in blocks if b.strip() and "--hash=sha256:" not in b] == []


def test_the_lock_names_no_address() -> None:
    assert "://" not in LOCK
