"""What a server says of methods: HEAD is GET without the body, and a 405 names all that an address takes."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class HeadAsGet:
    """Answers HEAD as it would GET. The server leaves the body out, and counts it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)


def allowed(request: Request) -> list[str]:
    """The methods that the request's address takes."""
    scope = request.scope
    there = [route for route in request.app.router.routes if route.matches(scope)[0] is not Match.NONE]
    found = []
    for method in _METHODS:
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in there):
            found += [method, "HEAD"] if method == "GET" else [method]
    return found
