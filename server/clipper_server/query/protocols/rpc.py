"""Calls over gRPC, as a protocol's methods have them: bytes, and what is said beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import grpc

from ..application import Application
from ..request import BROKEN, Answer, Request
from . import Headers
from .answering import MOST, default_rows, ids_of

MARK = "x-default-answer"
ROWS, QUERY_ID, TOKEN = "x-default-rows", "x-clipper-query-id", "x-clipper-feedback-token"
MAX_TOKENS = 4 << 10  # letters: clients take 8 KiB of metadata, unless they say otherwise

_T = TypeVar("_T")

Method = Callable[[bytes, "Call"], Awaitable[bytes]]
Stream = Callable[[AsyncIterator[bytes], "Call"], AsyncIterator[bytes]]
AHEAD = 64  # of a stream's requests that are under way at once, ...
AHEAD_BYTES = 64 << 20  # ... and so many bytes of them, or one


class Refused(Exception):
    """A call ends with this status, and `headers` beside it."""

    def __init__(
        self, code: grpc.StatusCode, message: str, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(message)
        self.code = code
        self.headers = headers


class Call:
    """What a method knows of its call, beside the bytes: its metadata, as `headers`."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._marks: dict[str, str] = {}
        self.headers: Headers = {
            key.encode(): value if isinstance(value, bytes) else value.encode("latin-1", "replace")
            for key, value in context.invocation_metadata() or ()
        }

    def timeout_s(self) -> float | None:
        """The time that its client leaves for an answer; None where it waits for ever.

        A twentieth of it, and a millisecond, are for the way back: what comes later nobody reads.
        """
        left: float | None = self._context.time_remaining()
        return None if left is None else max(left * 0.95 - 0.001, 1e-6)

    def mark(self, name: str, value: str) -> None:
        """Say it beside the answer, as trailing metadata."""
        self._marks[name] = value
        self._context.set_trailing_metadata(tuple(self._marks.items()))

    def mark_defaults(self, answers: list[Answer]) -> None:
        """The reasons of default outputs among them, where there are any."""
        reasons = {answer.fault.reason for answer in answers if answer.fault is not None}
        if reasons:
            self.mark(MARK, ", ".join(sorted(reasons)))

    def mark_ids(self, answers: list[Answer]) -> None:
        """The queries' ids, rows with default outputs, and few answers' tokens: protocols have no room."""
        if not answers:
            return
        self.mark(QUERY_ID, ids_of(answers))
        if len(answers) > 1 and (rows := default_rows(answers)):
            self.mark(ROWS, rows)
        if len(answers) <= MOST:
            tokens = ", ".join(answer.token or "" for answer in answers)
            if len(tokens) <= MAX_TOKENS and tokens.strip(", "):
                self.mark(TOKEN, tokens)


async def in_order(
    requests: AsyncIterator[bytes], answer: Callable[[bytes], Coroutine[Any, Any, bytes]]
) -> AsyncIterator[bytes]:
    """Answers to a stream of requests in their order, of which several are under way at once."""
    begun: asyncio.Queue[tuple[asyncio.Task[bytes], int] | None] = asyncio.Queue()
    room = asyncio.Event()
    under_way = ahead = 0

    async def read() -> None:
        nonlocal under_way, ahead
        try:
            async for request in requests:
                under_way, ahead = under_way + 1, ahead + len(request)
                begun.put_nowait((asyncio.create_task(answer(request)), len(request)))
                while under_way >= AHEAD or ahead >= AHEAD_BYTES:
                    room.clear()
                    await room.wait()
        finally:
            begun.put_nowait(None)

    reader = asyncio.create_task(read())
    try:
        while (first := await begun.get()) is not None:
            task, size = first
            yield await task
            under_way, ahead = under_way - 1, ahead - size
            room.set()
        await reader
    finally:
        reader.cancel()
        while not begun.empty():
            left = begun.get_nowait()
            if left is not None:
                left[0].cancel()


async def ask(application: Application, request: Request) -> list[Answer]:
    """One answer for each input, at the objective at the latest. Raises Refused where there is no room.

    A call that is cancelled, or whose client has gone, is let go.
    """
    answers = await application.answers(request)
    if (fault := application.refusal(answers)) is None:
        return answers
    if fault.reason == BROKEN:
        raise Refused(grpc.StatusCode.INTERNAL, fault.message)
    retry = ("retry-after", str(application.retry_after_s()))
    raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, fault.message, (retry,))
