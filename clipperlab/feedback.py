"""Feedback as the query frontend takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clipper_container.errors import BadRequest

Answered = Mapping[str, Any] | int | str
"""An answer, as the endpoint gives it, or its query id, or its feedback_token."""


def feedback_of(
    answer: Answered | Sequence[Answered], reward: Any, label: Any, input: Any
) -> dict[str, Any] | list[dict[str, Any]]:
    """What is posted: for several answers rewards, labels and inputs are lists. Raises BadRequest."""
    if (reward is None) == (label is None):
        raise BadRequest("Give a reward, from 0 to 1, or the label that was right.")
    if isinstance(answer, Mapping | int | str):
        return _one(answer, reward, label, input)
    given = {"reward": reward, "label": label, "input": input}
    for name, values in given.items():
        if values is not None and (not hasattr(values, "__len__") or len(values) != len(answer)):
            raise BadRequest(f"There are {len(answer)} answers: `{name}` must be a list of as many.")
    columns = [[None] * len(answer) if values is None else values for values in given.values()]
    return [_one(each, *row) for each, *row in zip(answer, *columns, strict=True)]


def _one(answer: Answered, reward: Any, label: Any, input: Any) -> dict[str, Any]:
    fields = {"reward": None if reward is None else _number(reward), "label": label, "input": input}
    found = {name: value for name, value in fields.items() if value is not None}
    if isinstance(answer, int):
        return {"query_id": answer, **found}
    if isinstance(answer, str):
        return {"feedback_token": answer, **found}
    if "feedback_token" not in answer:
        why = (
            "it is the default output, which no model gave"
            if answer.get("default")
            else ("its application collects no feedback: collect_feedback, or a policy that learns, lets it")
        )
        raise BadRequest(f"This answer has no feedback_token: {why}.")
    return {"feedback_token": answer["feedback_token"], **found}


def _number(reward: Any) -> float:
    """Whether a user was content is a reward, too."""
    try:
        return float(reward)
    except (TypeError, ValueError):
        raise BadRequest(f"A reward is a number from 0 to 1, and not {reward!r}.") from None
