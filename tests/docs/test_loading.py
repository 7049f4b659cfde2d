"""docs/loading.md, run command for command: what it shows below a command is in that command's output."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.generated import DOCS
from tests.support.stack import environment, up

PAGE = (DOCS / "loading.md").read_text()
#: A block of commands, and the block of its output below.
BLOCKS = re.findall(r"^```sh\n(.*?)^```\n\n```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A directory in which `rescind` is."""
    program = tmp_path / "bin" / "rescind"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rescind "$@"\n')
    program.chmod(0o755)
    return program.parent


def test_each_command_shows_what_stands_below_it(tmp_path: Path, commands: Path, postgresql_url: str) -> None:
    assert len(BLOCKS) == PAGE.count("```sh"), "every command has its output below it"
    with up(tmp_path / "home", RESCIND_TARGETS__ARCHIVE=postgresql_url) as stack:
        for script, shown in BLOCKS:
            run = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", script.replace("http://127.0.0.1:8000", stack.url)],
                cwd=tmp_path,
                env=environment(RESCIND_URL=stack.url, PATH=f"{commands}:{os.environ['PATH']}"),
                capture_output=True,
                text=True,
                timeout=90,
                check=False,
            )
            output = run.stdout + run.stderr
            assert run.returncode == 0, f"{script}\n{output}"
            for line in shown.splitlines():
                assert squeezed(line) in squeezed(output), f"{script}\n{output}"


@pytest.mark.parametrize("path", re.findall(r"\]\((?!http)([^)#]+)", PAGE))
def test_every_file_that_the_page_links_to_is_there(path: str) -> None:
    assert (DOCS / path).exists()
