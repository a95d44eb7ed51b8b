"""Which version of a model is current, and which were."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter
from pydantic import Field

from ..control import Control
from . import answers, openapi
from .bodies import Body
from .describe import Describe
from .parameters import Who


class CurrentVersion(Body):
    version: str
    message: str = Field(default="", max_length=2000)


class Message(Body):
    message: str = Field(default="", max_length=2000)


class Current:
    def __init__(self, control: Control, describe: Describe) -> None:
        self._control = control
        self._describe = describe

    def router(self) -> APIRouter:
        return openapi.router(
            ("GET", "/models/{model}/history", self.history, 200),
            ("PUT", "/models/{model}/current", self.set_current, 200),
            ("POST", "/models/{model}/rollback", self.roll_back, 200),
        )

    async def history(self, model: str) -> list[answers.Move]:
        """Who made which version current, when and why; the last move at the end."""
        return [msgspec.to_builtins(move) for move in self._control.current.history(model)]

    async def set_current(
        self, model: str, current: CurrentVersion, x_clipper_who: Who = ""
    ) -> answers.Version:
        """Go back or forward: a move of the pointer to a version whose replicas run."""
        moved = await self._control.current.set(model, current.version, x_clipper_who, current.message)
        return self._describe(moved)

    async def roll_back(self, model: str, why: Message, x_clipper_who: Who = "") -> answers.Version:
        """Go back to the version before the current one."""
        return self._describe(await self._control.current.roll_back(model, x_clipper_who, why.message))
