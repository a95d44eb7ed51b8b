"""Which learner a policy asks for, and what it makes of a memory."""

from __future__ import annotations

from ...policies import (
    BanditSpec,
    Exp3Spec,
    GreedySpec,
    LearnerSpec,
    LinTSSpec,
    PolicySpec,
    ThompsonSpec,
    UCBSpec,
    VoteSpec,
)
from . import greedy, lints, probing, thompson, ucb, weights
from .memory import Memory


def eta_of(spec: PolicySpec | None) -> float:
    """At which rate weights fall with losses; of policies that have none, what would be if they had."""
    return (
        spec.eta if isinstance(spec, Exp3Spec) else weights.VOTE_ETA if isinstance(spec, VoteSpec) else 0.05
    )


def forget_of(spec: PolicySpec | None) -> float:
    return spec.forget if isinstance(spec, LearnerSpec | VoteSpec) else 0.0


def notices(spec: PolicySpec | None) -> bool:
    """Whether it wants to be told of an arm that is another one of a sudden, as what it learns it forgets."""
    return isinstance(spec, GreedySpec | UCBSpec | ThompsonSpec | Exp3Spec) and spec.forget > 0


def floor_of(spec: PolicySpec, count: int) -> float:
    """The least probability that one of so many arms has; a vote's weights have none."""
    return spec.explore / count if isinstance(spec, LearnerSpec) else 0.0


def learn(spec: BanditSpec | VoteSpec, memory: Memory, arms: tuple[str, ...]) -> list[float]:
    """Each arm's probability, or its weight in a vote, in their order. They sum up to 1. Of what depends on
    a query's numbers, see `lints`.
    """
    eta = eta_of(spec)
    memory.join(tuple(dict.fromkeys(arms)), eta)
    known = [memory.arms[arm] for arm in arms]
    if isinstance(spec, LinTSSpec):
        return lints.shares(known)
    if isinstance(spec, VoteSpec | Exp3Spec):
        found = weights.probabilities(known, eta)
    elif isinstance(spec, GreedySpec):
        found = greedy.probabilities(known)
    elif isinstance(spec, UCBSpec):
        found = ucb.probabilities(known, spec.c, memory.coming)
    else:
        found = thompson.probabilities(known)
    if isinstance(spec, VoteSpec):
        return found
    floor = floor_of(spec, len(arms))
    if notices(spec):
        found = probing.raised(found, [max(0.0, share - floor) for share in probing.shares(memory, arms)])
    return [floor + (1 - spec.explore) * each for each in found]
