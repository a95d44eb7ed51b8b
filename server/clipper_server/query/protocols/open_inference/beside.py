"""What an answer says beside its outputs: why it has default ones, and what was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...request import Answer


def marks_of(reasons: set[str]) -> list[tuple[bytes, bytes]]:
    return [(b"x-default-answer", ", ".join(sorted(reasons)).encode())] if reasons else []


def chosen(answers: Sequence[Answer]) -> dict[str, Any]:
    """The parameters that tell of the choice that was made for all inputs of a request."""
    found: dict[str, Any] = {}
    choices = [answer.choice for answer in answers if answer.choice is not None]
    models = [choice.model for choice in choices]
    confidences = [choice.confidence for choice in choices]
    if choices and models[0] is None:
        found["confidence"] = confidences
        found.update(asked=choices[0].asked, used=[choice.used for choice in choices])
    elif choices:
        found.update({"model": models[0]} if len(set(models)) == 1 else {"models": models})
        if any(confidence is not None for confidence in confidences):
            found["confidence"] = confidences
    tokens = [answer.token for answer in answers]
    if any(tokens):
        found["feedback_token"] = tokens
    if any(answer.partial for answer in answers):
        found["partial"] = [answer.partial for answer in answers]
    return found
