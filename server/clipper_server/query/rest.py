"""What a query frontend answers beside predictions: health, metrics, traces, and the protocols' metadata."""

from __future__ import annotations

import fastapi
from fastapi.responses import JSONResponse

from ..methods import HeadAsGet, allowed
from ..supervisor import Supervisor
from .configuration import Configuration
from .cors import WithCORS
from .hosts import Hosts, OnlyWelcome
from .private import ManagementOnly, private
from .protocols.open_inference.metadata import open_inference_metadata

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def rest(configuration: Configuration, supervisor: Supervisor, token: str, hosts: Hosts) -> fastapi.FastAPI:
    """The ASGI application. What tells of single queries is at the frontend's private address only."""
    app = fastapi.FastAPI(title="Clipper Lab query frontend")
    app.add_middleware(HeadAsGet)
    app.add_middleware(WithCORS, allows=configuration)
    app.add_middleware(OnlyWelcome, hosts=hosts)
    app.include_router(open_inference_metadata(configuration))
    management = ManagementOnly(configuration, token)
    app.include_router(private(configuration, management))

    @app.get("/health")
    async def health() -> dict[str, str | list[str]]:
        """`failing` names those of its loops that do not get on: its log and the events say why."""
        return {"status": "ok", "frontend": configuration.frontend, "failing": supervisor.failing()}

    @app.get("/metrics")
    async def metrics(request: fastapi.Request) -> fastapi.Response:
        """This frontend's metrics, at most a second old. Management has those of all, as they are."""
        text = await configuration.metrics.text(fresh=management.asks(request))
        return fastapi.Response(text, media_type=PROMETHEUS)

    @app.post("/{application}/predict", include_in_schema=False)
    async def predict(application: str) -> fastapi.Response:
        # Those that there are do not come here, but for one that has just come.
        cause = (
            f"There is no application {application!r}. Applications: {_known(configuration)}. "
            "register_application makes a new one."
        )
        return JSONResponse({"error": "Unknown application", "cause": cause}, 404)

    @app.post("/{application}/feedback", include_in_schema=False)
    @app.post("/{application}/update", include_in_schema=False)
    async def feedback(application: str) -> fastapi.Response:
        return await predict(application)

    @app.exception_handler(405)
    async def not_allowed(request: fastapi.Request, _error: Exception) -> fastapi.Response:
        application = request.path_params.get("application")
        if application is not None and application not in configuration.applications:
            return await predict(application)
        methods = allowed(request)
        cause = f"Send a {' or '.join(methods)} to {request.url.path}."
        body = {"error": "Method not allowed", "cause": cause}
        return JSONResponse(body, 405, {"allow": ", ".join(methods)})

    @app.exception_handler(404)
    async def not_found(request: fastapi.Request, _error: Exception) -> fastapi.Response:
        cause = f"There is nothing at {request.url.path}. Queries go to POST /<application>/predict."
        return JSONResponse({"error": "Not found", "cause": cause}, 404)

    return app


def _known(configuration: Configuration) -> str:
    return ", ".join(sorted(configuration.applications)) or "none yet"
