"""Azure's port: its adapters by path, its health and its swagger, and scores by GET."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.responses import Response as HTTPResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from ....methods import HeadAsGet, allowed
from ...cors import WithCORS
from ...limits import too_long
from .. import Adapter, Refused, Served
from ..answering import answered, sent
from .scoring import Scoring, ids, refusal
from .swagger import VERSIONS, described


class AzureML:
    protos = None
    methods: Mapping[str, Any] = {}

    def __init__(self, served: Served) -> None:
        self._served = served
        self.routes: Mapping[bytes, Adapter] = {}
        self.app: ASGIApp = WithCORS(HeadAsGet(self._answers()), served)
        self.configure()

    def configure(self) -> None:
        applications = self._served.applications
        routes: dict[bytes, Adapter] = {}
        for name, application in applications.items():
            path = f"/{name}/score".encode()
            scoring = self.routes.get(path)
            limits = self._served.limits
            if scoring is None or scoring.application is not application or scoring.limits != limits:
                scoring = Scoring(application, limits)
            routes[path] = scoring
            if len(applications) == 1:
                routes[b"/score"] = scoring
        self.routes = routes

    def _answers(self) -> Starlette:
        both = ("GET", "POST", "OPTIONS")
        found = Starlette(
            routes=[
                Route("/", self._healthy),
                *(Route(f"{of}/swagger.json", self._swagger) for of in ("", "/{application}")),
                *(Route(f"{of}/score", self._score, methods=both) for of in ("", "/{application}")),
            ],
            exception_handlers={404: self._nothing, 405: self._method, Refused: self._refused},
        )
        found.router.redirect_slashes = False
        return found

    async def _healthy(self, _: Request) -> HTTPResponse:
        return PlainTextResponse("Healthy")

    async def _score(self, request: Request) -> HTTPResponse:
        if request.method == "OPTIONS":
            return HTTPResponse(None, 200, {"allow": "GET, HEAD, OPTIONS, POST"})
        adapter = self.routes.get(request.scope["path"].encode())
        if adapter is None:
            return sent(refusal(404, self._which(request, "score"), ids(_headers(request))))
        headers = _headers(request)
        if request.method == "POST":  # one that came before its application did
            return sent(refusal(503, "The application has just come. Send it again.", ids(headers)))
        size = len(request.scope["query_string"])
        if size > adapter.max_body:
            return sent(refusal(413, too_long(size, adapter.max_body), ids(headers)))
        values = {}
        for name, text in request.query_params.items():
            try:
                values[name] = msgspec.Raw(_checked(text))
            except (msgspec.DecodeError, RecursionError) as error:
                message = f"The parameter {name[:50]!r} could not be decoded as JSON: {error}."
                return sent(refusal(400, message, ids(headers)))
        headers.pop(b"content-type", None)
        return sent(await answered(adapter, headers, msgspec.json.encode(values)))

    def _which(self, request: Request, what: str) -> str:
        names = ", ".join(sorted(self._served.applications)) or "none yet"
        name = request.path_params.get("application")
        if name is not None:
            return f"There is no application {name!r}. Applications: {names}."
        if not self._served.applications:
            return "There is no application. register_application makes one."
        return f"There are several applications: {names}. Ask at /<application>/{what}."

    async def _swagger(self, request: Request) -> HTTPResponse:
        applications = self._served.applications
        name = request.path_params.get("application")
        if name is None and len(applications) == 1:
            name = next(iter(applications))
        application = applications.get(name or "")
        if application is None:
            return JSONResponse({"message": self._which(request, "swagger.json")}, 404)
        version = request.query_params.get("version", "2")
        if version not in VERSIONS:
            message = f"There is no swagger of version {version[:20]!r}. Versions: {', '.join(VERSIONS)}."
            return JSONResponse({"message": message}, 404)
        path = request.scope["path"].removesuffix("swagger.json") + "score"
        return JSONResponse(described(application, self._served.limits, version, path))

    async def _nothing(self, request: Request, _error: Exception) -> HTTPResponse:
        text = f"There is nothing at {request.scope['path']}. Rows go to POST /<application>/score."
        return JSONResponse({"message": text}, 404)

    async def _refused(self, _: Request, error: Exception) -> HTTPResponse:
        assert isinstance(error, Refused)
        return sent(error.response)

    async def _method(self, request: Request, _error: Exception) -> HTTPResponse:
        allow = {"allow": ", ".join(allowed(request))}
        return JSONResponse({"message": "Method not allowed"}, 405, allow)


def _headers(request: Request) -> dict[bytes, bytes]:
    return dict(request.scope["headers"])


def _checked(text: str) -> bytes:
    value = text.encode("utf-8", "replace")
    msgspec.json.decode(value)
    return value


def speak(served: Served) -> AzureML:
    return AzureML(served)
