"""What the Open Inference Protocol tells of the server and its models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import fastapi
from fastapi.responses import JSONResponse

import clipper_server

from ...application import Application
from .. import Adapter
from . import OUTPUT, OpenInferenceProtocol, infer_path


class Served(Protocol):
    """What this needs to know of what is served."""

    @property
    def applications(self) -> Mapping[str, Application]: ...

    @property
    def routes(self) -> Mapping[bytes, Adapter]: ...

    def versions_of(self, application: Application) -> list[str]: ...


def open_inference_metadata(served: Served) -> fastapi.APIRouter:
    router = fastapi.APIRouter(prefix="/v2", tags=["Open Inference Protocol"])

    def application(name: str, version: str | None) -> Application:
        found = served.applications.get(name)
        if found is None:
            raise _Missing(f"Model with name {name} does not exist.")
        if version is not None and version not in served.versions_of(found):
            raise _Missing(f"Model with name {name} and version {version} does not exist.")
        return found

    def ready(found: Application, version: str | None) -> bool:
        return any(queue.ready for queue in found.queues(version))

    @router.get("")
    async def server() -> dict[str, Any]:
        return {
            "name": "clipperlab",
            "version": clipper_server.__version__,
            "extensions": ["binary_tensor_data"],
        }

    @router.get("/health/live")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @router.get("/health/ready")
    async def server_ready() -> dict[str, bool]:
        return {"ready": True}

    @router.get("/models")
    async def models() -> dict[str, list[str]]:
        return {"models": sorted(served.applications)}

    @router.get("/models/{name}")
    @router.get("/models/{name}/versions/{version}")
    async def metadata(name: str, version: str | None = None) -> fastapi.Response:
        try:
            found = application(name, version)
        except _Missing as error:
            return JSONResponse({"error": str(error)}, 404)
        adapter = served.routes[infer_path(name, version).encode()]
        assert isinstance(adapter, OpenInferenceProtocol)
        datatype, shape = adapter.described_output()
        return JSONResponse(
            {
                "name": name,
                "versions": served.versions_of(found),
                "platform": "clipperlab",
                "inputs": adapter.described_inputs(),
                "outputs": [{"name": OUTPUT, "datatype": datatype, "shape": shape}],
            }
        )

    @router.get("/models/{name}/ready")
    @router.get("/models/{name}/versions/{version}/ready")
    async def model_ready(name: str, version: str | None = None) -> fastapi.Response:
        try:
            found = application(name, version)
        except _Missing as error:
            return JSONResponse({"error": str(error)}, 404)
        if not ready(found, version):
            return JSONResponse({"error": f"Model with name {name} is not ready."}, 503)
        return JSONResponse({"name": name, "ready": True})

    @router.post("/models/{name}/infer", include_in_schema=False)
    @router.post("/models/{name}/versions/{version}/infer", include_in_schema=False)
    async def unknown(name: str, version: str | None = None) -> fastapi.Response:
        try:
            application(name, version)
        except _Missing as error:
            return JSONResponse({"error": str(error)}, 404)
        return JSONResponse({"error": f"Model with name {name} has just come. Send it again."}, 503)

    return router


class _Missing(Exception):
    """No model or version of that name."""
