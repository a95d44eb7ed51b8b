"""What the Open Inference Protocol tells of the server and its models."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import clipper_server
from clipper_container.errors import NotFound

from .. import Served, readiness
from . import OpenInferenceProtocol
from .finding import adapter_of, find, is_ready

NAME = PLATFORM = "clipperlab"
EXTENSIONS = ["binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics"]


def about() -> dict[str, Any]:
    return {"name": NAME, "version": clipper_server.__version__, "extensions": EXTENSIONS}


def metadata(name: str, versions: list[str], adapter: OpenInferenceProtocol) -> dict[str, Any]:
    return {
        "name": name,
        "versions": versions,
        "platform": PLATFORM,
        "inputs": adapter.described_inputs(),
        "outputs": [
            {"name": output, "datatype": datatype, "shape": shape}
            for output, (datatype, shape) in adapter.described_outputs().items()
        ],
    }


def open_inference_metadata(served: Served) -> list[Route]:
    def named(request: Request) -> tuple[str, str | None]:
        return request.path_params["name"], request.path_params.get("version")

    async def server(_: Request) -> Response:
        return JSONResponse(about())

    async def live(_: Request) -> Response:
        return JSONResponse({"live": True})

    async def server_ready(_: Request) -> Response:
        if not readiness.is_ready(served):
            return JSONResponse({"error": "Server is not ready."}, 503)
        return JSONResponse({"ready": True})

    async def models(_: Request) -> Response:
        return JSONResponse({"models": sorted(served.applications)})

    async def model(request: Request) -> Response:
        name, version = named(request)
        try:
            found = find(served, name, version)
        except NotFound as error:
            return JSONResponse({"error": str(error)}, 404)
        return JSONResponse(metadata(name, served.versions_of(found), adapter_of(served, name, version)))

    async def model_ready(request: Request) -> Response:
        name, version = named(request)
        try:
            found = find(served, name, version)
        except NotFound as error:
            return JSONResponse({"error": str(error)}, 404)
        if not is_ready(found, version):
            return JSONResponse({"error": f"Model with name {name} is not ready."}, 503)
        return JSONResponse({"name": name, "ready": True})

    async def unknown(request: Request) -> Response:
        name, version = named(request)
        try:
            find(served, name, version)
        except NotFound as error:
            return JSONResponse({"error": str(error)}, 404)
        return JSONResponse({"error": f"Model with name {name} has just come. Send it again."}, 503)

    of_server = {"": server, "/health/live": live, "/health/ready": server_ready, "/models": models}
    of_model = {"": model, "/ready": model_ready}
    each = [f"/v2/models/{found}" for found in ("{name}", "{name}/versions/{version}")]
    return [
        *(Route(f"/v2{path}", answer) for path, answer in of_server.items()),
        *(Route(f"{model}{path}", answer) for path, answer in of_model.items() for model in each),
        *(Route(f"{model}/infer", unknown, methods=["POST"]) for model in each),
    ]
