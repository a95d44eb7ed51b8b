"""Decisions: which arm each query got, with which probability, and what feedback said of it."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response

from ...querylog import Chosen, Reward
from ..control import Control, find
from ..querylog import QueryLog
from . import kept, openapi

MAX_DECISIONS = 100_000
CLOCKS_S = 5.0  # a query frontend's clock and management's differ by less


class Decisions:
    def __init__(self, control: Control, log: QueryLog) -> None:
        self._control = control
        self._log = log

    def router(self) -> APIRouter:
        return openapi.router(("GET", "/applications/{name}/decisions", self.decisions, 200))

    async def decisions(
        self,
        name: str,
        limit: Annotated[int, Query(ge=1, le=MAX_DECISIONS)] = 10_000,
        inputs: bool = False,
    ) -> Response:
        """The last decisions in the query log, the oldest first, with the `rewards` that they have had; null
        where nobody has said anything. `inputs`: with those that were kept, and null for others.
        """
        find.application(self._control.state, name)
        since = self._control.state.registered_at(name)
        text = await asyncio.to_thread(self._read, name, since, limit, inputs)
        return Response(text, media_type="application/json")

    def _read(self, application: str, since: float, limit: int, inputs: bool) -> bytes:
        """Not those of an earlier application of that name. Reads no more of the log than that takes."""
        made: dict[int, Chosen] = {}  # a batch may be there twice
        rewards: dict[int, list[tuple[str, float]]] = {}
        for written, records in self._log.newest():
            if written < since - CLOCKS_S:
                break  # what was said before they were made is of others
            for record in records:
                if isinstance(record, Chosen):
                    if len(made) < limit and record.application == application and record.at >= since:
                        made.setdefault(record.query_id, record)
                elif isinstance(record, Reward) and record.application == application:
                    rewards.setdefault(record.query_id, record.rewards)
            if len(made) == limit:
                since = min(each.at for each in made.values())
        return msgspec.json.encode(
            [
                {
                    "query_id": each.query_id,
                    "at": each.at,
                    "context": each.context,
                    "arms": each.arms,
                    "propensity": each.propensity,
                    "ms": each.ms,
                    "sample": each.sample,
                    "rewards": rewards.get(each.query_id),
                    **({"input": kept.given(each)} if inputs else {}),
                }
                for each in reversed(made.values())
            ],
            enc_hook=kept.plain,
        )
