"""Triton's extensions of the Open Inference Protocol over REST, but for the tensors' own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clipper_container.errors import BadRequest, ClipperException

from .. import Served
from . import repository
from .config import config
from .finding import adapter_of, find
from .refusals import NO_LOGGING, NO_REGIONS, NO_TRACE
from .statistics import statistics

_Answer = Callable[[Request], Awaitable[Any]]
_T = TypeVar("_T", bound=msgspec.Struct)


class _Index(msgspec.Struct):
    ready: bool = False


class _Change(msgspec.Struct):
    parameters: Annotated[dict[str, Any], msgspec.Meta(max_length=1000)] = {}


def open_inference_extensions(served: Served) -> list[Route]:
    def named(request: Request) -> tuple[str, str | None]:
        return request.path_params["name"], request.path_params.get("version")

    async def configuration(request: Request) -> Any:
        name, version = named(request)
        found = find(served, name, version)
        return config(name, served.versions_of(found), adapter_of(served, name, version))

    async def statistics_of_model(request: Request) -> Any:
        return {"model_stats": statistics(served, *named(request))}

    async def statistics_of_all(_: Request) -> Any:
        return {"model_stats": statistics(served, None)}

    async def index(request: Request) -> Any:
        return repository.index(served, ready=(await _read(request, _Index, served)).ready)

    def change(does: Any) -> _Answer:
        async def answer(request: Request) -> Any:
            name, _ = named(request)
            asked = await _read(request, _Change, served)
            headers = dict(request.scope["headers"])
            await does(served, name, asked.parameters, headers)
            return {"name": name, does.__name__: True}

        return answer

    async def regions(request: Request) -> Any:
        if "region" in request.path_params:
            raise BadRequest(NO_REGIONS)
        return []

    async def register(_: Request) -> Any:
        raise BadRequest(NO_REGIONS)

    async def unregister(_: Request) -> Any:
        return {}  # clients do it before all else, in case

    each = [f"/v2/models/{found}" for found in ("{name}", "{name}/versions/{version}")]
    memory = [
        f"/v2/{kind}sharedmemory{part}" for kind in ("system", "cuda") for part in ("", "/region/{region}")
    ]
    get: dict[str, _Answer] = {
        "/v2/models/stats": statistics_of_all,
        **{f"{model}/stats": statistics_of_model for model in each},
        **{f"{model}/config": configuration for model in each},
        **{f"{path}/status": regions for path in memory},
    }
    post: dict[str, _Answer] = {
        "/v2/repository/index": index,
        "/v2/repository/models/{name}/load": change(repository.load),
        "/v2/repository/models/{name}/unload": change(repository.unload),
        **{f"{path}/register": register for path in memory},
        **{f"{path}/unregister": unregister for path in memory},
    }
    settings = {
        "/v2/logging": NO_LOGGING,
        "/v2/trace/setting": NO_TRACE,
        "/v2/models/{name}/trace/setting": NO_TRACE,
    }
    return [
        *(Route(path, _told(answer)) for path, answer in get.items()),
        *(Route(path, _told(answer), methods=["POST"]) for path, answer in post.items()),
        *(Route(path, _without(text), methods=["GET", "POST"]) for path, text in settings.items()),
    ]


def _told(answer: _Answer) -> _Answer:
    async def told(request: Request) -> Response:
        try:
            return JSONResponse(await answer(request))
        except ClipperException as error:
            return JSONResponse({"error": str(error)}, error.http_status)

    return told


def _without(text: str) -> _Answer:
    async def refuse(_: Request) -> Response:
        return JSONResponse({"error": text}, 501)

    return refuse


async def _read(request: Request, kind: type[_T], served: Served) -> _T:
    """The body, which may be left out. Raises BadRequest or TooLarge."""
    body = b""
    try:
        async for part in request.stream():
            body += part
            served.limits.check_json(len(body))
    except ClientDisconnect:
        raise BadRequest("The request was cut short. Send it again.") from None
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"The body does not fit: {error}.") from None
