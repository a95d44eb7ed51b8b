"""Asks an application for predictions, for programs that must have an answer to everything.

An answer that is not the model's own says why, and the reason decides what to do. Where the model itself
failed, it would fail again: the default output is the answer, and is written down as such. Where luck was
bad, a few more tries are right. Where nobody can answer at the moment, it is time to wait, not to read on.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx2

UNLUCKY = {"deadline", "replica_lost"}
"""The next try may well get an answer. It may also be the input's own fault, so the tries are counted."""

SETTLED = {"model_error", "wrong_output_length", "bad_output"}
"""The model had the input, and failed. It would again."""

REFUSED = {400, 413, 422}
"""HTTP statuses of an input that the application will never take."""

ANSWER_S = 30.0
LONGEST_PAUSE_S = 0.5


@dataclass(frozen=True)
class Answer:
    """What to write down: `reason` is empty where the output is the model's own."""

    output: Any
    reason: str
    query_id: int | None = None


class Unavailable(Exception):
    """Nobody can answer at the moment. The input is as good as before: keep it, and ask again."""


class Asker:
    """Asks the application at `url`, "http://host:port/digits/predict".

    A query that had bad luck is asked up to `tries` times, and what is then still a default output is the
    answer. While nobody can answer, a query waits for up to `patience_s` and then raises Unavailable. Between
    two tries there is a pause of at most half a second, of a random length, so that many who wait do not come
    back all at once.
    """

    def __init__(
        self,
        url: str,
        http: httpx2.AsyncClient,
        *,
        tries: int = 3,
        patience_s: float = 2.0,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._http = http
        self._tries = tries
        self._patience_s = patience_s
        self._pause = pause
        self._now = now

    async def ask(self, input: object) -> Answer:
        """The answer to one input. Raises Unavailable."""
        give_up = self._now() + self._patience_s
        unlucky = 0
        for pauses in itertools.count():
            try:
                answer = await self._ask_once(input)
            except Unavailable:
                if self._now() > give_up:
                    raise
            else:
                unlucky += answer.reason in UNLUCKY
                if answer.reason not in UNLUCKY or unlucky == self._tries:
                    return answer
            await self._pause(random.uniform(0, min(LONGEST_PAUSE_S, 0.02 * 2**pauses)))
        raise AssertionError("count() does not end")

    async def _ask_once(self, input: object) -> Answer:
        try:
            response = await self._http.post(self._url, json={"input": input}, timeout=ANSWER_S)
        except httpx2.TransportError as error:
            raise Unavailable(f"{self._url} does not answer: {error or type(error).__name__}") from error
        if response.status_code in REFUSED:
            return Answer(None, f"refused: {response.text[:300]}")
        if response.is_error:
            raise Unavailable(f"{self._url} answers {response.status_code}: {response.text[:300]}")
        said = response.json()
        reason = said["default_reason"] if said["default"] else ""
        if reason and reason not in UNLUCKY | SETTLED:
            raise Unavailable(f"{reason}: {said['default_explanation']}")
        return Answer(said["output"], reason, said["query_id"])
