"""How the batches of one version are formed, for a notebook and for a terminal."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .. import draw
from ..draw import Drawing
from .beside import beside
from .table import table


class BatchingView:
    """How the batches of one version are formed, by query frontend and replica.

    `frontends` holds the plain values: for each frontend its `way` of batching, dispatch reasons, replicas
    with their limit and `sizes` (cost against latency), and `windows` of ten seconds over the last five
    minutes.

    >>> conn.batching("digits").frontends[0]["way"]
    'learned'
    """

    def __init__(self, version: str, frontends: Sequence[Mapping[str, Any]]) -> None:
        self.version = version
        self.frontends = list(frontends)

    @property
    def way(self) -> str:
        """How batches are formed: "learned", "aimd", "fixed(32)" or "off".

        >>> conn.set_batching("digits", "fixed(32)")
        >>> conn.batching("digits", 2).version
        'digits:2'
        """
        return self.frontends[0]["way"] if self.frontends else "unknown: no query frontend answers"

    @property
    def dispatches(self) -> dict[str, int]:
        """Batches by the reason why they were sent then and so large, over all frontends.

        >>> answer = conn.application("digits").predict(X[0], cache=False)
        >>> sum(conn.batching("digits").dispatches.values()) > 0
        True
        """
        found: dict[str, int] = {}
        for frontend in self.frontends:
            for reason, count in frontend["dispatches"].items():
                found[reason] = found.get(reason, 0) + count
        return found

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Size against latency: one row for each frontend, replica and size that was seen.

        >>> all(row["mean_ms"] <= row["p99_ms"] for row in conn.batching("digits").rows)
        True
        """
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
            lines += [each for replica in frontend["replicas"] for each in _at_once(replica)]
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
        told = f"<p>{html.escape(self.version)} batches by {html.escape(self.way)}.</p>"
        rows = f"<details><summary>Each size</summary>{table(self._COLUMNS, self._table())}</details>"
        return told + beside(*self._drawings()) + (rows if self.rows else "")

    def _drawings(self) -> Iterator[Drawing]:
        replicas = [replica for frontend in self.frontends for replica in frontend["replicas"]]
        # One frontend and replica stand for all: they learn the same.
        most = max(replicas, key=lambda replica: len(replica["sizes"]), default=None)
        if most and most["sizes"]:
            costs = {
                kind: [(row["cost"], row[f"{kind}_ms"]) for row in most["sizes"]] for kind in ("mean", "p99")
            }
            limit = max(1, most["limit"])
            marks = [(limit, f"at most {limit:.0f}")]
            title = "Time of a batch, by its size"
            yield draw.lines(costs, title=title, x="inputs", unit="ms", marks=marks, log=True)
        at: dict[int, list[Mapping[str, Any]]] = {}
        for frontend in self.frontends:
            for window in frontend["windows"]:
                at.setdefault(-10 * round(window["ago_s"] / 10), []).append(window)
        if at:
            sizes = {
                "average": [(ago, _sum(at[ago], "inputs") / _sum(at[ago], "batches")) for ago in sorted(at)],
                "largest": [(ago, max(window["largest"] for window in at[ago])) for ago in sorted(at)],
            }
            title = "Inputs in a batch, in the last five minutes"
            yield draw.lines(sizes, title=title, x="seconds before now")
        if self.dispatches:
            yield draw.bars(dict(sorted(self.dispatches.items())), title="Batches, by why they were sent")


def _sum(windows: Sequence[Mapping[str, Any]], field: str) -> float:
    return float(sum(window[field] for window in windows))


def _at_once(replica: Mapping[str, Any]) -> list[str]:
    """How long a batch of one input takes, by how many there are at once; and whether that is any use."""
    found = [f"{each['at_once']} at once {each['mean_ms']:.3g} ms each" for each in replica["at_once"]]
    lines = [f"Replica {replica['replica']}, one input: {', '.join(found)}."] if found else []
    return [*lines, *([replica["useless"]] if replica["useless"] else [])]


def _mean(window: Mapping[str, Any]) -> float:
    return float(window["inputs"]) / float(window["batches"])
