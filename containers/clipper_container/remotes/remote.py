"""A model that another server has: asked over HTTP, in time, and left alone while it is down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from .. import calls, faults
from ..wire import Fault
from .address import Address
from .breaker import Breaker, Open
from .connections import Answered, Connections, Request, Unanswered
from .credentials import Signer
from .forms import Form, Refused, Unread
from .words import Hiding, said, sentence

MOST = 64  # requests under way at once
AGAIN_S = 0.1  # after a connection that failed
_IS_FULL = 429
_IS_DOWN = frozenset({502, 503, 504})


class RemoteError(Exception):
    """What the other server says of an input."""


class Unavailable(Exception):
    """It says nothing, or nothing of an input."""


class Remote:
    """Answers a batch by asking the server.

    A request that is under way goes on when the time for its batch is over, up to `timeout_s`: what comes of
    it tells whether the server is there, which a client with little time does not.
    """

    is_async = True
    ends_in_time = True

    def __init__(
        self,
        protocol: str,
        address: Address,
        form: Form,
        headers: Mapping[str, str],
        timeout_s: float,
        tell: Callable[[str, bool], None],
        clock: Callable[[], float] = time.monotonic,
        sign: Signer | None = None,
    ) -> None:
        self._who = f"The {protocol} server"
        self._address = address
        self._form = form
        self._headers = headers
        self._sign = sign
        self._timeout_s = timeout_s
        self._hide = Hiding([*headers.values(), *(sign.secrets if sign is not None else ())])
        self._connections = Connections(address)
        self._breaker = Breaker(clock, lambda words, is_open: tell(f"{address} {words}", is_open))
        self._clock = clock
        self._room = asyncio.Semaphore(MOST)
        self._under_way: set[asyncio.Task[Answered]] = set()

    async def learn(self) -> None:
        """Connect, and ask what the server tells of the model. Raises RuntimeError where it is not there."""
        connections = Connections(self._address)

        async def get(path: str) -> Answered:
            return await connections.ask(Request("GET", path, self._headers), self._timeout_s)

        try:
            await connections.check(self._timeout_s)
            await self._form.learn(get)
        except Unanswered as error:
            raise RuntimeError(sentence(f"{self._address} {self._hide(str(error))}")) from None
        except Refused as error:
            raise RuntimeError(sentence(f"{self._address} {self._words(error.answered)}")) from None
        finally:
            connections.close()
            await asyncio.sleep(0)  # what is closed is closed on the loop

    def close(self) -> None:
        self._connections.close()

    async def __call__(self, inputs: Any) -> Any:
        count = len(inputs)
        wanted_by = self._clock() + self._left_s()
        if count == 1 or not self._form.one_by_one(inputs):
            return await self._ask(inputs, count, wanted_by)
        each = (self._ask(inputs[i : i + 1], 1, wanted_by) for i in range(count))
        return [outputs[0] for outputs in await asyncio.gather(*each)]

    def _left_s(self) -> float:
        models = calls.current.get(None)
        return min(self._timeout_s, (models.left_s if models is not None else 0.0) or self._timeout_s)

    async def _ask(self, inputs: Any, count: int, wanted_by: float) -> Any:
        """The outputs, or their faults. Raises RemoteError for what one of several inputs may be to blame."""
        try:
            task = asyncio.ensure_future(self._answer(self._written(inputs), wanted_by))
            self._under_way.add(task)
            task.add_done_callback(self._done)
            answered = await asyncio.shield(task)
            return self._form.read(answered, count)
        except Unavailable as error:
            return [Fault("call_failed", faults.safe(sentence(f"{self._who} {error}")))] * count
        except RemoteError as error:
            if count > 1:
                raise
            return [Fault("model_error", faults.safe(str(error)))]
        except Unread as error:
            words = self._hide(f"{error}: {said(answered)}")
            return [Fault("bad_output", faults.safe(f"{self._who} answered {words}"))] * count

    def _written(self, inputs: Any) -> Request:
        try:
            return self._form.write(inputs)
        except (ValueError, TypeError) as error:
            raise RemoteError(f"It cannot be written for t{self._who[1:]}: {error}") from None

    def _done(self, task: asyncio.Task[Answered]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be left whom it could be told

    async def _answer(self, asked: Request, wanted_by: float) -> Answered:
        """Raises Unavailable or RemoteError."""
        try:
            with self._breaker.closed():
                await self._come_in(wanted_by)
                try:
                    return await self._tried(asked, wanted_by)
                finally:
                    self._room.release()
        except Open as error:
            raise Unavailable(f"is not asked: {error}") from None

    async def _come_in(self, wanted_by: float) -> None:
        if not self._room.locked():
            await self._room.acquire()
            return
        try:
            async with asyncio.timeout(max(0.0, wanted_by - self._clock())):
                await self._room.acquire()
        except TimeoutError:
            raise Unavailable("was not asked, for too many requests are under way there") from None

    async def _tried(self, asked: Request, wanted_by: float) -> Answered:
        again = True
        while True:
            if self._clock() > wanted_by:
                raise Unavailable("was not asked, for the time was over")
            pause_s = AGAIN_S
            try:
                answered = await self._connections.ask(self._with_secrets(asked), self._timeout_s)
                if answered.status < 300:
                    self._breaker.answered()
                    return answered
                words = self._words(answered)
                is_down = answered.status in _IS_DOWN and not self._form.of_input(answered)
                if not is_down:
                    self._breaker.answered()
                    if answered.status == _IS_FULL:
                        raise Unavailable(words)
                    raise RemoteError(f"{self._who} {words}")
                pause_s = _retry_after(answered)
            except Unanswered as error:
                words = self._hide(str(error))
                again = again and not error.sent
            if not again or self._clock() + pause_s >= wanted_by:
                self._breaker.failed(words)
                raise Unavailable(words)
            again = False
            await asyncio.sleep(pause_s)

    def _words(self, answered: Answered) -> str:
        return self._hide(f"said {answered.status}: {said(answered)}".rstrip(": "))

    def _with_secrets(self, asked: Request) -> Request:
        asked = asked._replace(headers={**asked.headers, **self._headers})
        return asked if self._sign is None else self._sign(asked)


def _retry_after(answered: Answered) -> float:
    """In seconds; for ever where it does not say so."""
    said = answered.headers.get("retry-after", "")
    return float(said) if answered.status == 503 and said.isdecimal() else float("inf")
