"""Rollouts: from one version of a model to another, by steps and evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from clipper_container.errors import NotFound
from clipper_container.steps import check_steps

from ..display import Shown, workbench
from ..display.rollout import Rollout
from ..policies import Guardrail, NoMore, plain_guardrails
from .views import Views

DEFAULT_STEPS = (0.05, 0.2, 0.5, 1.0)
DEFAULT_GUARDRAILS: tuple[NoMore, ...] = (
    NoMore("errors"),
    NoMore("late", 1.2),
    NoMore("defaults"),
    NoMore("latency_p95", 1.3),
)


class Rollouts(Views):
    """Operations on rollouts."""

    def start_rollout(
        self,
        name: str,
        version: object,
        *,
        steps: Sequence[float] = DEFAULT_STEPS,
        hold_s: float = 60.0,
        guardrails: Sequence[Guardrail] = DEFAULT_GUARDRAILS,
        observe: bool = False,
        sticky: Literal["unit"] | None = None,
        applications: Literal["all"] | None = None,
        message: str = "",
    ) -> Rollout:
        """Move the model from its current version to another one, step by step: a canary.

        `steps` are the new version's shares of the queries, each held for `hold_s` seconds at least; the step
        to 1 makes it current. `guardrails` compare it with the version before at the same time: where one
        shows that it is worse, that version answers all again at once, and the events have the numbers. By
        default they are NoMore("errors"), NoMore("late", 1.2), NoMore("defaults") and NoMore("latency_p95",
        1.3). NoLess("reward", by=0.02) goes by feedback, and holds each step until there is enough of it.
        With `observe` they only tell. Without a step to 1 it goes on until it is promoted or aborted: an A/B
        test. `sticky` and units are as in `policies.Split`. Where several applications ask for the model's
        current version, `applications="all"` says that all are meant. Raises NotFound, BadRequest, or
        AlreadyExists where the model has a rollout that runs.

        >>> rollout = conn.start_rollout("digits", 1, steps=[0.1, 1], hold_s=600, message="bayes again")
        >>> rollout.share
        0.1
        >>> rollout.abort("only a try")
        """
        fields: dict[str, Any] = {
            "version": str(version),
            "steps": check_steps(steps),
            "hold_s": hold_s,
            "guardrails": plain_guardrails(guardrails),
            "observe": observe,
            "sticky": sticky,
            "applications": applications,
            "message": message,
        }
        self._management.start_rollout(name, fields)
        return self.rollout(name)

    def rollout(self, name: str) -> Rollout:
        """The model's last rollout, which may have ended. Raises NotFound where there was none.

        >>> started = conn.start_rollout("digits", 1)
        >>> conn.rollout("digits").state
        'running'
        """

        def view() -> Shown:
            shown: Shown = self._viewing.begin(workbench("views").RolloutView(self, name))
            return shown

        rollout = Rollout(self._management, name, view)
        if not rollout.all:
            raise NotFound(f"Model {name} has had no rollout: start_rollout begins one.")
        return rollout
