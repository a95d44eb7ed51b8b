"""How the batches of one version are formed, for a notebook and for a terminal."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from .table import table


class BatchingView:
    """How the batches of one version are formed, by query frontend and replica.

    `frontends` holds the plain values: for each frontend its `way` of batching, dispatch reasons, replicas
    with their limit and `sizes` (cost against latency), and `windows` of ten seconds over the last five
    minutes.
    """

    def __init__(self, version: str, frontends: Sequence[Mapping[str, Any]]) -> None:
        self.version = version
        self.frontends = list(frontends)

    @property
    def way(self) -> str:
        return self.frontends[0]["way"] if self.frontends else "unknown: no query frontend answers"

    @property
    def dispatches(self) -> dict[str, int]:
        """Batches by the reason why they were sent then and so large, over all frontends."""
        found: dict[str, int] = {}
        for frontend in self.frontends:
            for reason, count in frontend["dispatches"].items():
                found[reason] = found.get(reason, 0) + count
        return found

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Size against latency: one row for each frontend, replica and size that was seen."""
        return [
            {"frontend": frontend["frontend"], "replica": replica["replica"], **row}
            for frontend in self.frontends
            for replica in frontend["replicas"]
            for row in replica["sizes"]
        ]

    def _summary(self) -> list[str]:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(self.dispatches.items()))
        lines = [f"{self.version} batches by {self.way}. Dispatches: {reasons or 'none yet'}."]
        for frontend in self.frontends:
            lines += [
                f"Query frontend {frontend['frontend']}, replica {replica['replica']}: at most "
                f"{replica['limit']:.0f} now."
                for replica in frontend["replicas"]
            ]
            lines += [
                f"{window['ago_s']:.0f} s ago: {window['batches']} batches of {_mean(window):.1f} on the "
                f"average, {window['largest']} at most, {1000 * window['compute_s'] / window['batches']:.1f} "
                "ms each."
                for window in frontend["windows"]
            ]
        return lines

    _COLUMNS = ("frontend", "replica", "size", "mean ms", "p99 ms", "batches")

    def _table(self) -> list[list[str]]:
        return [
            [
                row["frontend"],
                row["replica"],
                f"{row['cost']:g}" if row["cost"] < 10 else f"{row['cost']:.0f}",
                f"{row['mean_ms']:.2f}",
                f"{row['p99_ms']:.2f}",
                str(row["batches"]),
            ]
            for row in self.rows
        ]

    def __str__(self) -> str:
        lines = ["".join(f"{cell:>10}" for cell in line) for line in [list(self._COLUMNS), *self._table()]]
        return "\n".join([*self._summary(), *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        text = "<br>".join(html.escape(line) for line in self._summary())
        return f"<p>{text}</p>{table(self._COLUMNS, self._table())}"


def _mean(window: Mapping[str, Any]) -> float:
    return float(window["inputs"]) / float(window["batches"])
