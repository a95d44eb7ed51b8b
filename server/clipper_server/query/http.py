"""HTTP in and out: plain ASGI for the predictions, FastAPI for all that is not hot."""

from __future__ import annotations

from typing import Protocol

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from clipper_container.errors import BadRequest

from . import clipper_protocol
from .application import Application

_JSON = (b"content-type", b"application/json")


class Endpoints(Protocol):
    """Where the HTTP side finds the applications."""

    endpoints: dict[str, tuple[Application, clipper_protocol.Parser]]


class HTTP:
    """The ASGI application of a query frontend: `POST /{application}/predict`, and `rest` for all else."""

    def __init__(self, endpoints: Endpoints, rest: ASGIApp) -> None:
        self._endpoints = endpoints
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        path: str = scope["path"]
        name, _, verb = path.strip("/").rpartition("/")
        if verb != "predict" or not name:
            await self._rest(scope, receive, send)
        elif scope["method"] != "POST":
            await respond(send, 405, error_body("Method not allowed", f"Send a POST to {path}."))
        elif (endpoint := self._endpoints.endpoints.get(name)) is None:
            known = ", ".join(sorted(self._endpoints.endpoints)) or "none yet"
            cause = (
                f"There is no application {name!r}. Applications: {known}. "
                "register_application makes a new one."
            )
            await respond(send, 404, error_body("Unknown application", cause))
        else:
            body = await read_body(receive)
            if body is None:
                return
            try:
                answer = await clipper_protocol.predict(*endpoint, body)
            except BadRequest as error:
                await respond(send, 400, error_body("Query processing error", str(error)))
            else:
                await respond(send, 200, answer)


async def read_body(receive: Receive) -> bytes | None:
    """The whole body; None where the client has gone."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return None if message["type"] == "http.disconnect" else body
    parts = [body]
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
    return b"".join(parts)


async def respond(send: Send, status: int, body: bytes) -> None:
    headers = [_JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def error_body(error: str, cause: str) -> bytes:
    return msgspec.json.encode({"error": error, "cause": cause})
