"""By which names clients may call a port that is bound to this machine alone.

A page in a browser may point a name of its own at 127.0.0.1, and is then allowed to read what it gets there.
Its requests have that name as their Host. A port that other machines reach has names that nobody knows here.
"""

from __future__ import annotations

import ipaddress
import socket

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class Hosts:
    """Of a port that is bound to `bound`, an address."""

    def __init__(self, bound: str) -> None:
        self._checks = ipaddress.ip_address(bound).is_loopback
        self._own = {"", "localhost", socket.gethostname().lower()}
        self._last: bytes | None = None

    def welcome(self, host: bytes | None) -> bool:
        """Whether a request with this Host is to be answered. The last one that was is known at once."""
        return host == self._last or self._is_welcome(host)

    def _is_welcome(self, host: bytes | None) -> bool:
        if host is None:  # no browser leaves it out
            return True
        name = host.decode("latin-1").strip().lower()
        name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0].rstrip(".")
        if self._checks and name not in self._own and not name.endswith(".localhost"):
            try:
                ipaddress.ip_address(name)
            except ValueError:
                return False
        self._last = host
        return True


class OnlyWelcome:
    """Answers requests whose Host is not welcome; passes all others on to `app`."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = dict(scope["headers"]).get(b"host") if scope["type"] == "http" else None
        if self._hosts.welcome(host):
            await self._app(scope, receive, send)
            return
        shown = repr((host or b"").decode("latin-1")[:100])
        cause = (
            f"This cluster serves this machine alone, and is not called {shown}. Ask it at 127.0.0.1 or "
            "localhost; a proxy that stands before it must send one of these as Host."
        )
        await JSONResponse({"error": "Misdirected request", "cause": cause}, 421)(scope, receive, send)
