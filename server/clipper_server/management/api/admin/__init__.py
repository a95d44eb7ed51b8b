"""Clipper's own calls, `/admin/...`: a thin façade over Control, for programs that were written for Clipper.

Clipper's JSON in, its texts and JSON out, and failures as 400 with its sentences in plain text. What differs:
every call but `ping` needs the bearer token (401 without it); several models may be linked to one
application; what cannot be read, written or held is a 503 or 413, as everywhere; and a model that is added
here runs elsewhere and dials in, because what the cluster runs is an artifact, not an image.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response, params
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.routing import APIRoute

from clipper_container.errors import BadRequest

from ...control import Control
from ...observations import Observations, clipper_names
from .. import refusals
from ..bodies import Body
from ..replicas import Replicas
from .applications import Applications
from .containers import Containers
from .models import Models


class UserState(Body):
    app_name: str
    uid: int


class _PlainFailures(APIRoute):
    """Failures as Clipper has them: the sentence, in plain text."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def plainly(request: Request) -> Response:
            try:
                return await handle(request)
            except refusals.KINDS as error:
                refusal, status = refusals.told(error)
                status = 400 if status in (404, 409) else status
                headers = refusals.headers(status)
                return PlainTextResponse(refusals.text(refusal), status, headers=headers)

        return plainly


class Admin:
    """The calls."""

    def __init__(self, control: Control, observations: Observations, replicas: Replicas) -> None:
        self._observations = observations
        self._applications = Applications(control)
        self._models = Models(control)
        self._containers = Containers(replicas)

    def build(self, secured: Sequence[params.Depends]) -> APIRouter:
        """The routes; all but `ping` depend on `secured`."""
        router = APIRouter(prefix="/admin", route_class=_PlainFailures, tags=["Clipper's own calls"])
        router.add_api_route("/ping", self.ping, response_class=PlainTextResponse, operation_id="admin_ping")
        applications, models, containers = self._applications, self._models, self._containers
        texts: tuple[Callable[..., Any], ...] = (
            *(applications.add_app, applications.delete_app),
            *(applications.add_model_links, applications.delete_model_links),
            *(models.add_model, models.delete_versioned_model, models.set_model_version, self.get_state),
        )
        others: tuple[Callable[..., Any], ...] = (
            *(applications.get_linked_models, applications.get_all_applications, models.get_all_models),
            *(containers.get_all_containers, applications.get_application, models.get_model),
            containers.get_container,
        )
        for call in (*texts, *others, self.metrics):
            name = call.__name__
            router.add_api_route(
                f"/{name}",
                call,
                methods=["GET" if name == "metrics" else "POST"],
                dependencies=secured,
                operation_id=f"admin_{name}",
                responses=_FAILURES,
                response_class=PlainTextResponse if call in texts else JSONResponse,
            )
        return router

    async def ping(self) -> str:
        """Management answers. Needs no token."""
        return "PONG"

    async def get_state(self, wanted: UserState) -> str:
        """Always 400: nothing here keeps a state for each user."""
        raise BadRequest(
            f"Nothing is kept for user {wanted.uid} of application {wanted.app_name!r}: no application has a "
            "state for each user. /admin/get_application tells what there is."
        )

    async def metrics(self) -> dict[str, Any]:
        """The metrics of all live query frontends, under Clipper's names."""
        return await clipper_names(await self._observations.metrics())


_FAILURES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": description,
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
    for status, description in (
        (400, "Why not, in a sentence."),
        (401, "The bearer token is missing or wrong."),
        (413, "The body is too large."),
        (503, "Management cannot use its files."),
    )
}
