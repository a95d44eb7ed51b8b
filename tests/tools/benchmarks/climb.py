"""The highest load at which the objective is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

ENOUGH = 0.99  # of the answers must be the model's, and come within the objective
HOPELESS = 0.9  # two levels in a row with fewer good answers: the next one will not be better


@dataclass(frozen=True)
class Level:
    """One load, as connections or requests a second, and what became of it."""

    load: float
    good_rate: float
    good_share: float
    measured: Mapping[str, Any]

    @property
    def counts(self) -> bool:
        return self.good_share >= ENOUGH


@dataclass(frozen=True)
class Climb:
    levels: Sequence[Level]
    best: Level | None  # that counts; with the medians of its rounds

    @property
    def rate(self) -> float:
        return self.best.good_rate if self.best else float("nan")


def climb(loads: Sequence[float], measure: Callable[[float], Level], *, rounds: int) -> Climb:
    """Measure at one load after the other, until it is hopeless, and the best one in all rounds.

    Where that one does not count by the medians of its rounds, the next best is taken.
    """
    levels: list[Level] = []
    for load in loads:
        levels.append(measure(load))
        if len(levels) > 1 and all(level.good_share < HOPELESS for level in levels[-2:]):
            break
    for candidate in sorted(filter(_counts, levels), key=lambda level: level.good_rate, reverse=True):
        again = [candidate, *(measure(candidate.load) for _ in range(rounds - 1))]
        middle = Level(
            candidate.load,
            median(level.good_rate for level in again),
            median(level.good_share for level in again),
            {**candidate.measured, "rounds": [vars(level) for level in again]},
        )
        if middle.counts:
            return Climb(levels, middle)
    return Climb(levels, None)


def _counts(level: Level) -> bool:
    return level.counts


def plain(found: Climb) -> dict[str, Any]:
    """For the file."""
    return {
        "best": vars(found.best) if found.best else None,
        "levels": [vars(level) for level in found.levels],
    }
