"""TorchServe's port: its adapters by path, what else its inference API has, and its management API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.responses import Response as HTTPResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from clipper_container.errors import BadRequest, ClipperException

from ....methods import HeadAsGet, allowed
from ...cors import WithCORS
from .. import Adapter, Served
from ..answering import answered, sent
from ..readiness import is_ready
from . import managing
from .bodies import Bodies, only
from .describing import api, described, listed, metrics
from .managing import find
from .predictions import Predictions
from .refusals import RESOURCE, Told, answer, refusal

EXPLANATIONS = "-explanations"
"""What the name of an application ends in that explains another's outputs."""
_Handler = Callable[[Request], Awaitable[HTTPResponse]]
_Change = Callable[..., Awaitable[managing.Said]]


class TorchServe:
    protos = None
    methods: Mapping[str, Any] = {}

    def __init__(self, served: Served) -> None:
        self._served = served
        self.routes: Mapping[bytes, Adapter] = {}
        self.app: ASGIApp = WithCORS(HeadAsGet(self._answers()), served)
        self.configure()

    def configure(self) -> None:
        """KServe's two protocols are here too, as they are at the port for queries. Who asks for what has no
        route is told why.
        """
        served = self._served
        routes: dict[bytes, Adapter] = {
            path: adapter for path, adapter in served.routes.items() if path.startswith((b"/v1/", b"/v2/"))
        }
        for name, application in served.applications.items():
            bodies = Bodies(application, served.limits)
            current = Predictions(bodies, None)
            paths = [f"/predictions/{name}"]
            if name.endswith(EXPLANATIONS):
                paths.append(f"/explanations/{name.removesuffix(EXPLANATIONS)}")
            versions = served.versions_of(application)
            if versions:
                for path in (*paths, f"/models/{name}/invoke", f"/{name}/predict"):
                    routes[path.encode()] = current
            for version in versions:
                one = Predictions(bodies, version)
                routes |= {f"{path}/{version}".encode(): one for path in paths}
        self.routes = routes

    def _answers(self) -> Starlette:
        ask = ["GET", "POST", "PUT", "OPTIONS"]
        each = ("/models/{name}", "/models/{name}/{version}")
        found = Starlette(
            routes=[
                Route("/", self._api, methods=["OPTIONS"]),
                Route("/api-description", self._api),
                Route("/ping", self._ping),
                Route("/metrics", self._metrics),
                Route("/predictions/{name}", _told(self._predict), methods=ask),
                Route("/predictions/{name}/{version}", _told(self._predict), methods=ask),
                Route("/explanations/{name}", _told(self._explain), methods=ask[:-1]),
                Route("/explanations/{name}/{version}", _told(self._explain), methods=ask[:-1]),
                Route("/invocations", _told(self._invoke), methods=["POST"]),
                Route("/models/{name}/invoke", _told(self._predict), methods=["POST"]),
                Route("/models", _told(self._list)),
                Route("/models", _told(self._register), methods=["POST"]),
                Route(f"{each[1]}/set-default", self._change(managing.set_default), methods=["PUT"]),
                *(Route(path, _told(self._describe)) for path in each),
                *(Route(path, self._change(managing.scale), methods=["PUT"]) for path in each),
                *(Route(path, self._change(managing.unregister), methods=["DELETE"]) for path in each),
                Route("/{name}/predict", _told(self._predict), methods=["POST"]),
            ],
            exception_handlers={404: self._nothing, 405: self._method},
        )
        found.router.redirect_slashes = False
        return found

    # Inference

    async def _ping(self, _: Request) -> HTTPResponse:
        if is_ready(self._served):
            return sent(answer({"status": "Healthy"}))
        return sent(answer({"status": "Unhealthy"}, 500))

    async def _metrics(self, request: Request) -> HTTPResponse:
        text = metrics(self._served, request.query_params.getlist("name[]"))
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    async def _api(self, _: Request) -> HTTPResponse:
        return sent(answer(api(self._served.applications, self._served.limits)))

    async def _predict(self, request: Request) -> HTTPResponse:
        name, version = _named(request)
        application = find(self._served, name, version)
        if request.method == "OPTIONS":
            return sent(answer(api({name: application}, self._served.limits)))
        return await self._answered(request, self.routes.get(request.scope["path"].encode()))

    async def _explain(self, request: Request) -> HTTPResponse:
        name, version = _named(request)
        about = f"{name}{EXPLANATIONS}"
        if about not in self._served.applications:
            raise Told(404, f"Nothing explains {name}: an application {about} would.", RESOURCE)
        find(self._served, about, version)
        return await self._answered(request, self.routes.get(request.scope["path"].encode()))

    async def _invoke(self, request: Request) -> HTTPResponse:
        applications = self._served.applications
        name = request.query_params.get("model_name")
        if name is None:
            if len(applications) != 1:
                names = ", ".join(sorted(applications)) or "none yet"
                raise BadRequest(f"The parameter model_name says which is asked. Applications: {names}.")
            (name,) = applications
        find(self._served, name)
        return await self._answered(request, self.routes.get(f"/predictions/{name}".encode()))

    async def _answered(self, request: Request, adapter: Adapter | None) -> HTTPResponse:
        if adapter is None:
            raise Told(503, "The application has just come. Send it again.")
        headers = dict(request.scope["headers"])
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Told(415, "A packed body is taken where it is a POST to /predictions/<application>.")
        body = await _body(request, adapter.max_body)
        fields = [field for field in request.query_params.multi_items() if field[0] != "model_name"]
        if fields and not body:
            headers.pop(b"content-type", None)
            body = only(fields).encode("utf-8", "replace")
        return sent(await answered(adapter, headers, body))

    # Management

    async def _list(self, request: Request) -> HTTPResponse:
        return sent(answer(listed(self._served, request.query_params)))

    async def _describe(self, request: Request) -> HTTPResponse:
        return sent(answer(described(self._served, *_named(request))))

    async def _register(self, request: Request) -> HTTPResponse:
        headers = dict(request.scope["headers"])
        return _said(await managing.register(self._served, request.query_params, headers))

    def _change(self, does: _Change) -> _Handler:
        async def change(request: Request) -> HTTPResponse:
            headers = dict(request.scope["headers"])
            return _said(await does(self._served, *_named(request), request.query_params, headers))

        return _told(change)

    # Neither

    async def _nothing(self, request: Request, _error: Exception) -> HTTPResponse:
        text = f"There is nothing at {request.scope['path']}. Inputs go to /predictions/<application>."
        return sent(refusal(404, text, RESOURCE))

    async def _method(self, request: Request, _error: Exception) -> HTTPResponse:
        methods = allowed(request)
        found = sent(refusal(405, f"Send a {' or '.join(methods)} to {request.scope['path']}."))
        found.headers["allow"] = ", ".join(methods)
        return found


def _named(request: Request) -> tuple[str, str | None]:
    return request.path_params["name"], request.path_params.get("version")


def _told(handler: _Handler) -> _Handler:
    async def told(request: Request) -> HTTPResponse:
        try:
            return await handler(request)
        except Told as error:
            return sent(refusal(error.status, str(error), error.kind))
        except ClipperException as error:
            return sent(refusal(error.http_status, str(error)))

    return told


async def _body(request: Request, most: int) -> bytes:
    """Raises Told or BadRequest."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise Told(413, f"The body is larger than the {most} bytes that it may have.")
    except ClientDisconnect:
        raise BadRequest("The request was cut short. Send it again.") from None
    return bytes(body)


def _said(said: managing.Said) -> HTTPResponse:
    status, words = said
    return sent(answer({"status": words}, status))


def speak(served: Served) -> TorchServe:
    return TorchServe(served)
