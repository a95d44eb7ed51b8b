"""Rollouts of models."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from fastapi import APIRouter
from pydantic import Field

from clipper_container.errors import BadRequest

from ..control import Control
from ..control.rollouts import GUARDRAILS
from ..rollouts import Rollouts as Runner
from ..state import Guardrail, Rollout
from . import answers, openapi
from .bodies import Body, Number
from .current import Message
from .parameters import Who


class NewRollout(Body):
    """Without guardrails those that there are by default; with an empty list none."""

    version: str
    steps: list[Number] = Field(default=[0.05, 0.2, 0.5, 1.0])
    hold_s: Number = 60.0
    guardrails: list[dict[str, Any]] | None = None
    observe: bool = False
    sticky: Literal["unit"] | None = None
    applications: Literal["all"] | None = None
    message: str = Field(default="", max_length=2000)


class Rollouts:
    def __init__(self, control: Control, runner: Runner) -> None:
        self._control = control
        self._runner = runner

    def router(self) -> APIRouter:
        return openapi.router(
            ("GET", "/models/{model}/rollouts", self.rollouts, 200),
            ("POST", "/models/{model}/rollout", self.start_rollout, 201),
            ("POST", "/models/{model}/rollout/pause", self.pause_rollout, 200),
            ("POST", "/models/{model}/rollout/resume", self.resume_rollout, 200),
            ("POST", "/models/{model}/rollout/promote", self.promote_rollout, 200),
            ("POST", "/models/{model}/rollout/abort", self.abort_rollout, 200),
        )

    async def rollouts(self, model: str) -> list[answers.Rollout]:
        """All of the model's, the last one at the end, with the evidence of the one that runs."""
        return [self._described(rollout) for rollout in self._control.rollouts.of(model)]

    def last(self) -> list[answers.Rollout]:
        """Each model's last one."""
        return [self._described(rollout) for rollout in self._control.rollouts.last()]

    async def start_rollout(self, model: str, new: NewRollout, x_clipper_who: Who = "") -> answers.Rollout:
        """Move the model from its current version to another one, step by step, as guardrails allow."""
        try:
            rails = GUARDRAILS if new.guardrails is None else msgspec.convert(new.guardrails, list[Guardrail])
        except msgspec.ValidationError as error:
            kinds = "errors, late, defaults or latency_p95, and a `tolerance`"
            raise BadRequest(
                f"{error}. A guardrail has a `kind`, {kinds}; or the kind reward, and `by`."
            ) from None
        wanted = Rollout(
            *(0, model, "", new.version, new.steps, new.hold_s, rails, new.observe, new.sticky is not None),
            *("running", 0, "", x_clipper_who, new.message, 0.0, None),
        )
        return self._described(await self._control.rollouts.start(wanted, new.applications))

    async def pause_rollout(self, model: str) -> answers.Rollout:
        """Take no step and do not go back, until it is resumed."""
        return self._described(await self._control.rollouts.pause(model))

    async def resume_rollout(self, model: str) -> answers.Rollout:
        """Go on after a pause."""
        return self._described(await self._control.rollouts.resume(model))

    async def promote_rollout(self, model: str, why: Message, x_clipper_who: Who = "") -> answers.Rollout:
        """Make the new version current now."""
        return self._described(await self._control.rollouts.promote(model, x_clipper_who, why.message))

    async def abort_rollout(self, model: str, why: Message, x_clipper_who: Who = "") -> answers.Rollout:
        """Let the version before answer all again."""
        return self._described(await self._control.rollouts.abort(model, x_clipper_who, why.message))

    def _described(self, rollout: Rollout) -> answers.Rollout:
        found: answers.Rollout = msgspec.to_builtins(rollout)
        found["share"] = rollout.share
        found["evidence"] = self._runner.evidence(rollout)
        return found
