"""What query frontends ask and report, and where replicas find them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from clipper_container.errors import BadRequest, Unauthorized

from ...changes import Changes
from ...places import FRONTENDS, ContainerManager, Orchestrator
from ...rollouts import Shares
from ...snapshot import Report
from ..control import Control
from ..frontends import Frontends
from ..querylog import QueryLog
from . import answers, openapi
from .access import Access
from .parameters import WaitS


class QueryFrontends:
    def __init__(
        self,
        control: Control,
        frontends: Frontends,
        manager: ContainerManager,
        changes: Changes,
        access: Access,
        shares: Callable[[], Shares],
        log: QueryLog,
    ) -> None:
        self._control = control
        self._frontends = frontends
        self._manager = manager
        self._changes = changes
        self._access = access
        self._shares = shares
        self._log = log

    def router(self) -> APIRouter:
        return openapi.router(
            ("GET", "/frontends/{frontend}/snapshot", self.snapshot, 200),
            ("GET", "/frontends/{frontend}/shares", self.shares, 200),
            ("POST", "/frontends/{frontend}/report", self.report, 204),
            ("POST", "/frontends/{frontend}/querylog", self.querylog, 204),
            ("PUT", "/frontends/{frontend}/number", self.number, 200),
        )

    def for_replicas(self) -> APIRouter:
        """The way in that checks for itself: a replica's credential is good for it."""
        return openapi.router(("GET", FRONTENDS, self.wires, 200), dependencies=[Depends(openapi.BEARER)])

    async def wires(self, request: Request) -> answers.Wires:
        """Where replicas dial query frontends, on Kubernetes: with the token, or a replica's credential."""
        if not self._access.is_replica(request):
            raise Unauthorized("The bearer token is missing, or not that of a replica.")
        return {"addresses": self._orchestrator().wires()}

    async def snapshot(self, frontend: str, after: int, wait_s: WaitS) -> Response:
        """For query frontends: the next snapshot after a revision, or 204 after `wait_s` seconds."""
        newer = await self._changes.wait_for(lambda: self._control.state.revision != after, wait_s)
        if not newer:
            return Response(status_code=204)
        return Response(msgspec.json.encode(self._control.snapshot()), media_type="application/json")

    async def shares(self, frontend: str, after: int, wait_s: WaitS) -> Response:
        """For query frontends: the shares of rollouts, at once if they are of another epoch than `after`."""
        await self._changes.wait_for(lambda: self._shares().epoch != after, wait_s)
        return Response(msgspec.json.encode(self._shares()), media_type="application/json")

    async def report(self, frontend: str, request: Request) -> None:
        """For query frontends: what they see."""
        try:
            report = msgspec.json.decode(await request.body(), type=Report)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BadRequest(f"This is no report of a query frontend: {error}.") from None
        self._frontends.on_report(report)

    async def querylog(self, frontend: str, request: Request) -> None:
        """For query frontends: a batch of records of the query log."""
        self._log.take(frontend, await request.body())

    async def number(self, frontend: str) -> answers.Number:
        """For query frontends that know their name alone: the number in their query ids."""
        return {"number": self._orchestrator().number(frontend)}

    def _orchestrator(self) -> Orchestrator:
        if not isinstance(self._manager, Orchestrator):
            raise BadRequest("The parts of this cluster are told their numbers, and where the others are.")
        return self._manager
