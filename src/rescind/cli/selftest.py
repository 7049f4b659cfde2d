"""`rescind doctor --xa-selftest`: two-phase commit, proven on the user's own servers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rescind import bootstrap
from rescind.cli.exits import Exit, Failure
from rescind.errors import RescindError
from rescind.settings import Settings


def self_test(settings: Settings, names: Sequence[str], *, as_json: bool) -> int:
    """Every step on each target. Exit code 1 if one fails, and if nothing, or not all that was named, is proven.

    A target that cannot prepare is no fault beside one that can, unless it was asked for by its name.
    """
    urls = settings.target_urls()
    if unknown := [name for name in names if name not in urls]:
        raise Failure(f"There is no target {unknown[0]!r}.", "", f"There are: {', '.join(urls)}.", Exit.usage)
    cards = bootstrap.cards(settings)
    results = []
    for name in names or urls:
        if not as_json:
            print(f"{name}:")
        results.append(_prove(settings, name, cards[name], as_json=as_json))
    if as_json:
        print(json.dumps(results, indent=2))
    proven = [result["proven"] for result in results]
    return Exit.failed if False in proven or True not in proven or (names and None in proven) else Exit.done


def _prove(settings: Settings, name: str, card: bootstrap.Card, *, as_json: bool) -> dict[str, Any]:
    """`proven` is None where it is not possible."""
    if isinstance(card, RescindError):
        return _told({"target": name, "proven": False, "reason": str(card)}, f"FAIL  {card}", as_json)
    if not card.two_phase:
        reason = card.two_phase.reason
        return _told({"target": name, "proven": None, "reason": reason}, f"----  not possible: {reason}", as_json)
    steps = []
    for step in bootstrap.self_test(settings, name):
        line = f"OK    {step.name}" if step.ok else f"FAIL  {step.name}: {step.reason}"
        steps.append(_told({"step": step.name, "reason": step.reason}, line, as_json))
    return {"target": name, "proven": all(step["reason"] is None for step in steps), "steps": steps}


def _told(result: dict[str, Any], line: str, as_json: bool) -> dict[str, Any]:
    if not as_json:
        print(f"  {line}", flush=True)
    return result
