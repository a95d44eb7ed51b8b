"""Policies: how applications choose among their models."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter
from pydantic import Field

from clipper_container.errors import BadRequest

from ...policies import PolicySpec, in_words
from ..control import Control, find
from . import answers, openapi
from .bodies import Body
from .parameters import Who


class NewPolicy(Body):
    """`kind` is split, vote, cascade, greedy, ucb, thompson, exp3 or lints, beside its options; null: the
    first linked model answers.
    """

    policy: dict[str, Any] | None
    message: str = Field(default="", max_length=2000)


class Policies:
    def __init__(self, control: Control) -> None:
        self._control = control

    def router(self) -> APIRouter:
        return openapi.router(
            ("GET", "/applications/{name}/policy", self.policy, 200),
            ("PUT", "/applications/{name}/policy", self.set_policy, 200),
        )

    async def policy(self, name: str) -> answers.Policy:
        """How the application chooses among its models, and who made it so, when and why."""
        spec = find.application(self._control.state, name).policy
        history = self._control.policies.history(name)
        return {
            "policy": msgspec.to_builtins(spec),
            "text": in_words(spec),
            "history": [msgspec.to_builtins(move) for move in history],
        }

    async def set_policy(self, name: str, new: NewPolicy, x_clipper_who: Who = "") -> answers.Policy:
        """Let it choose otherwise, for the queries that come from now on."""
        try:
            spec = msgspec.convert(new.policy, PolicySpec | None)
        except msgspec.ValidationError as error:
            raise BadRequest(
                f"{error}. A policy is of the kind split, with `weights` and `sticky`; vote, with `arms`, "
                "`weights`, `learned`, `forget`, `min_confidence`, `early` and `missing`; cascade, "
                "with `arms`, `below` and `rule`; or one that learns: greedy, ucb, with `c`, thompson, exp3, "
                "with `eta`, or lints, with `features`, each with `arms`, `explore` and `forget`."
            ) from None
        await self._control.policies.set(name, spec, x_clipper_who, new.message)
        return await self.policy(name)
