"""Labels of versions."""

from __future__ import annotations

from fastapi import APIRouter

from ..control import Control
from . import answers, openapi
from .bodies import Body
from .describe import Describe
from .parameters import Who


class LabelledVersion(Body):
    version: str


class Labels:
    def __init__(self, control: Control, describe: Describe) -> None:
        self._labels = control.labels
        self._describe = describe

    def router(self) -> APIRouter:
        return openapi.router(
            ("PUT", "/models/{model}/labels/{label}", self.set_label, 200),
            ("DELETE", "/models/{model}/labels/{label}", self.remove_label, 204),
        )

    async def set_label(
        self, model: str, label: str, labelled: LabelledVersion, x_clipper_who: Who = ""
    ) -> answers.Version:
        """Let clients ask for this version by the label; one that has it has it no more."""
        return self._describe(await self._labels.set(model, label, labelled.version, x_clipper_who))

    async def remove_label(self, model: str, label: str, x_clipper_who: Who = "") -> None:
        """Take the label from the version that has it."""
        await self._labels.remove(model, label, x_clipper_who)
