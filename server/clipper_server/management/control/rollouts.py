"""Rollouts: begun, paused and ended, and what would contradict one that runs."""

from __future__ import annotations

import math

import msgspec

from clipper_container.errors import AlreadyExists, BadRequest, NotFound
from clipper_container.steps import check_steps

from ...snapshot import ApplicationSpec
from ..able import check_able
from ..frontends import Frontends
from ..state import Guardrail, Rollout, State, Version
from . import find, uses
from .fit import check_fits
from .publisher import Publisher, by
from .shadows import check_no_shadow

GUARDRAILS = [
    Guardrail("errors"),
    Guardrail("late", 1.2),
    Guardrail("defaults"),
    Guardrail("latency_p95", 1.3),
]
"""Where none are given."""
END = "promote or abort it first: `conn.rollout(model)` has both"


class Rollouts:
    """One a model has at most. A step is management's own affair: `management/rollouts.py`."""

    def __init__(self, state: State, frontends: Frontends, publisher: Publisher) -> None:
        self._state = state
        self._frontends = frontends
        self._publisher = publisher

    def of(self, model: str) -> list[Rollout]:
        """All of the model, the last one at the end. Raises NotFound."""
        found = self._state.rollouts(model)
        if not found:
            find.versions(self._state, model)
        return found

    def last(self) -> list[Rollout]:
        """Each model's last one."""
        return self._state.last_rollouts()

    async def start(self, wanted: Rollout, applications: str | None) -> Rollout:
        """Begin with the first step. Of `wanted` the control is found here."""
        canary = find.version(self._state, wanted.model, wanted.canary)
        control = self._state.current().get(wanted.model)
        if control is None:
            raise BadRequest(
                f"Model {wanted.model} has no current version to roll out from: make one current."
            )
        if control == wanted.canary:
            raise BadRequest(f"{canary} is current already.")
        if canary.state != "ready":
            raise BadRequest(f"{canary} cannot answer: it is {canary.state}.")
        check_able(canary, self._frontends)
        check_fits(self._state, canary)
        if (runs := self._state.rollout_of(wanted.model)) is not None:
            raise AlreadyExists(f"A model has one rollout at a time, and the {runs} runs already: {END}.")
        coming = [v for v in self._state.versions() if v.model == wanted.model and v.state == "starting"]
        if any(version.make_current for version in coming):
            raise BadRequest(
                f"{coming[0]} is being deployed, and becomes current when it is ready: wait for it."
            )
        applications_asking = [a for a in self._state.applications() if a.asks(wanted.model)]
        asking = [a.name for a in applications_asking]
        if not asking and not uses.is_used(self._state, wanted.model):
            raise BadRequest(
                f"No application asks for the current version of {wanted.model}, and no model that answers "
                "uses it, so nothing would be seen. set_model_version makes a version current at once."
            )
        if len(asking) > 1 and applications != "all":
            raise BadRequest(
                f"{', '.join(asking)} ask for the current version of {wanted.model}, and a rollout is for "
                'all of them: say so with applications="all".'
            )
        check_no_shadow(self._state, wanted.model, wanted.canary, f"{canary} cannot answer")
        _check(wanted)
        if wanted.compares_rewards and not any(a.feedback for a in applications_asking):
            raise BadRequest(
                f"{', '.join(asking)} collects no feedback, so there are no rewards to compare. "
                f"collect_feedback({asking[0]!r}) starts it."
                if asking
                else f"No application asks for {wanted.model} itself, so there are no rewards to compare."
            )
        started = self._state.add_rollout(msgspec.structs.replace(wanted, control=control))
        text = (
            f"{started.model}:{started.canary} gets {started.steps[0]:.0%} of the queries of {started.model}:"
            f"{started.control}: a rollout begins{by(started.who, started.message)}."
        )
        await self._publisher.publish("rollout", text, model=started.model, version=started.canary)
        return started

    async def pause(self, model: str) -> Rollout:
        """Take no step, and do not go back, until it is resumed."""
        return await self._set(model, "running", "paused")

    async def resume(self, model: str) -> Rollout:
        return await self._set(model, "paused", "running")

    async def promote(self, model: str, who: str, message: str) -> Rollout:
        """Make the new version current now. Raises BadRequest where it could not answer."""
        rollout = self.live(model)
        check_able(find.version(self._state, model, rollout.canary), self._frontends)
        self._state.passed(rollout, "Promoted.", who, message)
        text = f"{model}:{rollout.canary} is current: its rollout was promoted{by(who, message)}."
        await self._publisher.publish("rollout", text, model=model, version=rollout.canary)
        return self._state.rollouts(model)[-1]

    async def abort(self, model: str, who: str, message: str) -> Rollout:
        """Let the version before answer all again."""
        rollout = self.live(model)
        self._state.taken_back(rollout, "aborted", f"Aborted{by(who, message)}.", who, message)
        text = f"{model}:{rollout.control} answers all again: the {rollout} was aborted{by(who, message)}."
        await self._publisher.publish("rollout", text, model=model, version=rollout.canary)
        return self._state.rollouts(model)[-1]

    def live(self, model: str) -> Rollout:
        """The one that runs. Raises NotFound."""
        found = self._state.rollout_of(model)
        if found is None:
            find.versions(self._state, model)
            raise NotFound(
                f"Model {model} has no rollout that runs. start_rollout begins one, and set_model_version "
                "makes a version current."
            )
        return found

    async def _set(self, model: str, before: str, after: str) -> Rollout:
        rollout = self.live(model)
        if rollout.state != before:
            raise BadRequest(f"The {rollout} is {rollout.state}.")
        self._state.set_rollout_state(rollout, "paused" if after == "paused" else "running")
        text = f"The {rollout} is {after}."
        self._publisher.announce("rollout", text, model=model, version=rollout.canary)
        return self.live(model)


def check_no_rollout(state: State, model: str, what: str) -> None:
    """Raises BadRequest where one runs that `what` would contradict."""
    rollout = state.rollout_of(model)
    if rollout is not None:
        raise BadRequest(f"{what}, while the {rollout} runs: {END}.")


def check_remove(state: State, version: Version, what: str = "be removed") -> None:
    """Raises BadRequest where a rollout that runs needs the version."""
    rollout = state.rollout_of(version.model)
    if rollout is not None and version.version in (rollout.control, rollout.canary):
        raise BadRequest(f"{version} cannot {what}, while the {rollout} runs: {END}.")


def check_no_feedback(state: State, application: ApplicationSpec) -> None:
    """Raises BadRequest where a rollout that runs goes by the feedback of the application."""
    for rollout in state.live_rollouts():
        if rollout.compares_rewards and application.asks(rollout.model):
            raise BadRequest(
                f"{application.name} has to collect feedback, while the {rollout} goes by it: {END}."
            )


def _check(rollout: Rollout) -> None:
    check_steps(rollout.steps)
    if not 0 <= rollout.hold_s < math.inf:
        raise BadRequest("hold_s is for how many seconds each step is held at least: 0 or more.")
    kinds = [rail.kind for rail in rollout.guardrails]
    if len(set(kinds)) < len(kinds):
        raise BadRequest("Of each kind there is one guardrail at most.")
    for rail in rollout.guardrails:
        if rail.kind == "reward":
            if rail.by is None or rail.tolerance != 1:
                raise BadRequest(
                    'A reward has no tolerance, but `by`, how much lower its mean may be: P.NoLess("reward", '
                    "by=0.02)."
                )
            if not 0 <= rail.by < 1:
                raise BadRequest(
                    "`by` is how much lower the mean reward may be: 0 or more, and less than 1, as rewards "
                    f"are from 0 to 1; and not {rail.by:g}."
                )
        elif rail.by is not None:
            raise BadRequest(
                f"Only of a reward there may be no less: of {rail.kind} P.NoMore({rail.kind!r}) is meant."
            )
        elif not 1 <= rail.tolerance < math.inf:
            raise BadRequest(f"The tolerance of {rail.kind} is how many times as much is allowed: 1 or more.")
    if rollout.observe and not rollout.guardrails:
        raise BadRequest("Without guardrails there is nothing to observe.")
