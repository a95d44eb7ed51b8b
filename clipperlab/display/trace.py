"""The path of one query, as a story."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

from .. import draw


class Trace(dict[str, Any]):
    """One query's path. A dictionary of plain values, which prints as a story, and
    is drawn in a notebook. Times are in milliseconds.

    >>> answer = conn.application("digits").predict(X[0])
    >>> trace = conn.why(answer["query_id"])
    >>> trace["answer"], trace["protocol"]
    ('answered', 'clipper')
    """

    def __str__(self) -> str:
        lines = [
            f"Query {self['query_id']} to {self['application']} ({self['protocol']}), at query frontend "
            f"{self['frontend']}: {self['answer']} after {_ms(self['took_ms'])} "
            f"of {_ms(self['objective_ms'])}"
        ]
        several = len(self["models"]) > 1
        if several:
            lines.append(f"  chosen by {self._policy()}")
        for leg in self["models"]:
            chosen = "" if several else f", chosen by {self._policy()}"
            lines.append(f"  {leg['version']}{chosen}; cache: {leg['cache']}")
            batch = leg["batch"]
            if leg["replicas_lost"]:
                lines.append(f"    {leg['replicas_lost']} replica(s) died with it")
            if batch is not None:
                lines.append(
                    f"    {_ms(batch['sent_at_ms'])}: sent to replica {batch['replica']} in a batch of "
                    f"{batch['size']} of at most {batch['limit']:.0f} ({batch['reason']})"
                )
            if batch is not None and batch["replied_at_ms"] is not None:
                predicted = batch["predicted_ms"]
                expected = "" if predicted is None else f", {_ms(predicted)} were expected"
                lines.append(
                    f"    {_ms(batch['replied_at_ms'])}: answered; the model computed for "
                    f"{_ms(batch['compute_ms'])}{expected}"
                )
            if several and leg["fault"]:
                lines.append(f"    {leg['fault']}: {leg['explanation']}")
            lines += _called(leg["calls"], "    ")
        if self["explanation"]:
            lines.append(f"  {self['reason']}: {self['explanation']}")
            lines.append(f"  What to do about it: `clipperlab explain {self['reason']}`")
        return "\n".join(lines)

    def _policy(self) -> str:
        """What chose, and how sure it was: where there is no policy, a rollout alone."""
        chosen = self.get("chosen")
        if chosen is None:
            return str(self["policy"])
        rollouts = " and ".join(map(_rollout, chosen["rollouts"]))
        if rollouts and self["policy"] == "First":
            return rollouts
        if self["policy"] == "Cascade":
            found = f", {chosen['asked']} asked"
            if chosen["confidence"] is not None:
                found += f", confidence {chosen['confidence']:.0%}"
        elif chosen["confidence"] is not None:
            used = f"{chosen['used']} of {chosen['asked']} in the answer"
            found = f", {used}, confidence {chosen['confidence']:.0%}"
        else:
            found = f" with probability {chosen['propensity']:g}"
        skipped = f" ({', '.join(chosen['skipped'])} had no replica)" if chosen["skipped"] else ""
        learned = f", by what was known at epoch {chosen['epoch']}" if chosen["epoch"] else ""
        return f"{self['policy']}{found}{learned}{skipped}" + (f", and by {rollouts}" if rollouts else "")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        story = f"<pre>{html.escape(str(self))}</pre>"
        took = dict(_rows(self["models"], self["took_ms"]))
        if not any(took.values()):
            return story
        return draw.stacked(took, title="Where its time went", unit="ms")._repr_html_() + story


def _rollout(dealt: dict[str, Any]) -> str:
    return (
        f"the rollout of {dealt['model']} from {dealt['control']} to {dealt['canary']}, which has "
        f"{100 * dealt['share']:g} %"
    )


def _called(calls: list[dict[str, Any]], indent: str) -> list[str]:
    """The tree of what a pipeline called."""
    lines = []
    for leg in calls:
        batch = leg["batch"]
        size = "" if batch is None else f", in a batch of {batch['size']}"
        came = f"{leg['fault']}: {leg['explanation']}" if leg["fault"] else "answered"
        lines.append(
            f"{indent}{_ms(leg['queued_at_ms'])}: called {leg['version']}{size}; cache: {leg['cache']}; "
            f"{_ms(leg['finished_at_ms'])}: {came}"
        )
        lines += _called(leg["calls"], f"{indent}  ")
    return lines


def _rows(
    legs: list[dict[str, Any]], end_ms: float, name: str = ""
) -> Iterator[tuple[str, dict[str, float]]]:
    """Name and parts of each leg that has a batch, and of its calls below it."""
    versions = [leg["version"] for leg in legs]
    for i, leg in enumerate(legs):
        if leg["batch"] is not None:
            which = versions[: i + 1].count(leg["version"])
            number = f" ({which})" if versions.count(leg["version"]) > 1 else ""
            yield f"{name}{leg['version']}{number}", _parts(leg["batch"], end_ms, leg)
            yield from _rows(leg["calls"], end_ms, f"{name}└ ")


def _parts(batch: dict[str, Any], took_ms: float, leg: dict[str, Any]) -> dict[str, float]:
    """What of the way to a model's answer took how long, or what of it there was until the query ended."""
    sent = max(leg["queued_at_ms"], batch["sent_at_ms"])  # whoever joined came after it was sent
    waited = sent - leg["queued_at_ms"]
    if batch["replied_at_ms"] is None:
        return {"waited": waited, "with the replica": max(0.0, took_ms - sent)}
    away = batch["replied_at_ms"] - sent
    computed = min(batch["compute_ms"] or 0.0, away)
    return {"waited": waited, "on the way": away - computed, "computed": computed}


def _ms(value: float | None) -> str:
    return "?" if value is None else f"{value:.1f} ms"
