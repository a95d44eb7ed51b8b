"""What a load saw, alone and beside others."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from clipper_container.errors import ClusterError

from ..display import workbench


class LoadResult(dict[str, Any]):
    """What a load saw. A dictionary of plain values, which prints as a table. Latencies are in milliseconds.

    `answers` counts requests by what became of them: "model", a default output's reason, "status 429",
    "connection lost" or "no answer". They are timed from when they were to be sent, so that what waited
    because the server was slow counts. `good` had the model's answer within the objective.
    """

    @property
    def name(self) -> str:
        """As it was given, or what was asked, how much and how."""
        return self["name"] or f"{self['application']}, {self['rate']:g} /s, {self['arrivals']}"

    def compare(self, *others: LoadResult) -> Comparison:
        """This run beside others, the earlier ones first."""
        return Comparison([*others, self])

    def _cells(self) -> list[tuple[str, str]]:
        answers = ", ".join(f"{kind} {count:,}" for kind, count in self["answers"].items()) or "none"
        return [
            ("sent", f"{self['sent']:,} in {self['seconds']:.1f} s"),
            ("answers", answers),
            ("good", f"{self['good_share']:.1%} within {self['objective_ms']:g} ms"),
            *((name, _ms(self[f"{name}_ms"])) for name in ("p50", "p95", "p99", "max")),
            ("sent late (p99)", _ms(self["lag_p99_ms"])),
        ]

    def __repr__(self) -> str:
        return "\n".join(f"{name:16}{value}" for name, value in [("load", self.name), *self._cells()])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return Comparison([self])._repr_mimebundle_()


class Comparison:
    """Runs side by side."""

    def __init__(self, runs: Sequence[LoadResult]) -> None:
        self.runs = list(runs)

    def _rows(self) -> list[list[str]]:
        heads = ["", *(run.name for run in self.runs)]
        cells = [run._cells() for run in self.runs]
        return [heads, *([row[0][0], *(value for _, value in row)] for row in zip(*cells, strict=True))]

    def __repr__(self) -> str:
        rows = self._rows()
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def _repr_html_(self) -> str:
        head, *rows = self._rows()
        top = "".join(f'<th scope="col" style="text-align:left">{html.escape(cell)}</th>' for cell in head)
        body = "".join(
            "<tr>"
            + "".join(f'<td style="text-align:left">{html.escape(cell)}</td>' for cell in row)
            + "</tr>"
            for row in rows
        )
        return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        data: dict[str, Any] = {"text/plain": repr(self), "text/html": self._repr_html_()}
        try:
            view = workbench("loads").result_view(self)
        except ClusterError:
            return data
        return {**data, **view._repr_mimebundle_(), "text/plain": repr(self)}


def _ms(value: float | None) -> str:
    return "never answered" if value is None else f"{value:,.2f} ms"
