"""Whether a noun has "a" or "an" before it."""

from __future__ import annotations


def with_article(noun: str) -> str:
    """ "a list", "an object", "an ndarray", "a uint8"."""
    vowel = noun[:1].lower() in ("a", "e", "i", "o") or noun[:2].lower() == "nd"
    return f"{'an' if vowel else 'a'} {noun}"


def type_of(value: object) -> str:
    """The name of its type, likewise."""
    return with_article(type(value).__name__)
