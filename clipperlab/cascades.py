"""From which confidence on a cheap model may answer alone, by pairs of what it and a dear one said.

The dear model is taken to be right. What is lost with a confidence is the part of all inputs on which the
cheap one is that sure and says something else. Confidences are tried from 1 down, and the first one that may
lose too much ends it (fixed-sequence testing): so one bound of 95 % holds for the one that is found, however
many were tried. The bound is Clopper and Pearson's, which is exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from clipper_container.errors import BadRequest

ALPHA = 0.05
TRIED = (1.0, 0.9999, 0.9995, 0.999, 0.998, 0.995, *(round(1 - i / 100, 2) for i in range(1, 100)))
"""Confidences, fixed before anything is seen."""

Rule = Literal["field", "max"]


class Compared(NamedTuple):
    """How sure the cheap model was of an input, and whether the dear one said the same."""

    confidence: float
    same: bool


class Found(NamedTuple):
    """Below this confidence the dear model is to be asked, which is a part `asked` of the inputs.

    A part `lost` of all inputs had another answer, and no more than `at_most` have, surely (95 %).
    """

    below: float
    lost: float
    at_most: float
    asked: float


def find(compared: Sequence[Compared], max_loss: float) -> Found:
    """The smallest confidence that surely loses no more than `max_loss`. Raises BadRequest without any."""
    if not 0 < max_loss < 1:
        raise BadRequest(f"max_loss is a part of the inputs, above 0 and below 1, and is {max_loss:g}.")
    count, needed = len(compared), math.ceil(math.log(ALPHA) / math.log(1 - max_loss))
    if count < needed:
        raise BadRequest(
            f"There are {count:,} pairs, and to be sure of a max_loss of {max_loss:.3g} takes {needed:,} at "
            f"least, where none differs: {needed - count:,} are missing. Let the shadow see more queries, or "
            "allow a larger max_loss."
        )
    confidence = np.array([each.confidence for each in compared])
    differing = confidence[[not each.same for each in compared]]
    found: tuple[float, int] | None = None
    for below in TRIED:
        differ = int((differing >= below).sum())
        if at_most_as_few(differ, count, max_loss) > ALPHA:
            break
        found = below, differ
    if found is None:
        raise BadRequest(
            f"Even where the cheap model is as sure as can be it says something else in {differ:,} of "
            f"{count:,} pairs, too many for a max_loss of {max_loss:.3g}: its confidence is no good, or "
            "there are too few pairs. Allow a larger max_loss, or let the shadow see more queries."
        )
    below, lost = found
    return Found(below, lost / count, upper(lost, count), float((confidence < below).mean()))


def upper(events: int, trials: int) -> float:
    """The largest share of which no more than so many events would still be seen once in 20 times."""
    low, high = events / trials, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        if at_most_as_few(events, trials, middle) > ALPHA:
            low = middle
        else:
            high = middle
    return high


def at_most_as_few(events: int, trials: int, share: float) -> float:
    """The probability of no more events than that, where each trial has one with the probability `share`."""
    if share <= 0 or events >= trials:
        return 1.0
    if share >= 1:
        return 0.0
    ways = math.lgamma(trials + 1)
    one, none = math.log(share), math.log1p(-share)
    return math.fsum(
        math.exp(ways - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * one + (trials - k) * none)
        for k in range(events + 1)
    )


def compare(cheap: Any, dear: Any, rule: Rule) -> Compared | None:
    """Two outputs, as JSON has them; None where they cannot be compared."""
    if rule == "max":
        ours, theirs = _likeliest(cheap), _likeliest(dear)
        return None if ours is None or theirs is None else Compared(max(cheap), ours == theirs)
    confidence = confidence_of(cheap, rule)
    if confidence is None:  # as the query frontend has it, the dear one is asked
        return Compared(0.0, False)
    wrapped = confidence_of(dear, rule) is not None
    return Compared(confidence, cheap["output"] == (dear["output"] if wrapped else dear))


def confidence_of(output: Any, rule: Rule) -> float | None:
    """How sure a model says that it is; None where it does not."""
    if rule == "max":
        return None if _likeliest(output) is None else max(output)
    if not isinstance(output, Mapping) or "output" not in output:
        return None
    found: Any = output.get("confidence")
    return found if _is_number(found) and 0 <= found <= 1 else None


def _likeliest(output: Any) -> int | None:
    if not isinstance(output, list) or not output or not all(_is_number(each) for each in output):
        return None
    largest = max(output)
    return output.index(largest) if 0 <= largest <= 1 else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
