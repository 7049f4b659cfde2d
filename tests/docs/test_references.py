"""Where the code names a rule, a step, an invariant or a section of the protocol, docs/protocol.md has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "protocol.md").read_text()

RULES = set(re.findall(r"^\| \*\*(R\d+)\*\*", PAGE, re.MULTILINE)) | set(
    re.findall(r"^- \*\*(I\d)\*\*", PAGE, re.MULTILINE)
)
STEPS = {int(number) for number in re.findall(r"^(\d+)\. \*\*", PAGE, re.MULTILINE)}
SECTIONS = [heading.lower() for heading in re.findall(r"^## (.+)$", PAGE, re.MULTILINE)]

SOURCES = sorted(
    path for folder in ("src", "spec") for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".pml"}
)
PAGES = [ROOT / "spec" / "README.md", ROOT / "tests" / "crash" / "README.md", *(ROOT / "docs").rglob("*.md")]

RULE = re.compile(r"\b([RI]\d{1,2})\b")
STEP = re.compile(r"\bsteps? (\d+)(?: (?:to|and) (\d+))?", re.IGNORECASE)
#: `PROTOCOL R4, R9`, `PROTOCOL, step 8`, `PROTOCOL, session identity`, `PROTOCOL R10, "Which commit"`
PROTOCOL = re.compile(r'\bPROTOCOL(?=\W)((?:,? [RI]\d+)*)(?:, (?:the )?"?((?:steps? \d+|[A-Za-z][a-z ]+)))?')


def text_of(path: Path) -> str:
    return re.sub(r"\s+", " ", path.read_text())


@pytest.mark.parametrize("path", [*SOURCES, *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_rules_and_steps_are_there(path: Path) -> None:
    text = text_of(path)
    assert set(RULE.findall(text)) <= RULES
    assert {int(number) for found in STEP.findall(text) for number in found if number} <= STEPS


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_reference_leads_somewhere(path: Path) -> None:
    for rules, place in PROTOCOL.findall(text_of(path)):
        assert rules or place, "it names no rule, step or section"
        section = place.strip().lower()
        assert STEP.match(section) or any(heading.startswith(section) for heading in SECTIONS), section


def test_the_numbers_leave_none_out() -> None:
    assert sorted(STEPS) == list(range(1, len(STEPS) + 1))
    assert {f"R{number}" for number in range(1, 13)} | {f"I{number}" for number in range(1, 10)} == RULES
