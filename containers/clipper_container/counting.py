"""Versions that count by themselves."""

from __future__ import annotations

from collections.abc import Iterable

NEXT = "next"
"""In the place of a version: the number after the largest that is taken."""


def next_version(versions: Iterable[str]) -> str:
    """One more than the largest number among them."""
    return str(max((int(v) for v in versions if v.isdecimal()), default=0) + 1)
