"""The path of one query, as a story."""

from __future__ import annotations

from typing import Any


class Trace(dict[str, Any]):
    """One query's path. A dictionary of plain values, which prints as a story. Times are in milliseconds."""

    def __str__(self) -> str:
        lines = [
            f"Query {self['query_id']} to {self['application']} ({self['protocol']}), at query frontend "
            f"{self['frontend']}: {self['answer']} after {_ms(self['took_ms'])} "
            f"of {_ms(self['objective_ms'])}"
        ]
        for leg in self["models"]:
            lines.append(f"  {leg['version']}, chosen by {self['policy']}; cache: {leg['cache']}")
            batch = leg["batch"]
            if leg["replicas_lost"]:
                lines.append(f"    {leg['replicas_lost']} replica(s) died with it")
            if batch is not None:
                lines.append(
                    f"    {_ms(batch['sent_at_ms'])}: sent to replica {batch['replica']} in a batch of "
                    f"{batch['size']} of at most {batch['limit']:g} ({batch['reason']})"
                )
            if batch is not None and batch["replied_at_ms"] is not None:
                predicted = batch["predicted_ms"]
                expected = "" if predicted is None else f", {_ms(predicted)} were expected"
                lines.append(
                    f"    {_ms(batch['replied_at_ms'])}: answered; the model computed for "
                    f"{_ms(batch['compute_ms'])}{expected}"
                )
        if self["explanation"]:
            lines.append(f"  {self['reason']}: {self['explanation']}")
        return "\n".join(lines)

    __repr__ = __str__


def _ms(value: float | None) -> str:
    return "?" if value is None else f"{value:.1f} ms"
