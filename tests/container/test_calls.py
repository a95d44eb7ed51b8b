"""Calls of other models, without a frontend: what travels, and how they end with their query."""

from __future__ import annotations

import asyncio
import math
import sys
from typing import Any, cast

import numpy as np
import pytest

from clipper_container import wire
from clipper_container.calls import Calls, Models, current
from clipper_container.errors import CallFailed
from clipper_container.links import Work
from clipper_container.loaders.pipeline import Pipeline
from clipper_container.several import OnLoop, run
from tests.support import virtual_time

pytestmark = pytest.mark.anyio


class FakeLink:
    """Keeps what is sent, as whoever is at the other end reads it."""

    def __init__(self) -> None:
        self.closed = False
        self.sent: list[Any] = []

    def send(self, message: object, body: Any = ()) -> None:
        header, _ = wire.lengths((frame := wire.frame(message, body))[0][: wire.PREFIX.size])
        self.sent.append(wire.to_frontend(frame[0][wire.PREFIX.size : wire.PREFIX.size + header]))


@pytest.fixture
def link() -> FakeLink:
    return FakeLink()


@pytest.fixture
async def models(link: FakeLink) -> Models:
    return Models(Calls(asyncio.get_running_loop().time), link, 1, 5.0)


@pytest.mark.parametrize(
    "timeout_s", [-math.inf, -1, 0, np.float64(1.0), np.float32(1.0), math.inf, math.nan, None]
)
async def test_whatever_the_timeout_is_the_call_can_be_read(
    models: Models, link: FakeLink, timeout_s: float | None
) -> None:
    task = asyncio.ensure_future(models[np.str_("a")]([1.0], timeout_s=timeout_s))
    await asyncio.sleep(0)
    (call,) = link.sent
    assert call.model == "a"
    assert 0 <= call.left_s <= 5
    task.cancel()


@pytest.mark.parametrize("name", [5, None, "x" * 1000, "\ud800"])
async def test_what_is_no_name_of_a_model_is_refused_where_it_is_written(models: Models, name: Any) -> None:
    with pytest.raises(TypeError, match="called by their names"):
        models[name]


async def test_a_value_in_itself_does_not_travel(models: Models) -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(CallFailed, match="cannot travel"):
        await models["a"](value)


async def test_nothing_waits_for_a_call_whose_query_is_answered(models: Models, link: FakeLink) -> None:
    left = asyncio.ensure_future(models["a"]([1.0]))
    others = asyncio.ensure_future(Models(models._calls, link, 2, 5.0)["a"]([1.0]))
    await asyncio.sleep(0)
    models.end()
    await asyncio.wait([left])
    assert left.cancelled()
    assert not others.done()
    others.cancel()
    before = len(link.sent)
    with pytest.raises(CallFailed, match="Await all calls before"):
        await models["a"]([1.0])
    assert len(link.sent) == before


async def test_a_pipeline_that_does_not_wait_for_what_it_calls_is_told(
    models: Models, link: FakeLink
) -> None:
    async def answer(query: Any, models: Any) -> Any:
        return models["a"](query)

    current.set(models)
    (fault,) = await Pipeline(answer)(["query"])
    assert fault.reason == "bad_output"
    assert "write await before it" in fault.message
    assert not link.sent


@pytest.mark.parametrize("asks_others", [True, False])
def test_a_model_that_asks_others_ends_with_the_time_and_one_that_does_not_goes_on(asks_others: bool) -> None:
    class Waits:
        is_async = True
        ends_in_time = asks_others

        async def __call__(self, inputs: Any) -> list[float]:
            await asyncio.sleep(2.0)
            return [current.get().left_s]

    async def main() -> Any:
        links: Any = type("Links", (), {"concurrency": 2})
        on_loop = OnLoop(links, Waits(), lambda *_: None)
        batch = wire.Batch(1, 1, ["<f8"], [(1,)], [], [], 1.0)
        work = Work(cast(Any, FakeLink()), batch, memoryview(bytes(8)))
        models = Models(Calls(asyncio.get_running_loop().time), FakeLink(), 1, batch.left_s)
        current.set(models)
        return (await on_loop._answer(work, models))[1]

    answered = virtual_time.run(main())
    if asks_others:
        assert answered == wire.Fault("deadline", "It was not done in the time that was left for it.")
    else:
        assert answered.body == [b"0.0"]


def test_what_ends_python_in_a_task_ends_that_task_alone(capsys: pytest.CaptureFixture[str]) -> None:
    ended = []

    async def exits() -> None:
        sys.exit(3)

    async def main() -> None:
        branch = asyncio.ensure_future(exits())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ended.append(branch.exception())

    loop = asyncio.new_event_loop()
    run(loop, main())
    loop.close()
    assert isinstance(ended[0], SystemExit)
    assert "SystemExit: 3" in "".join(capsys.readouterr())
