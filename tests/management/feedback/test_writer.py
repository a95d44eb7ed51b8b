"""The thread of the sums: what waits together is written together, and nobody is answered before."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, cast

import pytest

from clipper_server.feedback import Delivery, Receipt
from clipper_server.management.feedback.sums import Sums
from clipper_server.management.feedback.writer import Writer


class Noting:
    """In the place of the sums: notes what is written together, once it may."""

    def __init__(self) -> None:
        self.may_write = threading.Event()
        self.written: list[list[int]] = []
        self.threads: set[int] = set()
        self.fails = False

    def take(self, deliveries: list[tuple[str, Delivery]]) -> list[Receipt]:
        self.may_write.wait(60)
        self.threads.add(threading.get_ident())
        if self.fails:
            raise OSError("No space left on device")
        self.written.append([delivery.number for _, delivery in deliveries])
        return [Receipt(duplicates=[delivery.number]) for _, delivery in deliveries]


def played(play: Any) -> Noting:
    noting = Noting()
    writer = Writer(cast(Sums, noting))
    try:
        asyncio.run(play(noting, writer))
    finally:
        noting.may_write.set()
        writer.close()
    return noting


async def begun(writer: Writer, number: int) -> asyncio.Task[Receipt]:
    task = asyncio.create_task(writer.take("0", Delivery(1.0, number, [])))
    await asyncio.sleep(0)
    return task


def test_deliveries_that_wait_are_one_transaction_and_each_has_its_own_receipt() -> None:
    async def play(noting: Noting, writer: Writer) -> None:
        held = asyncio.create_task(writer.call(lambda: noting.may_write.wait(60)))
        await asyncio.sleep(0)
        tasks = [await begun(writer, number) for number in range(5)]
        assert not any(task.done() for task in tasks)
        noting.may_write.set()
        receipts = await asyncio.gather(*tasks)
        await held
        assert [receipt.duplicates for receipt in receipts] == [[0], [1], [2], [3], [4]]

    noting = played(play)
    assert [number for numbers in noting.written for number in numbers] == [0, 1, 2, 3, 4]
    assert len(noting.written) <= 2
    assert threading.get_ident() not in noting.threads


def test_what_comes_is_done_in_its_order() -> None:
    async def play(noting: Noting, writer: Writer) -> None:
        first = await begun(writer, 1)
        between = asyncio.create_task(writer.call(lambda: noting.written.append([-1])))
        await asyncio.sleep(0)
        second = await begun(writer, 2)
        noting.may_write.set()
        await asyncio.gather(first, between, second)

    assert played(play).written == [[1], [-1], [2]]


def test_what_cannot_be_written_is_said_to_all_who_wait_and_the_next_is_tried() -> None:
    async def play(noting: Noting, writer: Writer) -> None:
        noting.fails = True
        noting.may_write.set()
        with pytest.raises(OSError, match="No space left"):
            await writer.take("0", Delivery(1.0, 1, []))
        noting.fails = False
        assert await writer.take("0", Delivery(1.0, 2, [])) == Receipt(duplicates=[2])

    played(play)
