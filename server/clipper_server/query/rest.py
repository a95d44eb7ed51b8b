"""What a query frontend answers beside predictions: health, metrics, traces, and the protocols' metadata."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..methods import HeadAsGet, allowed
from ..supervisor import Supervisor
from . import openapi
from .configuration import Configuration
from .cors import WithCORS
from .hosts import Hosts, OnlyWelcome
from .private import ManagementOnly, private
from .protocols.open_inference.extensions import open_inference_extensions
from .protocols.open_inference.metadata import open_inference_metadata
from .protocols.open_inference.v1 import kserve_v1

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def rest(configuration: Configuration, supervisor: Supervisor, token: str, hosts: Hosts) -> Starlette:
    """The ASGI application. What tells of single queries is at the frontend's private address only.

    Without FastAPI, which takes a third of a second of each frontend's start to import.
    """
    management = ManagementOnly(configuration, token)

    async def health(_: Request) -> Response:
        """`failing` names those of its loops that do not get on: its log and the events say why."""
        return JSONResponse(
            {"status": "ok", "frontend": configuration.frontend, "failing": supervisor.failing()}
        )

    async def metrics(request: Request) -> Response:
        """This frontend's metrics, at most a second old. Management has those of all, as they are."""
        text = await configuration.metrics.text(fresh=management.asks(request))
        return Response(text, media_type=PROMETHEUS)

    async def described(_: Request) -> Response:
        return JSONResponse(openapi.described(configuration))

    async def unknown(request: Request) -> Response:
        # Those that there are do not come here, but for one that has just come.
        cause = (
            f"There is no application {request.path_params['application']!r}. "
            f"Applications: {_known(configuration)}. register_application makes a new one."
        )
        return JSONResponse({"error": "Unknown application", "cause": cause}, 404)

    async def not_allowed(request: Request, _error: Exception) -> Response:
        application = request.path_params.get("application")
        if application is not None and application not in configuration.applications:
            return await unknown(request)
        methods = allowed(request)
        cause = f"Send a {' or '.join(methods)} to {request.url.path}."
        body = {"error": cause} if _is_theirs(request) else {"error": "Method not allowed", "cause": cause}
        return JSONResponse(body, 405, {"allow": ", ".join(methods)})

    async def not_found(request: Request, _error: Exception) -> Response:
        if _is_theirs(request):
            return JSONResponse({"error": f"There is nothing at {request.url.path}."}, 404)
        cause = f"There is nothing at {request.url.path}. Queries go to POST /<application>/predict."
        return JSONResponse({"error": "Not found", "cause": cause}, 404)

    return Starlette(
        routes=[
            *open_inference_extensions(configuration),
            *open_inference_metadata(configuration),
            *kserve_v1(configuration),
            private(configuration, management),
            Route("/health", health),
            Route("/metrics", metrics),
            Route("/openapi.json", described),
            *(
                Route(f"/{{application}}/{what}", unknown, methods=["POST"])
                for what in ("predict", "feedback", "update")
            ),
        ],
        middleware=[
            Middleware(OnlyWelcome, hosts=hosts),
            Middleware(WithCORS, allows=configuration),
            Middleware(HeadAsGet),
        ],
        exception_handlers={404: not_found, 405: not_allowed},
    )


def _is_theirs(request: Request) -> bool:
    """Whether its client expects errors as Open Inference and KServe have them."""
    return f"{request.url.path}/".startswith(("/v1/", "/v2/"))


def _known(configuration: Configuration) -> str:
    return ", ".join(sorted(configuration.applications)) or "none yet"
