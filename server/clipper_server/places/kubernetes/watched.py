"""The objects of one kind in a namespace, as the API server has them: listed once, then watched."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiException

PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0)
LIST_S = 30
WATCH_S = 50  # after that the server ends a watch, and another one begins where it ended
SILENT_S = 60  # one that is not ended by then is dead
LASTED_S = 1.0  # one that ends sooner is a failure, and the next one waits longer
GONE = 410
KEPT = 1000
UNREACHABLE = (ApiException, aiohttp.ClientError, OSError, TimeoutError, ValueError)

log = logging.getLogger(__name__)


class Watched:
    """`ask` lists them, with a timeout in seconds and a query as the API has it, and gives the raw response.

    `objects` are by name, and stay as they were last seen while the API server cannot be reached: `trouble`
    says why then. `gone` are those that went, as they were at their end, the last thousand; who reads them
    takes them away.
    """

    def __init__(self, ask: Callable[..., Awaitable[Any]], selector: str) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.gone: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.listed = asyncio.Event()
        self.trouble = ""
        self._ask = ask
        self._selector = selector
        self._version = ""
        self._opened_at: float | None = None

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            self._opened_at = None
            why, asked_s = "", 0.0
            try:
                if not self._version:
                    await self._list()
                    continue
                await self._watch()
            except UNREACHABLE as error:
                why, asked_s = reason(error), retry_after_s(error)
                if getattr(error, "status", None) == GONE:
                    self._version = ""  # what happened since is forgotten there: look at everything
            failures = 1 if self._has_lasted(loop.time()) else failures + 1
            if why and failures > 1:  # one that is dropped and comes again is no trouble
                self.trouble = why
            await asyncio.sleep(max(PAUSES_S[min(failures, len(PAUSES_S)) - 1], asked_s))

    def _has_lasted(self, now: float) -> bool:
        return self._opened_at is not None and now - self._opened_at >= LASTED_S

    async def _list(self) -> None:
        response = await self._ask(LIST_S, labelSelector=self._selector)
        found = _parsed(await body_of(response))
        try:
            objects = {one["metadata"]["name"]: one for one in found["items"]}
            self._version = found["metadata"]["resourceVersion"]
        except (KeyError, TypeError):
            raise ValueError("the API server's list is none") from None
        self.gone += [old for name, old in self.objects.items() if name not in objects]
        self.objects = objects
        self.listed.set()

    async def _watch(self) -> None:
        response = await self._ask(
            SILENT_S,
            labelSelector=self._selector,
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=self._version,
            timeoutSeconds=str(WATCH_S),
        )
        try:
            if response.status >= 400:
                await body_of(response)
            self.trouble = ""
            self._opened_at = asyncio.get_running_loop().time()
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line.strip():
                        self._on_event(_parsed(line))
        finally:
            response.close()

    def _on_event(self, event: dict[str, Any]) -> None:
        try:
            kind, found = event["type"], event["object"]
            if kind == "ERROR":
                raise ApiException(status=found.get("code", 500), reason=found.get("message", ""))
            name, version = found["metadata"].get("name"), found["metadata"]["resourceVersion"]
        except (KeyError, TypeError, AttributeError):
            raise ValueError("what the API server says of a change cannot be understood") from None
        self._version = version
        if kind == "BOOKMARK":
            return
        if kind == "DELETED":
            self.objects.pop(name, None)
            self.gone.append(found)
        else:
            self.objects[name] = found


def _parsed(data: bytes) -> dict[str, Any]:
    """Raises ValueError."""
    try:
        found: dict[str, Any] = json.loads(data)
    except ValueError:
        raise ValueError("what the API server says is no JSON") from None
    return found


async def body_of(response: Any) -> bytes:
    """Raises ApiException where the server refuses."""
    content: bytes = await response.read()
    if response.status >= 400:
        error = ApiException(status=response.status, reason=response.reason)
        error.body, error.headers = content.decode(errors="replace"), response.headers
        raise error
    return content


def retry_after_s(error: BaseException) -> float:
    """What a server that has too much to do (429) asks for; 0 where it does not."""
    headers = getattr(error, "headers", None) or {}
    text = headers.get("Retry-After", "")
    return min(float(text), 30.0) if text.isdecimal() else 0.0


def reason(error: BaseException) -> str:
    """In words: the server's own, where it gave some."""
    body = getattr(error, "body", None)
    if body:
        try:
            return str(json.loads(body)["message"])
        except (ValueError, KeyError, TypeError):
            pass
    return str(getattr(error, "reason", None) or error or type(error).__name__)
