"""Taking a guard out of this process, and putting it back."""

from __future__ import annotations

#: What was there before, and where.
_taken: list[tuple[object, str, object]] = []


def put(owner: object, name: str, value: object) -> None:
    """In the place of the guard of that name. Raises AttributeError for a renamed one: its control had no effect."""
    _taken.append((owner, name, getattr(owner, name)))
    setattr(owner, name, value)


def put_back() -> None:
    """Everything is as it was."""
    while _taken:
        setattr(*_taken.pop())
