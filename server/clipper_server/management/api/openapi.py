"""What OpenAPI says of the routes, beyond what their signatures say."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from types import NoneType
from typing import Any, get_type_hints

import fastapi
import msgspec
from fastapi import params
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic import TypeAdapter
from starlette.routing import BaseRoute

from ...snapshot import Report
from . import answers

BEARER = HTTPBearer(
    auto_error=False,  # it describes; the check is the API's own, and says where the token is
    scheme_name="token",
    description="The cluster's token, from its cluster.json. X-Clipper-Token takes it too, for proxies that "
    "keep the Authorization header to themselves.",
)
ABOUT = (
    "Steers one cluster. Every failure is a JSON object with `error`, the name of a class, and `message`, a "
    "sentence that says what to do. Where a route takes `wait_s` it is a long poll: it answers as soon as "
    "there is something to say, and after that many seconds at the latest. A change is answered when all "
    "live query frontends have it. `/admin` has Clipper's own calls."
)

_REASONS = {
    400: "The request does not fit.",
    401: "The bearer token is missing or wrong.",
    404: "There is nothing of that name.",
    409: "There is one of that name already, and nothing is overwritten.",
    413: "The body is too large.",
    503: "Management cannot use its files.",
    507: "The disk has no room for it.",
}
_MAY_EXIST = {"register_application", "link", "deploy", "start_rollout", "start_shadow"}


Route = tuple[str, str, Callable[..., Awaitable[Any]], int]
"""Method, path, endpoint, and the status of its answer."""


class EventStream(StreamingResponse):
    media_type = "text/event-stream"


def _of_route(method: str, path: str, endpoint: Callable[..., Any]) -> dict[str, Any]:
    """The arguments of `add_api_route` that describe a route under `/api/v1`."""
    name = endpoint.__name__
    failures = {400, 401, 503}
    if "{" in path or name in ("why_last", "remove_versions"):
        failures.add(404)
    if method in ("POST", "PUT"):
        failures.add(507 if name == "put_artifact" else 413)
    if name in _MAY_EXIST:
        failures.add(409)
    described: dict[str, Any] = {
        "responses": {code: {"description": _REASONS[code], "content": _ERROR} for code in sorted(failures)}
    }
    if name == "event_stream":
        described["response_class"] = EventStream
    elif name == "metrics":
        described["response_class"] = PlainTextResponse
    elif name == "snapshot":
        described["responses"][204] = {"description": "There was no newer one within `wait_s` seconds."}
    elif name == "get_artifact":
        described["response_class"] = FileResponse
        described["responses"][200] = {"content": {"application/octet-stream": _BINARY}}
    elif name in ("take_feedback", "tables"):
        described["response_class"] = fastapi.Response
        described["responses"][200] = {"content": {"application/msgpack": _BINARY}}
        if name == "take_feedback":
            described["openapi_extra"] = _body("application/octet-stream", _BINARY)
    elif name in ("put_artifact", "querylog"):
        described["openapi_extra"] = _body("application/octet-stream", _BINARY)
    elif name == "report":
        described["openapi_extra"] = _body("application/json", {"schema": {"type": "object"}})
        described["description"] = f"{endpoint.__doc__} {Report.__doc__}"
    return described


def router(*routes: Route, dependencies: Sequence[params.Depends] = ()) -> fastapi.APIRouter:
    """Of routes under `/api/v1`, each described, but for what it answers: `App.openapi` looks that up."""
    found = fastapi.APIRouter(dependencies=dependencies)
    for method, path, endpoint, status in routes:
        described = _of_route(method, path, endpoint) | {"methods": [method], "status_code": status}
        found.add_api_route(path, _in_json(endpoint, status), response_model=None, **described)
    return found


def _in_json(endpoint: Callable[..., Awaitable[Any]], status: int) -> Callable[..., Awaitable[Any]]:
    """Its answer as JSON, without a second look: the types of answers are checked before anything runs."""

    @functools.wraps(endpoint)
    async def answered(*args: Any, **kwargs: Any) -> Any:
        answer = await endpoint(*args, **kwargs)
        if answer is None or isinstance(answer, fastapi.Response):
            return answer
        return fastapi.Response(msgspec.json.encode(answer), status, media_type="application/json")

    return answered


_ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
_BINARY = {"schema": {"type": "string", "format": "binary"}}


def _body(media_type: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {media_type: content}}}


class App(fastapi.FastAPI):
    """Its OpenAPI has what an error is, and not the 422 that FastAPI puts into it: here that is a 400.

    What routes answer is looked up when somebody asks for it: it would be half of the work of a start.
    """

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._included: list[BaseRoute] = []

    def include_router(self, router: fastapi.APIRouter, **given: Any) -> None:
        super().include_router(router, **given)
        self._included += router.routes

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            described = super().openapi()
            operations = {o["operationId"]: o for path in described["paths"].values() for o in path.values()}
            for operation in operations.values():
                operation["responses"].pop("422", None)
            schemas = described["components"]["schemas"]
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            found, answered = TypeAdapter.json_schemas(
                [(answer, "serialization", TypeAdapter(kind)) for answer, kind in self._answers()],
                ref_template="#/components/schemas/{model}",
            )
            for ((name, status), _), schema in found.items():
                operations[name]["responses"][status]["content"]["application/json"]["schema"] = schema
            schemas |= answered["$defs"]
            schemas["Error"] = TypeAdapter(answers.Error).json_schema()
        return super().openapi()

    def _answers(self) -> Iterator[tuple[tuple[str, str], Any]]:
        """What answers in JSON, of the routes that `router` has made: name and status, and the type."""
        for route in self._included:
            if isinstance(route, APIRoute) and route.response_model is None:
                kind = get_type_hints(route.endpoint)["return"]
                if not isinstance(kind, type) or not issubclass(kind, (fastapi.Response, NoneType)):
                    yield (route.name, str(route.status_code)), kind
