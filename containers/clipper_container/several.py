"""Replicas that work on several batches at once: in threads, or on an event loop where the model waits."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import calls, children, faults
from .coroutines import ends_in_time
from .link import Link
from .links import LOOK_AGAIN_S, Links, Work
from .outputs import Outputs, encode_outputs
from .tensors import decode
from .wire import Fault

Answered = tuple[float, Outputs | Fault]
Finish = Callable[[Work, float, Outputs | Fault, bool], None]
"""Sends what became of a batch: the seconds that it took, and whether it is partial."""


def in_threads(
    links: Links, take: Callable[[], Work | None], answer: Callable[[Work], Answered], finish: Finish
) -> None:
    """Answer batches, each in a thread, until all is drained. This thread takes them in."""

    def work_on(work: Work) -> None:
        if work.link.closed:
            links.credits.finish(work.link)
        else:
            finish(work, *answer(work), False)

    with ThreadPoolExecutor(links.concurrency, "model") as pool:
        while (work := take()) is not None:
            pool.submit(work_on, work)


class OnLoop:
    """Answers batches by a function to await, all on one event loop, which reads the sockets too."""

    def __init__(self, links: Links, predict: Callable[[Any], Any], finish: Finish) -> None:
        self._links = links
        self._predict = predict
        self._ends_in_time = ends_in_time(predict)
        self._finish = finish
        self._calls = calls.Calls(time.monotonic)
        self._room = asyncio.Semaphore(links.concurrency)
        self._under_way: dict[asyncio.Task[None], Link] = {}

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        links = self._links
        links.called, links.gone = self._calls.called, self._gone
        drained = loop.create_future()
        timer: asyncio.Handle | None = None

        def came() -> None:
            works = links.taken()
            if works is None and not drained.done():
                drained.set_result(None)
            for work in works or ():
                task = loop.create_task(self._work_on(work))
                self._under_way[task] = work.link
                task.add_done_callback(self._under_way.pop)

        def look_after() -> None:
            nonlocal timer
            timer = loop.call_later(LOOK_AGAIN_S, look_after)
            links.look_after()
            came()

        with links.watched_by(loop, came):
            look_after()
            try:
                await drained
                while self._under_way:
                    await asyncio.wait(self._under_way)
            finally:
                if timer is not None:
                    timer.cancel()

    async def _work_on(self, work: Work) -> None:
        models = calls.Models(self._calls, work.link, work.batch.id, work.batch.left_s)  # from now on
        async with self._room:
            if work.link.closed:  # its frontend is gone, and with it whoever waits for this
                self._links.credits.finish(work.link)
                return
            calls.current.set(models)
            took_s, answered = await self._answer(work, models)
            models.end()
            self._finish(work, took_s, answered, models.partial)

    async def _answer(self, work: Work, models: calls.Models) -> Answered:
        batch, is_late = work.batch, False
        started = time.perf_counter()
        try:
            given = decode(batch.count, batch.each(), batch.shapes, work.body)
            if batch.left_s and self._ends_in_time:
                loop, task = asyncio.get_running_loop(), asyncio.current_task()
                assert task is not None

                def late(task: asyncio.Task[Any] = task) -> None:
                    nonlocal is_late
                    is_late = True
                    task.cancel()

                timer = loop.call_later(models.left_s, late)
                try:
                    outputs = await self._predict(given)
                finally:
                    timer.cancel()
            else:
                outputs = await self._predict(given)
            took_s = time.perf_counter() - started
            children.end_if_child()
            return took_s, encode_outputs(outputs, batch.count, batch.raw)
        except BaseException as error:
            took_s = time.perf_counter() - started
            children.end_if_child(error)
            if isinstance(error, asyncio.CancelledError) and is_late:
                return took_s, Fault("deadline", "It was not done in the time that was left for it.")
            faults.show(error)
            return took_s, faults.model_error(error)

    def _gone(self, link: Link) -> None:
        """Nobody waits for what it has asked."""
        self._calls.gone(link)
        for task, its in list(self._under_way.items()):
            if its is link:
                task.cancel()


def run(loop: asyncio.AbstractEventLoop, main: Coroutine[Any, Any, None]) -> None:
    """Run it to its end. What ends Python where a task of the model's raises it ends that task alone."""
    task = loop.create_task(main)
    while not task.done():
        try:
            loop.run_until_complete(task)
        except (SystemExit, KeyboardInterrupt) as error:
            children.end_if_child(error)
            faults.show(error)


def blocking(predict: Callable[[Any], Any], loop: asyncio.AbstractEventLoop) -> Any:
    """The same, for who waits for it: as a warm-up does."""

    async def awaited(given: Any) -> Any:
        return await predict(given)

    return lambda given: loop.run_until_complete(awaited(given))


def end(loop: asyncio.AbstractEventLoop) -> None:
    """What the model has left on it is cancelled."""
    with contextlib.suppress(Exception):
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
