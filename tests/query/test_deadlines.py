from __future__ import annotations

import asyncio

from clipper_server.query.deadlines import LOOK_THROUGH, Deadlines
from tests.support.virtual_time import run


class Query:
    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.finished = False
        self.expired_at: float | None = None

    def expire(self) -> None:
        assert not self.finished
        self.finished = True
        self.expired_at = asyncio.get_running_loop().time()


def test_each_expires_at_its_deadline_and_those_that_are_finished_never() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        deadlines = Deadlines(loop, loop.time)
        queries = [Query(deadline) for deadline in (3, 1, 2, 1.5)]
        for query in queries:
            deadlines.watch(query)
        queries[3].finished = True
        await asyncio.sleep(9)
        assert [query.expired_at for query in queries] == [3, 1, 2, None]

    run(main())


def test_what_is_finished_does_not_pile_up_behind_one_that_is_not() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        deadlines = Deadlines(loop, loop.time)
        deadlines.watch(Query(1))
        for _ in range(20 * LOOK_THROUGH):
            quick = Query(2)
            deadlines.watch(quick)
            quick.finished = True
        assert len(deadlines) <= LOOK_THROUGH + 2

    run(main())
