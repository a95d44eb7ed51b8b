"""Items on their way to management: they wait in memory, and go again until there is a receipt."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple

import msgspec

from ...changes import Changes
from ...feedback import Decided, Delivery, Item, Receipt

MAX_WAITING = 50_000
MAX_ITEMS = 2_000  # of one delivery, and as many counts
MAX_REWARDS = 8_000  # of all its items: a megabyte, and management takes four
EVERY_S = 0.1
AGAIN_S = 0.5  # after management did not answer
COUNTS_EVERY_S = 1.0  # where there are no items
CLOSE_S = 2.0

Fate = Literal["written", "expired", "unknown"]
Told = Callable[[Fate], None]
Send = Callable[[bytes], Awaitable[Receipt | Literal["refused", "later"]]]
"""Brings a delivery to management, which has written it then, will never take it, or may take it later."""


class _Waiting(NamedTuple):
    item: Item
    told: Told | None


class _UnderWay(NamedTuple):
    body: bytes
    items: list[_Waiting]


class Outbox:
    """That of one frontend. `counts` takes so many of what was decided before that second.

    `complain` is told where items are lost, or where there is no room for more.
    """

    def __init__(
        self,
        began: float,
        counts: Callable[[int, int], list[Decided]],
        complain: Callable[[str], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self.dropped = 0
        self._began = began
        self._counts = counts
        self._complain = complain
        self._now = now
        self._number = 0
        self._waiting: deque[_Waiting] = deque()
        self._under_way: _UnderWay | None = None
        self._changes = Changes()

    @property
    def waiting(self) -> int:
        """Those that management has not written, as far as is known."""
        return len(self._waiting) + (len(self._under_way.items) if self._under_way is not None else 0)

    def put(self, item: Item, told: Told | None = None) -> bool:
        """Bring it to management, and say when it is written. Returns whether there is room for it."""
        if self.waiting >= MAX_WAITING:
            self.dropped += 1
            self._complain(
                f"Management is behind with feedback: {self.waiting:,} items wait for it in this query "
                f"frontend, and what comes is refused; {self.dropped:,} so far. It goes on by itself."
            )
            return False
        self._waiting.append(_Waiting(item, told))
        if len(self._waiting) == 1:
            self._changes.notify()
        return True

    async def turn(self, send: Send) -> None:
        """Bring one delivery, when there is one; then wait a while."""
        if self._under_way is None:
            await self._changes.wait_for(lambda: bool(self._waiting), COUNTS_EVERY_S)
        await asyncio.sleep(EVERY_S if await self._bring(send) else AGAIN_S)

    async def close(self, send: Send) -> None:
        """Bring what is left, if management takes it at once."""
        try:
            async with asyncio.timeout(CLOSE_S):
                while await self._bring(send, int(self._now()) + 1) and self.waiting:
                    pass
        except TimeoutError:
            pass

    async def _bring(self, send: Send, before: int | None = None) -> bool:
        """Returns whether nothing has to be sent again. Counts are of seconds that are over, or so early."""
        if self._under_way is None:
            self._under_way = self._next(int(self._now()) if before is None else before)
        if self._under_way is None:
            return True
        receipt = await send(self._under_way.body)
        if receipt == "later":
            return False
        items = self._under_way.items
        self._under_way = None
        if isinstance(receipt, Receipt):
            _tell(items, receipt)
        elif items:
            self.dropped += len(items)
            self._complain(
                f"Management refuses feedback: {len(items):,} items are lost, {self.dropped:,} so far. The "
                "query frontend's log has its words."
            )
        return True

    def _next(self, before: int) -> _UnderWay | None:
        items: list[_Waiting] = []
        rewards = 0
        while self._waiting and len(items) < MAX_ITEMS and rewards < MAX_REWARDS:
            items.append(self._waiting.popleft())
            rewards += len(items[-1].item.rewards)
        decided = self._counts(MAX_ITEMS, before)
        if not items and not decided:
            return None
        self._number += 1
        delivery = Delivery(self._began, self._number, [waiting.item for waiting in items], decided)
        return _UnderWay(msgspec.msgpack.encode(delivery), items)


def _tell(items: list[_Waiting], receipt: Receipt) -> None:
    fates: dict[int, Fate] = dict.fromkeys(receipt.expired, "expired")
    fates.update(dict.fromkeys(receipt.unknown, "unknown"))
    for position, (_, told) in enumerate(items):
        if told is not None:
            told(fates.get(position, "written"))
