"""What is known of an application's contexts, as frontends and people are told of it."""

from __future__ import annotations

from typing import NamedTuple

from ...feedback import Row
from ..learning import lints
from ..learning.memory import Arm, Memory
from .context import Context
from .counts import Counts
from .plan import Plan


class Known(NamedTuple):
    """Of one context: its row, its arms, and what their numbers are worth where it learns by any."""

    row: dict[str, float]
    arms: dict[str, Arm]
    coefficients: dict[str, list[float]]


class Learned(NamedTuple):
    """Of one application: its contexts, what was counted, and its part of `Sums.regrets`."""

    contexts: dict[str, Known]
    counts: Counts
    regret: tuple[float, float] | None


def row_of(
    application: str, name: str, weights: dict[str, float], context: Context, plan: Plan | None, epoch: int
) -> Row:
    """Of one context, with draws of what is known of the arms, where they are chosen by numbers."""
    if not weights or name or plan is None or not plan.features:
        return Row(application, name, weights)
    known = [context.memory.arms.get(version, Arm()) for version in plan.arms.values()]
    drawn = lints.draws(known, plan.features, plan.forget, epoch)
    return Row(application, name, weights, dict(zip(plan.arms, drawn, strict=True)))


def coefficients_of(memory: Memory, plan: Plan) -> dict[str, list[float]]:
    """What each number of a query is worth with an arm, the constant first."""
    return {
        arm: lints.coefficients(memory.arms.get(arm, Arm()), plan.features, plan.forget)
        for arm in plan.active
    }
