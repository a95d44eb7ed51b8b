"""Bodies that come in pieces: whole at the end, and gone when nobody uses them."""

from __future__ import annotations

import asyncio
import time

import psutil
import pytest

from clipper_server.query.incoming import LARGE, Incoming
from clipper_server.query.slices import Slices

pytestmark = pytest.mark.anyio
MIB = 1 << 20
DEADLINE_S = 60


@pytest.mark.parametrize("size", [0, 1, LARGE - 1, LARGE, LARGE + 1, 3 * LARGE + 7])
@pytest.mark.parametrize("piece", [1000, LARGE, 4 * LARGE])
async def test_a_body_is_the_sum_of_its_pieces(size: int, piece: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    incoming = Incoming(4 * LARGE, Slices(asyncio.get_running_loop()))
    for start in range(0, size, piece):
        incoming.add(body[start : min(size, start + piece)])
        assert incoming.size == min(size, start + piece)
    assert incoming.take() == body[:size]


async def test_a_large_body_is_not_joined_at_its_end_and_goes_little_by_little() -> None:
    loop = asyncio.get_running_loop()
    incoming = Incoming(64 * MIB, Slices(loop))
    for _ in range(256):
        incoming.add(bytes(64 * MIB // 256))
    process = psutil.Process()
    whole = process.memory_info().rss
    body = incoming.take()
    assert process.memory_info().rss < whole + 32 * MIB  # it is no copy
    tensor = memoryview(body)[MIB:]
    del body
    assert len(tensor) == 63 * MIB
    del tensor
    assert process.memory_info().rss > whole - 32 * MIB
    turns = 0
    until = time.monotonic() + DEADLINE_S
    while process.memory_info().rss > whole - 48 * MIB and time.monotonic() < until:
        turn = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn
        turns += 1
    assert turns > 1
    assert process.memory_info().rss <= whole - 48 * MIB
