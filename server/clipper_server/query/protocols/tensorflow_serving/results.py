"""Outputs as classes with scores, and as numbers: what Classify and Regress give.

A model's output is classes where it is an object of scores by label, a list of [label, score], an object with
`classes` and `scores`, a list of scores, which have no labels, or a label or a score by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np

from clipper_container.tensors import Tensor, as_plain

from ...task import Output
from .refusals import FAILED, Refused

Classes = list[tuple[str, float]]


def classes_of(output: Output) -> Classes:
    """Raises Refused where the output is none of these."""
    value = _value(output)
    if isinstance(value, dict) and {"classes", "scores"} <= value.keys():
        labels, scores = value["classes"], value["scores"]
        if isinstance(labels, list) and isinstance(scores, list) and len(labels) == len(scores):
            return list(zip(map(str, labels), _scores(scores), strict=True))
        raise _unfit("classes", value)
    if isinstance(value, dict):
        return list(zip(value, _scores(value.values()), strict=True))
    if isinstance(value, str):
        return [(value, 1.0)]
    if not isinstance(value, list):
        return [("", _scores([value])[0])]
    if value and all(
        isinstance(each, list) and len(each) == 2 and isinstance(each[0], str) for each in value
    ):
        return list(zip((label for label, _ in value), _scores([score for _, score in value]), strict=True))
    return [("", score) for score in _scores(value)]


def number_of(output: Output) -> float:
    """Raises Refused where the output is no number, nor a list of one."""
    value = _value(output)
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unfit("a number", value)
    return _singles([value])[0]


def _value(output: Output) -> Any:
    if not isinstance(output, Tensor):
        return msgspec.json.decode(output)
    if output.dtype == "bytes":
        return bytes(output.data).decode("utf-8", "replace")
    return as_plain(output)


def _scores(values: Iterable[Any]) -> list[float]:
    values = list(values)
    if not {int, float}.issuperset(map(type, values)):
        raise _unfit("a score", next(value for value in values if type(value) not in (int, float)))
    return _singles(values)


def _singles(values: list[Any]) -> list[float]:
    """Scores and values are floats of single precision."""
    if int in set(map(type, values)):
        values = [min(max(value, -1e300), 1e300) if type(value) is int else value for value in values]
    with np.errstate(over="ignore"):
        found: list[float] = np.array(values, "<f8").astype("<f4").tolist()
    return found


def _unfit(wanted: str, value: Any) -> Refused:
    text = msgspec.json.encode(value).decode()
    told = text if len(text) <= 100 else f"{text[:100]}..."
    return Refused(f"The model's output {told} is not {wanted}: ask for it by predict", FAILED)
