"""What the Open Inference Protocol tells of the server and its models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import clipper_server

from ...application import Application
from .. import Adapter
from . import OpenInferenceProtocol, infer_path


class Served(Protocol):
    """What this needs to know of what is served."""

    @property
    def applications(self) -> Mapping[str, Application]: ...

    @property
    def routes(self) -> Mapping[bytes, Adapter]: ...

    def versions_of(self, application: Application) -> list[str]: ...


def open_inference_metadata(served: Served) -> list[Route]:
    def named(request: Request) -> tuple[str, str | None]:
        return request.path_params["name"], request.path_params.get("version")

    def application(name: str, version: str | None) -> Application:
        found = served.applications.get(name)
        if found is None:
            raise _Missing(f"Model with name {name} does not exist.")
        if version is not None and version not in served.versions_of(found):
            raise _Missing(f"Model with name {name} and version {version} does not exist.")
        return found

    def ready(found: Application, version: str | None) -> bool:
        return any(queue.ready for queue in found.queues(version))

    async def server(_: Request) -> Response:
        return JSONResponse(
            {
                "name": "clipperlab",
                "version": clipper_server.__version__,
                "extensions": ["binary_tensor_data"],
            }
        )

    async def live(_: Request) -> Response:
        return JSONResponse({"live": True})

    async def server_ready(_: Request) -> Response:
        return JSONResponse({"ready": True})

    async def models(_: Request) -> Response:
        return JSONResponse({"models": sorted(served.applications)})

    async def metadata(request: Request) -> Response:
        name, version = named(request)
        try:
            found = application(name, version)
        except _Missing as error:
            return JSONResponse({"error": str(error)}, 404)
        adapter = served.routes[infer_path(name, version).encode()]
        assert isinstance(adapter, OpenInferenceProtocol)
        return JSONResponse(
            {
                "name": name,
                "versions": served.versions_of(found),
                "platform": "clipperlab",
                "inputs": adapter.described_inputs(),
                "outputs": [
                    {"name": output, "datatype": datatype, "shape": shape}
                    for output, (datatype, shape) in adapter.described_outputs().items()
                ],
            }
        )

    async def model_ready(request: Request) -> Response:
        name, version = named(request)
        try:
            found = application(name, version)
        except _Missing as error:
            return JSONResponse({"error": str(error)}, 404)
        if not ready(found, version):
            return JSONResponse({"error": f"Model with name {name} is not ready."}, 503)
        return JSONResponse({"name": name, "ready": True})

    async def unknown(request: Request) -> Response:
        name, version = named(request)
        try:
            application(name, version)
        except _Missing as error:
            return JSONResponse({"error": str(error)}, 404)
        return JSONResponse({"error": f"Model with name {name} has just come. Send it again."}, 503)

    of_server = {"": server, "/health/live": live, "/health/ready": server_ready, "/models": models}
    of_model = {"": metadata, "/ready": model_ready}
    each = [f"/v2/models/{found}" for found in ("{name}", "{name}/versions/{version}")]
    return [
        *(Route(f"/v2{path}", answer) for path, answer in of_server.items()),
        *(Route(f"{model}{path}", answer) for path, answer in of_model.items() for model in each),
        *(Route(f"{model}/infer", unknown, methods=["POST"]) for model in each),
    ]


class _Missing(Exception):
    """No model or version of that name."""
