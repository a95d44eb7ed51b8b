"""SageMaker's port: its adapters by path, and what is answered without asking a model."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.responses import Response as HTTPResponse
from starlette.routing import Route
from starlette.types import ASGIApp

import clipper_server

from ....methods import HeadAsGet, allowed
from ...cors import WithCORS
from .. import Adapter, Served
from ..answering import sent
from .bodies import Bodies
from .invocations import MAX_BODY, Endpoint, Invocations, failure, now, told
from .signatures import Unsigned, check

if TYPE_CHECKING:
    from ..protos import Protos


class SageMaker:
    protos: Protos | None = None
    methods: Mapping[str, Any] = {}

    def __init__(self, served: Served) -> None:
        self._served = served
        self.routes: Mapping[bytes, Adapter] = {}
        self._bodies: dict[str, Bodies] = {}
        self._keys: Mapping[str, str] | None = None
        self.app: ASGIApp | None = WithCORS(HeadAsGet(self._answers()), served)
        self.configure()

    def configure(self) -> None:
        served = self._served
        # What had a key is not open to all when it has none any more: its port is about to close.
        if served.keys or not served.is_local or self._keys is not None:
            self._keys = served.keys
        keys = self._keys
        routes: dict[bytes, Adapter] = {}
        before, self._bodies = self._bodies, {}
        for name, application in served.applications.items():
            bodies = before.get(name)
            if bodies is None or bodies.application is not application or bodies.limits != served.limits:
                bodies = Bodies(application, served.limits)
            self._bodies[name] = bodies
            path = f"/endpoints/{name}/invocations"
            routes[path.encode()] = Endpoint(bodies, path, keys)
            paths = [f"/{name}/invocations"]
            if len(served.applications) == 1:
                paths.append("/invocations")
            for path in paths:
                routes[path.encode()] = Invocations(bodies, path, keys)
        self.routes = routes

    def _answers(self) -> Starlette:
        found = Starlette(
            routes=[
                Route("/ping", self._ping),
                Route("/health", self._ping),
                Route("/version", self._version),
                Route("/invocations", self._which, methods=["POST"]),
                Route("/{application}/invocations", self._unknown, methods=["POST"]),
                Route("/endpoints/{application}/invocations", self._no_endpoint, methods=["POST"]),
                *(
                    Route(f"/endpoints/{{application}}/{what}", self._not_here, methods=["POST"])
                    for what in ("invocations-response-stream", "async-invocations")
                ),
            ],
            exception_handlers={404: self._nothing, 405: self._method},
        )
        found.router.redirect_slashes = False
        return found

    async def _ping(self, _: Request) -> HTTPResponse:
        """Whether there is something to ask; in MLflow's words, which SageMaker does not read."""
        return PlainTextResponse("\n", 200 if self._served.applications else 404)

    async def _version(self, _: Request) -> HTTPResponse:
        return PlainTextResponse(clipper_server.__version__)

    async def _which(self, request: Request) -> HTTPResponse:
        if (error := await self._unsigned(request)) is not None:
            return _mlflow(403, str(error))
        if not self._served.applications:
            return _mlflow(404, "There is no application. register_application makes one.")
        return _mlflow(
            400, f"There are several applications: {self._names()}. POST to /<application>/invocations."
        )

    async def _unknown(self, request: Request) -> HTTPResponse:
        if (error := await self._unsigned(request)) is not None:
            return _mlflow(403, str(error))
        name = request.path_params["application"]
        return _mlflow(404, f"There is no application {name!r}. Applications: {self._names()}.")

    async def _no_endpoint(self, request: Request) -> HTTPResponse:
        if (error := await self._unsigned(request)) is not None:
            return sent(failure(403, error.code, str(error)))
        name = request.path_params["application"]
        text = f"Endpoint {name} is not found. The applications are endpoints: {self._names()}."
        return sent(failure(400, "ValidationError", text))

    async def _not_here(self, request: Request) -> HTTPResponse:
        what = request.scope["path"].rpartition("/")[2]
        text = f"Endpoint {request.path_params['application']} has no {what}: use invoke_endpoint."
        return sent(failure(400, "ValidationError", text))

    async def _nothing(self, request: Request, _error: Exception) -> HTTPResponse:
        text = (
            f"There is nothing at {request.scope['path']}. Rows go to /endpoints/<application>/invocations."
        )
        if request.scope["path"].startswith("/endpoints/"):
            return sent(failure(404, "UnknownOperationException", text))
        return _mlflow(404, text)

    async def _method(self, request: Request, _error: Exception) -> HTTPResponse:
        methods = allowed(request)
        text = f"Send a {' or '.join(methods)} to {request.scope['path']}."
        if request.scope["path"].startswith("/endpoints/"):
            found = sent(failure(405, "UnknownOperationException", text))
        else:
            found = _mlflow(405, text)
        found.headers["allow"] = ", ".join(methods)
        return found

    async def _unsigned(self, request: Request) -> Unsigned | None:
        """Why the client is not told which applications there are, if it is not."""
        if self._keys is None:
            return None
        body = bytearray()
        with suppress(ClientDisconnect):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:  # and the signature is not that of a part
                    break
        scope = request.scope
        try:
            check(self._keys, scope["raw_path"].decode("latin-1"), dict(scope["headers"]), body, now())
        except Unsigned as error:
            return error
        return None

    def _names(self) -> str:
        return ", ".join(sorted(self._served.applications)) or "none yet"


def _mlflow(status: int, text: str) -> HTTPResponse:
    return HTTPResponse(told(status, text), status, media_type="application/json")


def speak(served: Served) -> SageMaker:
    return SageMaker(served)
