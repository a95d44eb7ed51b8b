"""Probes and hooks: over HTTP, by a connection, or by a command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

import aiohttp

from .network import port_of
from .resources import Object


class Probed(Protocol):
    name: str

    @property
    def address(self) -> str: ...

    @property
    def pod(self) -> Object: ...

    async def execute(self, words: list[str], timeout_s: float) -> tuple[int, str]: ...

    def warn(self, reason: str, message: str) -> None: ...


SOONER = 4  # as often as it says: tests wait for every start


async def startup(container: Probed, probe: Object) -> bool:
    """Until it has succeeded; false where it has failed for too long."""
    await asyncio.sleep(probe.get("initialDelaySeconds", 0))
    failures = 0
    while why := await ask(container, probe, probe["timeoutSeconds"]):
        container.warn("Unhealthy", f"Startup probe failed: {why}")
        failures += 1
        if failures >= probe["failureThreshold"] * SOONER:
            return False
        await asyncio.sleep(probe["periodSeconds"] / SOONER)
    return True


async def follow(container: Probed, kind: str, probe: Object) -> AsyncIterator[bool]:
    """For ever: whether the probe has succeeded, or failed, as often as it must to count."""
    await asyncio.sleep(probe.get("initialDelaySeconds", 0))
    run, last = 0, None
    while True:
        why = await ask(container, probe, probe["timeoutSeconds"])
        good = not why
        if why:
            container.warn("Unhealthy", f"{kind} probe failed: {why}")
        run, last = (run + 1 if good == last else 1), good
        if run >= probe["successThreshold" if good else "failureThreshold"]:
            yield good
        await asyncio.sleep(probe["periodSeconds"])


async def ask(container: Probed, probe: Object, timeout_s: float) -> str:
    """Why it failed; "" where it succeeded."""
    if command := probe.get("exec"):
        code, said = await container.execute(command["command"], timeout_s)
        return "" if code == 0 else said or f"command exited with code {code}"
    wish = probe.get("httpGet") or probe.get("tcpSocket") or {}
    port = port_of(container.pod, wish.get("port"))
    if port is None:
        return f"strconv.Atoi: parsing {wish.get('port')!r}: invalid syntax"
    if "tcpSocket" in probe:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(container.address, port), timeout_s)
            writer.close()
        except (OSError, TimeoutError):
            return f"dial tcp {container.address}:{port}: connect: connection refused"
        return ""
    scheme, path = wish.get("scheme", "HTTP").lower(), "/" + wish.get("path", "/").lstrip("/")
    url = f"{scheme}://{container.address}:{port}{path}"
    headers = {header["name"]: header["value"] for header in wish.get("httpHeaders") or []}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(timeout_s)) as session,
            session.get(url, headers=headers, ssl=False, allow_redirects=False) as response,
        ):
            if 200 <= response.status < 400:
                return ""
            return f"HTTP probe failed with statuscode: {response.status}"
    except TimeoutError:
        return f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    except (aiohttp.ClientError, OSError):
        return f'Get "{url}": dial tcp {container.address}:{port}: connect: connection refused'


async def hook(container: Probed, spec: Object, timeout_s: float) -> str:
    """Run preStop: why it failed, or ""."""
    if "sleep" in spec:
        await asyncio.sleep(min(spec["sleep"]["seconds"], timeout_s))
        return ""
    return await ask(container, spec, timeout_s)
