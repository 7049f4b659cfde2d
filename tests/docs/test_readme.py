"""The README's walk through, run word for word against a running service."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.stack import environment, up

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## )", README, re.MULTILINE | re.DOTALL)
    assert found is not None, f"the README has no section {title}"
    return found[1]


def commands(text: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_walk_through_shows_what_it_says(tmp_path: Path) -> None:
    start, *steps = commands(section("A walk through"))
    assert start.splitlines() == ["make setup", ".venv/bin/rescind up"]
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    rescind = tmp_path / ".venv" / "bin" / "rescind"
    rescind.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rescind "$@"\n')
    rescind.chmod(0o755)
    with up(tmp_path / "home") as stack:
        script = "\n".join(steps).replace("http://127.0.0.1:8000", stack.url)
        run = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env=environment(RESCIND_URL=stack.url, PATH=os.environ["PATH"]),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
    shown = run.stdout + run.stderr
    for expected in (
        '"count": 336776',  # loaded, once
        '"state": "stopped"',  # the five million rows
        '"count": 0',  # and none of them is there
        "twenty",  # the bad row is named
        "exit code 1",
        '"count": 1',  # and nothing was changed
    ):
        assert expected in shown, shown


@pytest.mark.parametrize("path", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_every_file_that_the_readme_links_to_is_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))))
def test_every_make_target_that_the_readme_names_is_there(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
