"""What is under way with models: a line for each rollout and each shadow that runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..management import Rollout, Shadow


class Change(NamedTuple):
    """`version` is the one that is tried."""

    model: str
    version: str
    line: str


def changes(rollouts: Iterable[Rollout], shadows: Iterable[Shadow]) -> list[Change]:
    """Of all models."""
    live = [each for each in rollouts if each["ended_at"] is None]
    beside = [each for each in shadows if each["ended_at"] is None]
    found = [Change(each["model"], each["canary"], _rollout(each)) for each in live]
    return found + [Change(each["model"], each["version"], _shadow(each)) for each in beside]


def under_way(
    rollouts: Iterable[Rollout], shadows: Iterable[Shadow], models: Collection[str] | None = None
) -> list[str]:
    """Of these models, or of all."""
    found = changes(rollouts, shadows)
    return [change.line for change in found if models is None or change.model in models]


def _rollout(told: Rollout) -> str:
    model, step = told["model"], f"at step {told['step'] + 1} of {len(told['steps'])}"
    return (
        f"{model}:{told['canary']} has {100 * told['share']:.3g} % of the queries, {model}:{told['control']} "
        f"the others: a rollout, {step}, {told['state']}"
    )


def _shadow(told: Shadow) -> str:
    return (
        f"{told['model']}:{told['version']} is asked too for {100 * told['fraction']:.3g} % of the inputs, "
        "and answers nobody: a shadow"
    )
