"""How an application chooses among its models, and makes one answer of theirs: as it is asked for.

An arm is a linked model, which is its current version, or one version of one: `svm` or `svm:2`.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class SplitSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="split"):
    """One of the arms, each with the probability that its weight is.

    With `sticky` "unit" all requests of one unit get the same arm, as `salt` and the weights have it.
    """

    weights: dict[str, float]
    sticky: Literal["unit"] | None = None
    salt: str = ""


class VoteSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="vote"):
    """All of the arms. Labels: what most of the weight says; numbers: their mean.

    An answer on which less than `min_confidence` of the weight agrees is the default output. `early` answers
    as soon as the outcome is certain. A number that is `missing` at the deadline is left out, or that arm's
    mean so far stands for it. Without `weights` all arms have the same.
    """

    arms: list[str]
    weights: dict[str, float] = {}
    min_confidence: float = 0.0
    early: bool = False
    missing: Literal["leave out", "mean"] = "leave out"


PolicySpec = SplitSpec | VoteSpec
"""Without one, the first linked model answers."""


def arms_of(spec: PolicySpec) -> list[str]:
    return list(spec.weights) if isinstance(spec, SplitSpec) else spec.arms


def model_of(arm: str) -> str:
    return arm.partition(":")[0]


def in_words(spec: PolicySpec | None) -> str:
    """For the end of a sentence: ... is answered by X."""
    if spec is None:
        return "its first linked model"
    if isinstance(spec, SplitSpec):
        shares = ", ".join(f"{arm} {100 * weight:g} %" for arm, weight in spec.weights.items())
        return f"one of {shares}" + (", the same for each unit" if spec.sticky else "")
    least = (
        f", with the default output below a confidence of {spec.min_confidence:g}"
        if spec.min_confidence
        else ""
    )
    return f"a vote of {', '.join(spec.arms)}{least}"
