"""How good an output was, by the label that it should have been."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from clipper_container.named import DTYPES, is_named
from clipper_container.tensors import Tensor, as_plain

from ...feedback import FeedbackSpec
from .answered import Raw


class Unfit(ValueError):
    """The label and the output cannot be compared. It says why."""


def score(spec: FeedbackSpec, label: Any, output: bytes | Raw) -> float:
    """From 0 to 1. Raises Unfit."""
    said = _value(output)
    if isinstance(said, list) and len(said) == 1 and not isinstance(label, list):
        said = said[0]
    if _kind(label) != _kind(said):
        raise Unfit(f"the label is {_kind(label)}, and the output {_kind(said)}")
    if spec.score == "equal":
        return float(label == said)
    return _CLOSE[spec.score](_apart(label, said), spec.tolerance)


def _within(apart: float, tolerance: float) -> float:
    return float(apart <= tolerance)


def _near(apart: float, tolerance: float) -> float:
    return max(0.0, 1 - apart / tolerance) if tolerance else float(apart == 0)


_CLOSE: dict[str, Callable[[float, float], float]] = {"within": _within, "distance": _near}


def _value(output: bytes | Raw) -> Any:
    if isinstance(output, Raw):
        if is_named(output.dtype):
            return as_plain(Tensor(*output))
        if output.dtype in DTYPES:
            return np.frombuffer(output.data, output.dtype).reshape(output.shape).tolist()
        if output.dtype != "json":
            return output.data.decode(errors="replace")
        output = output.data
    return msgspec.json.decode(output)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "null" if value is None else "a list" if isinstance(value, list) else "an object"


def _apart(label: Any, said: Any) -> float:
    """The difference of two numbers, or the largest one of two lists of them."""
    ours, theirs = _numbers(label), _numbers(said)
    if ours.shape != theirs.shape:
        raise Unfit(f"the label has the shape {list(ours.shape)}, and the output {list(theirs.shape)}")
    apart = float(np.max(np.abs(ours - theirs), initial=0.0))
    return apart if apart == apart else float("inf")  # not a number


def _numbers(value: Any) -> np.ndarray:
    try:
        found = np.asarray(value)
    except ValueError:  # lists of several lengths
        found = np.asarray(None)
    if found.dtype.kind not in "iuf":
        raise Unfit("only numbers, and lists of them, are near one another")
    return found.astype(float)
