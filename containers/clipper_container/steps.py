"""The steps of a rollout: shares of the queries, from 0 to 1."""

from __future__ import annotations

from typing import Any

from .errors import BadRequest


def check_steps(given: Any) -> list[float]:
    """The same as numbers. Raises BadRequest for what are no growing shares."""
    try:
        steps = [float(step) for step in given]
    except (TypeError, ValueError):
        steps = []
    if not steps or not all(0 < step <= 1 for step in steps) or steps != sorted(set(steps)):
        raise BadRequest(
            "The steps of a rollout are a list of growing shares of the queries, as [0.05, 0.2, 0.5, 1], and "
            f"not {given!r}."
        )
    if steps[0] == 1:
        raise BadRequest("With all queries as its first step it is no rollout: set_model_version does that.")
    return steps
