"""HTTP in and out: plain ASGI for the predictions, FastAPI for all that is not hot."""

from __future__ import annotations

from typing import Protocol

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from clipper_container.errors import BadRequest

from . import clipper_protocol
from .application import Application

MAX_BODY = 64 << 20

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
            try:
                body = await read_body(receive)
                answer = await clipper_protocol.predict(*endpoint, body)
            except ClientGone:
                return
            except TooLarge:
                cause = f"The body is larger than {MAX_BODY >> 20} MiB. Send the inputs in several requests."
                await respond(send, 413, error_body("Request too large", cause))
            except BadRequest as error:
                await respond(send, 400, error_body("Query processing error", str(error)))
            else:
                await respond(send, 200, answer)


class ClientGone(Exception):
    """Nobody is there to answer."""


class TooLarge(Exception):
    """The body is longer than MAX_BODY."""


async def read_body(receive: Receive) -> bytes:
    """The whole body. Raises ClientGone, or TooLarge as soon as that is known."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise ClientGone
    if not message.get("more_body"):
        return body
    parts = [body]
    size = len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > MAX_BODY:
            raise TooLarge
    return b"".join(parts)


async def respond(send: Send, status: int, body: bytes) -> None:
    headers = [_JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def error_body(error: str, cause: str) -> bytes:
    return msgspec.json.encode({"error": error, "cause": cause})
