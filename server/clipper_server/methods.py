"""What a server says of methods: HEAD is GET without the body, and a 405 names all that an address takes."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class HeadAsGet:
    """Answers HEAD as it would GET. The server leaves the body out, and counts it.

    What streams ends with the first of its body, for it may have no end.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope, send = {**scope, "method": "GET"}, _first_of(send)
        await self._app(scope, receive, send)


def _first_of(send: Send) -> Send:
    """Whoever streams sees from it that the client has gone."""
    ended = False

    async def first(message: Message) -> None:
        nonlocal ended
        if not ended:
            ended = message["type"] == "http.response.body"
            await send({**message, "more_body": False} if ended else message)

    return first


def allowed(request: Request) -> list[str]:
    """The methods that the request's address takes."""
    scope = request.scope
    there = [route for route in request.app.router.routes if route.matches(scope)[0] is not Match.NONE]
    found = []
    for method in _METHODS:
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in there):
            found += [method, "HEAD"] if method == "GET" else [method]
    return found
