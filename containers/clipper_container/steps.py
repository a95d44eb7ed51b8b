"""The steps of a rollout: shares of the queries, from 0 to 1."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import BadRequest


def check_steps(steps: Sequence[float]) -> None:
    """Raises BadRequest for what are no growing shares."""
    if not steps or not all(0 < step <= 1 for step in steps) or list(steps) != sorted(set(steps)):
        raise BadRequest(
            "The steps of a rollout are growing shares of the queries, as [0.05, 0.2, 0.5, 1], and not "
            f"{list(steps)}."
        )
    if steps[0] == 1:
        raise BadRequest("With all queries as its first step it is no rollout: set_model_version does that.")
