"""Web pages of other origins that may ask: cross-origin resource sharing, where the cluster allows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ANY = "*"
_MAX_AGE_S = 600
_EXPOSED = (
    b"X-Default-Answer, Retry-After, Inference-Header-Content-Length, X-Default-Rows, "
    b"X-Clipper-Query-Id, X-Clipper-Feedback-Token"
)

Header = tuple[bytes, bytes]


class Allows(Protocol):
    """What knows whether there are such pages."""

    @property
    def cors(self) -> CORS | None: ...


class CORS:
    """Pages of these origins may ask and read the answers; `*` stands for all pages."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = {origin.encode() for origin in origins}

    def headers(self, origin: bytes | None) -> list[Header]:
        """What an answer to a page of that origin has; None is no page."""
        if _ANY.encode() in self._origins:
            allowed = [(b"access-control-allow-origin", b"*")]
        elif origin in self._origins and origin is not None:
            allowed = [(b"access-control-allow-origin", origin), (b"vary", b"Origin")]
        else:
            return [(b"vary", b"Origin")]
        return [*allowed, (b"access-control-expose-headers", _EXPOSED)]

    def preflight(self, headers: dict[bytes, bytes]) -> list[Header]:
        """What is answered to the question that a browser asks before it sends a page's request."""
        found = self.headers(headers.get(b"origin"))
        if found[0][0] == b"access-control-allow-origin":
            found.append((b"access-control-allow-methods", b"GET, HEAD, POST"))
            found.append((b"access-control-max-age", b"%d" % _MAX_AGE_S))
            if (asked := headers.get(b"access-control-request-headers")) is not None:
                found.append((b"access-control-allow-headers", asked))
        return found


class WithCORS:
    """Gives the answers of `app` their headers, and answers the browsers' questions."""

    def __init__(self, app: ASGIApp, allows: Allows) -> None:
        self._app = app
        self._allows = allows

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cors = self._allows.cors
        if cors is None or scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await send(
                {"type": "http.response.start", "status": 204, "headers": cors.preflight(headers)},
            )
            await send({"type": "http.response.body"})
            return
        more = cors.headers(headers.get(b"origin"))

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *more]
            await send(message)

        await self._app(scope, receive, with_headers)
