"""How an application chooses among its models, and makes one answer of theirs: as it is asked for.

An arm is a linked model, which is its current version, or one version of one: `svm` or `svm:2`.
"""

from __future__ import annotations

from typing import Literal, get_args

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

    An answer that has less than `min_confidence` of the weight behind it is the default output: behind a
    label is who says the same, behind a mean who is in time. `early` answers as soon as the outcome is
    certain. A number that is `missing` at the deadline is left out, or that arm's mean so far stands for it.
    Without `weights` all arms have the same, or those that are `learned` of feedback, of which the part
    `forget` is forgotten with each.
    """

    arms: list[str]
    weights: dict[str, float] = {}
    learned: bool = False
    forget: float = 0.001
    min_confidence: float = 0.0
    early: bool = False
    missing: Literal["leave out", "mean"] = "leave out"


class CascadeSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="cascade"):
    """The arms one after the other, the cheapest first, until one is sure enough of what it says.

    Its confidence is a "field" beside its output, {"output": ..., "confidence": ...}, or the "max" of the
    probabilities that its output is a list of. `below` is where the next arm is asked.
    """

    arms: list[str]
    below: float
    rule: Literal["field", "max"] = "field"


class LearnerSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """One of the arms, mostly the one of which feedback says best.

    A part `explore` of the queries goes to all arms alike. With each reward the part `forget` of what was
    learned before is forgotten.
    """

    arms: list[str]
    explore: float = 0.05
    forget: float = 0.001


class GreedySpec(LearnerSpec, frozen=True, tag="greedy"):
    """The best mean so far; `explore` is epsilon."""

    explore: float = 0.1
    forget: float = 0.004


class UCBSpec(LearnerSpec, frozen=True, tag="ucb"):
    """The highest upper confidence bound: the mean + sqrt(c ln t / n)."""

    c: float = 0.25
    explore: float = 0.08
    forget: float = 0.0003


class ThompsonSpec(LearnerSpec, frozen=True, tag="thompson"):
    """Each arm as often as it is likely to be the best, by Beta posteriors."""


class Exp3Spec(LearnerSpec, frozen=True, tag="exp3"):
    """By weights that fall with an arm's losses, at the rate `eta`. It trusts in no distribution."""

    eta: float = 0.05
    forget: float = 0.00015


class LinTSSpec(LearnerSpec, frozen=True, kw_only=True, tag="lints"):
    """Each arm as often as it is likely to be the best for the numbers that a query says, `features` of them:
    linear Thompson sampling. Rewards are taken for a constant and a weighted sum of these.
    """

    features: int


BanditSpec = GreedySpec | UCBSpec | ThompsonSpec | Exp3Spec | LinTSSpec
PolicySpec = SplitSpec | VoteSpec | CascadeSpec | BanditSpec
"""Without one, the first linked model answers."""
KINDS: dict[str, type[msgspec.Struct]] = {str(of.__struct_config__.tag): of for of in get_args(PolicySpec)}
"""By their names."""


def arms_of(spec: PolicySpec) -> list[str]:
    return list(spec.weights) if isinstance(spec, SplitSpec) else spec.arms


def learns(spec: PolicySpec | None) -> bool:
    """Whether it wants feedback."""
    return isinstance(spec, LearnerSpec) or (isinstance(spec, VoteSpec) and spec.learned)


def features_of(spec: PolicySpec | None) -> int:
    """How many numbers the context of a query is; 0: it is a text."""
    return spec.features if isinstance(spec, LinTSSpec) else 0


def model_of(arm: str) -> str:
    return arm.partition(":")[0]


def in_words(spec: PolicySpec | None) -> str:
    """For the end of a sentence: ... is answered by X."""
    if spec is None:
        return "its first linked model"
    if isinstance(spec, SplitSpec):
        shares = ", ".join(f"{arm} {100 * weight:g} %" for arm, weight in spec.weights.items())
        return f"one of {shares}" + (", the same for each unit" if spec.sticky else "")
    if isinstance(spec, CascadeSpec):
        return f"a cascade of {', '.join(spec.arms)}, which goes on below a confidence of {spec.below:g}"
    if isinstance(spec, LearnerSpec):
        by = f" by {spec.features} numbers a query" if isinstance(spec, LinTSSpec) else ""
        return f"{spec.__struct_config__.tag}, which learns among {', '.join(spec.arms)}{by}"
    least = (
        f", with the default output below a confidence of {spec.min_confidence:g}"
        if spec.min_confidence
        else ""
    )
    learned = ", with learned weights" if spec.learned else ""
    return f"a vote of {', '.join(spec.arms)}{learned}{least}"
