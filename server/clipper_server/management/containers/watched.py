"""The objects of one kind in a namespace, as the API server has them: listed once, then watched."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiException

PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0)
WATCH_S = 50  # after that the server ends a watch, and another one begins where it ended
SILENT_S = 60  # one that is not ended by then is dead
GONE = 410
UNREACHABLE = (ApiException, aiohttp.ClientError, OSError, TimeoutError, ValueError)

log = logging.getLogger(__name__)


class Watched:
    """`ask` is a list call of the client library, which takes `watch` and gives the raw response.

    `objects` are by name, and stay as they were last seen while the API server cannot be reached: `trouble`
    says why then.
    """

    def __init__(self, ask: Callable[..., Awaitable[Any]], selector: str) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.listed = asyncio.Event()
        self.trouble = ""
        self._ask = ask
        self._selector = selector
        self._version = ""

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            try:
                if not self._version:
                    await self._list()
                else:
                    await self._watch()
                failures = 0
                if self.trouble:
                    self.trouble = ""
            except UNREACHABLE as error:
                if getattr(error, "status", None) == GONE:
                    self._version = ""  # what happened since is forgotten there: look at everything
                    continue
                pause_s = max(PAUSES_S[min(failures, len(PAUSES_S) - 1)], retry_after_s(error))
                failures += 1
                if failures > 1:  # one that is dropped and comes again is no trouble
                    self.trouble = reason(error)
                await asyncio.sleep(pause_s)

    async def _list(self) -> None:
        response = await self._ask(label_selector=self._selector, _request_timeout=30)
        found = json.loads(await body_of(response))
        self.objects = {one["metadata"]["name"]: one for one in found["items"]}
        self._version = found["metadata"]["resourceVersion"]
        self.listed.set()

    async def _watch(self) -> None:
        response = await self._ask(
            label_selector=self._selector,
            watch=True,
            allow_watch_bookmarks=True,
            resource_version=self._version,
            timeout_seconds=WATCH_S,
            _request_timeout=SILENT_S,
        )
        try:
            if response.status >= 400:
                await body_of(response)
            if self.trouble:
                self.trouble = ""
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line.strip():
                        self._on_event(json.loads(line))
        finally:
            response.close()

    def _on_event(self, event: dict[str, Any]) -> None:
        found = event["object"]
        if event["type"] == "ERROR":
            raise ApiException(status=found.get("code", 500), reason=found.get("message", ""))
        self._version = found["metadata"]["resourceVersion"]
        if event["type"] == "BOOKMARK":
            return
        if event["type"] == "DELETED":
            self.objects.pop(found["metadata"]["name"], None)
        else:
            self.objects[found["metadata"]["name"]] = found


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
