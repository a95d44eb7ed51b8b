"""How much to measure, and what a workload hands back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, TypeVar

from rich.table import Table

from . import wrk
from .wrk import Measured

T = TypeVar("T")


@dataclass(frozen=True)
class Target:
    """What a figure should be. A benchmark reports it, and never fails for it."""

    what: str
    wanted: str
    measured: float
    met: bool


def at_least(what: str, measured: float, wanted: float) -> Target:
    return Target(what, f"at least {wanted:g}", measured, measured >= wanted)


def at_most(what: str, measured: float, wanted: float) -> Target:
    return Target(what, f"at most {wanted:g}", measured, measured <= wanted)


def between(what: str, measured: float, low: float, high: float) -> Target:
    return Target(what, f"{low:g} to {high:g}", measured, low <= measured <= high)


@dataclass(frozen=True)
class Outcome:
    """What a workload found: tables to look at, targets, and everything as plain values for the file."""

    title: str
    tables: Sequence[Table]
    targets: Sequence[Target]
    measured: Mapping[str, Any]
    notes: Sequence[str] = field(default=())


@dataclass(frozen=True)
class Bench:
    """`smoke` only sees that everything runs: rounds of a second, and two of each list of levels."""

    echo_url: str
    seconds: int
    rounds: int
    smoke: bool

    @property
    def warm_s(self) -> int:
        return 1 if self.smoke else 2

    def some(self, levels: Sequence[T]) -> Sequence[T]:
        if not self.smoke or len(levels) < 2:
            return levels
        return [levels[0], levels[len(levels) // 2]]

    def lasting(self, seconds: int) -> int:
        """`seconds` for what needs its own time; two of them are enough to see that it runs."""
        return min(2, seconds) if self.smoke else seconds

    def take_turns(self, sides: Mapping[str, Callable[[], Measured]]) -> dict[str, Any]:
        """Rounds of all sides in turn, so that a slow spell of the machine is nobody's alone."""
        rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
        for _ in range(self.rounds):
            for name, measure in sides.items():
                rounds[name].append(measure().summary())
        return {name: {**medians(found), "rounds": found} for name, found in rounds.items()}

    def against_echo(
        self, requests: Sequence[bytes], echoed: Sequence[bytes], url: str, connections: int
    ) -> dict[str, Any]:
        """Rounds of ours and of the echo at so many connections, and the ratios of their medians."""

        def closed_loop(which: Sequence[bytes], where: str) -> Callable[[], Measured]:
            return lambda: wrk.measure(
                which, where, connections=connections, seconds=self.seconds, look=False
            )

        row = self.take_turns(
            {"echo": closed_loop(echoed, self.echo_url), "ours": closed_loop(requests, url)}
        )
        return {
            "connections": connections,
            **row,
            "rate_ratio": ratio(row["ours"]["rate"], row["echo"]["rate"]),
            "p50_ratio": ratio(row["ours"]["p50_ms"], row["echo"]["p50_ms"]),
        }


def medians(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The median of each number."""
    numbers = [key for key, value in found[0].items() if isinstance(value, int | float)]
    return {key: median(one[key] for one in found) for key in numbers}


def ratio(ours: float, theirs: float) -> float:
    return ours / theirs if theirs else float("nan")
