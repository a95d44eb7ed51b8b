"""What happened: asked for, or as a stream."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from fastapi import APIRouter, Header, Query, Request

from ...changes import Changes
from .. import state
from ..events import Events
from . import answers, openapi
from .parameters import MAX_ID, WaitS

EVENTS_AT_ONCE = 500
PING_S = 15.0  # a stream of events says something at least so often, for proxies and the dead


class EventLog:
    def __init__(self, events: Events, changes: Changes) -> None:
        self._events = events
        self._changes = changes

    def router(self) -> APIRouter:
        return openapi.router(
            ("GET", "/events", self.events, 200),
            ("GET", "/events/stream", self.event_stream, 200),
        )

    async def events(
        self,
        after: Annotated[int | None, Query(ge=0, le=MAX_ID)] = None,
        limit: Annotated[int, Query(ge=1, le=EVENTS_AT_ONCE)] = 100,
        wait_s: WaitS = 0,
    ) -> list[answers.Event]:
        """What happened last; or after an event, waiting for one where `wait_s` says so. The oldest first."""
        if after is None:
            return [described(event) for event in self._events.last(limit)]
        return [described(event) for event in await self._events.after(after, limit, wait_s)]

    async def event_stream(
        self,
        request: Request,
        after: Annotated[int | None, Query(ge=0, le=MAX_ID)] = None,
        last_event_id: Annotated[int | None, Header(ge=0, le=MAX_ID)] = None,
    ) -> openapi.EventStream:
        """What happens from now on, or after an event, as server-sent events."""
        newest = self._events.last(1)
        begin = last_event_id if after is None else after
        if begin is None:
            begin = newest[0].id if newest else 0
        headers = {"Cache-Control": "no-store"}
        return openapi.EventStream(self._stream(begin), headers=headers)

    async def _stream(self, after: int) -> AsyncIterator[str]:
        yield ": these are the events of the cluster\n\n"
        while not self._changes.closed:
            events = await self._events.after(after, EVENTS_AT_ONCE, PING_S)
            for event in events:
                after = event.id
                yield f"id: {event.id}\nevent: {event.kind}\ndata: {json.dumps(described(event))}\n\n"
            if not events:
                yield ": nothing happened\n\n"


def described(event: state.Event) -> answers.Event:
    fields: answers.Event = msgspec.to_builtins(event)
    return fields
