"""What a load saw, alone and beside others."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from .. import draw
from ..display.beside import beside
from ..draw import Drawing


class LoadResult(dict[str, Any]):
    """What a load saw. A dictionary of plain values, which prints as a table. Latencies are in milliseconds.
    A notebook shows it as a table and pictures that need no kernel.

    `answers` counts requests by what became of them: "model", a default output's reason, "status 429",
    "connection lost" or "no answer". They are timed from when they were to be sent, so that what waited
    because the server was slow counts. `good` had the model's answer within the objective.

    >>> result = conn.load("digits", rate=20, seconds=0.5, arrivals="constant").result()
    >>> result["answers"]
    {'model': 10}
    """

    @property
    def name(self) -> str:
        """As it was given, or what was asked, how much and how.

        >>> conn.load("digits", rate=20, seconds=0.5, arrivals="constant").result().name
        'digits, 20 /s, constant'
        """
        return self["name"] or f"{self['application']}, {self['rate']:g} /s, {self['arrivals']}"

    def compare(self, *others: LoadResult) -> Comparison:
        """This run beside others, the earlier ones first.

        >>> before = conn.load("digits", rate=20, seconds=0.5, name="before").result()
        >>> after = conn.load("digits", rate=20, seconds=0.5, name="after").result()
        >>> after.compare(before).names
        ['before', 'after']
        """
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

    def _repr_html_(self) -> str:
        return Comparison([self])._repr_html_()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return Comparison([self])._repr_mimebundle_()

    def _over_time(self, *path: str) -> list[tuple[float, float | None]]:
        """What was seen every half second, by the seconds since the first look."""
        found = []
        for point in self["points"]:
            value: Any = point["applications"].get(self["application"], {})
            for part in path:
                value = (value or {}).get(part)
            found.append((point["at"] - self["points"][0]["at"], value))
        return found


class Comparison:
    """Runs side by side. A notebook shows them as a table and pictures that need no kernel.

    >>> run = conn.load("digits", rate=20, seconds=0.5, name="before").result()
    >>> len(run.compare(run).runs)
    2
    """

    def __init__(self, runs: Sequence[LoadResult]) -> None:
        self.runs = list(runs)

    @property
    def names(self) -> list[str]:
        """Of the runs, each its own: where several have one name, they are counted.

        >>> run = conn.load("digits", rate=20, seconds=0.5, name="before").result()
        >>> run.compare(run).names
        ['before (1)', 'before (2)']
        """
        often, seen = Counter(run.name for run in self.runs), Counter[str]()
        found = []
        for name in (run.name for run in self.runs):
            seen[name] += 1
            found.append(f"{name} ({seen[name]})" if often[name] > 1 else name)
        return found

    def _rows(self) -> list[list[str]]:
        heads = ["", *self.names]
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
        table = f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
        return table + beside(*self._drawings())

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def _drawings(self) -> Iterator[Drawing]:
        objective = min((run["objective_ms"] for run in self.runs), default=0) or None
        by_run = dict(zip(self.names, self.runs, strict=True))
        if any(run["answers"] for run in self.runs):
            latencies = {
                name: [
                    (f"{percent:g}%", ms)
                    for percent, ms in zip(run["percents"], run["distribution_ms"], strict=True)
                ]
                for name, run in by_run.items()
            }
            title = "Latency, by how many are quicker"
            yield draw.lines(latencies, title=title, x="of the requests", unit="ms", limit=objective)
        if len(self.runs) > 1:
            if any(run["answers"] for run in self.runs):
                yield draw.stacked({name: run["answers"] for name, run in by_run.items()}, title="Answers")
            late = {name: run._over_time("p99_ms") for name, run in by_run.items()}
            if any(late.values()):
                yield draw.lines(late, title="p99 over time", x="seconds", unit="ms", limit=objective)
        elif self.runs and self.runs[0]["points"]:
            (run,) = self.runs
            answers = {kind: run._over_time("answers", kind) for kind in run["answers"]}
            percentiles = {name: run._over_time(f"{name}_ms") for name in ("p50", "p95", "p99")}
            if answers:
                yield draw.lines(answers, title="Answers a second", x="seconds", stacked=True)
            yield draw.lines(percentiles, title="Latency", x="seconds", unit="ms", limit=objective)


def _ms(value: float | None) -> str:
    return "never answered" if value is None else f"{value:,.2f} ms"
