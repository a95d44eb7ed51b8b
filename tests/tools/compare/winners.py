"""Who wins, in sentences: what the figures show, and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Figures = Sequence[tuple[str, Mapping[str, Any]]]
"""Of one load: what was found of each system, by its name."""


def winners(figures: Figures, ours: str | None) -> str:
    """Who answers most, by how much, where ours is, and who answers soonest.

    Two whose rounds overlap are not told apart.
    """
    ranked = sorted(figures, key=lambda one: -one[1]["rate"])
    (first, best), (second, next_best) = ranked[:2]
    if _overlap(best, next_best):
        said = f"{first} and {second} answer the most, {_rate(best)} and {_rate(next_best)} a second, "
        said += "and are not told apart: their rounds overlap."
    else:
        said = f"{first} answers the most, {_rate(best)} a second, {_over(best, next_best)} {second}."
    if len(ranked) > 2:
        last, least = ranked[-1]
        said += f" {last} answers the fewest, {_rate(least)}."
    for place, (name, seen) in enumerate(ranked, 1):
        if name == ours and place > 1:
            said += f" {name} is number {place} of {len(ranked)}, with {seen['rate'] / best['rate']:.0%} of "
            said += f"{first}'s rate."
    return f"{said} {_soonest(figures)}"


def _soonest(figures: Figures) -> str:
    answered = [(name, seen) for name, seen in figures if seen["p50_ms"] is not None]
    if not answered:
        return "None answered in time."
    quick, half = min(answered, key=lambda one: one[1]["p50_ms"])
    steady, tail = min(answered, key=lambda one: one[1]["p99_ms"])
    also = "and the" if steady == quick else f"and {steady} the"
    said = f"{quick} has the shortest p50, {half['p50_ms']:.2f} ms"
    return f"{said}, {also} shortest p99, {tail['p99_ms']:.2f} ms."


def _overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    slowest = min(seen["rate"] for seen in one["rounds"])
    return bool(slowest <= max(seen["rate"] for seen in other["rounds"]))


def _rate(seen: Mapping[str, Any]) -> str:
    return f"{seen['rate']:,.0f}"


def _over(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    return (
        f"{one['rate'] / other['rate']:.1f} times as many as" if other["rate"] else "and nothing comes from"
    )
