"""Versions of the protocol with one guard taken out, for the proof that the suite would notice."""

from __future__ import annotations


def apply(name: str | None) -> None:
    """Take the guard of that name out of this process."""
    if name is not None:
        raise KeyError(name)
