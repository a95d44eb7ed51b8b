"""One code."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["reason", "error", "feedback", "event"]


class Entry(NamedTuple):
    """`means` and `to_do` are sentences; `to_do` is "" where there is nothing to do."""

    kind: Kind
    code: str
    means: str
    to_do: str

    @property
    def anchor(self) -> str:
        """Where the documentation's page of codes has it."""
        return f"{self.kind}-{self.code.lower().replace('_', '-')}"


def entries(kind: Kind, of: dict[str, tuple[str, str]]) -> tuple[Entry, ...]:
    return tuple(Entry(kind, code, *sentences) for code, sentences in of.items())
