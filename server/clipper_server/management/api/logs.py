"""The logs of the cluster's processes."""

from __future__ import annotations

from fastapi import APIRouter

from ...places import ContainerManager
from . import answers, openapi
from .parameters import Id


class Logs:
    def __init__(self, manager: ContainerManager) -> None:
        self._manager = manager

    def router(self) -> APIRouter:
        return openapi.router(
            ("GET", "/logs", self.logs, 200),
            ("GET", "/logs/{name}", self.log, 200),
        )

    async def logs(self) -> dict[str, str]:
        """The last part of each process's log."""
        return await self._manager.logs()

    async def log(self, name: str, after: Id = 0) -> answers.Log:
        """A process's log from a position on, and the position to go on from."""
        text, position = await self._manager.log(name, after)
        return {"text": text, "position": position}
