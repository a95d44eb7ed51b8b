"""What `kubectl proxy` does: passes plain HTTP on to the API server, with the kubeconfig's credential."""

from __future__ import annotations

import io
import ssl

import aiohttp
from aiohttp import web

OF_A_HOP = {"host", "connection", "content-length", "transfer-encoding", "keep-alive"}


class Proxy:
    def __init__(self, server: str, token: str, tls: ssl.SSLContext) -> None:
        self._server, self._token, self._tls = server, token, tls

    async def start(self) -> str:
        """Its address."""
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._session = aiohttp.ClientSession(auto_decompress=False)
        return f"127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        headers = {key: value for key, value in request.headers.items() if key.lower() not in OF_A_HOP}
        headers.setdefault("Authorization", f"Bearer {self._token}")  # a client's own is passed on, as it is
        asked = self._session.request(
            *(request.method, f"{self._server}{request.raw_path}"),
            headers=headers,
            data=io.BytesIO(await request.read()),
            ssl=self._tls,
            allow_redirects=False,
        )
        async with asked as answer:
            kept = {key: value for key, value in answer.headers.items() if key.lower() not in OF_A_HOP}
            if "Content-Length" in answer.headers:
                return web.Response(status=answer.status, headers=kept, body=await answer.read())
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            return response
