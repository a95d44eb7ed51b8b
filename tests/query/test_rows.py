"""Many rows in one request: what is the same for all is done once, and what is a row's own stays its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper_container.inputs import INPUT_TYPES
from clipper_container.tensors import Tensor
from clipper_container.wire import Fault
from clipper_server.query.application import Application
from clipper_server.query.asked import ask_all
from clipper_server.query.cache import Cache
from clipper_server.query.configuration import Configuration
from clipper_server.query.ids import Ids
from clipper_server.query.protocols.clipper import ClipperProtocol
from clipper_server.query.request import Answer, Request
from clipper_server.query.task import Outcome, Task
from clipper_server.query.traces import KEPT, Trace, Traces, describe
from clipper_server.snapshot import ApplicationSpec, Snapshot
from tests.support.fakes import FakeReplica, fixed, new_queue, version_spec
from tests.support.virtual_time import run

ROWS = 64


def configured(**version: Any) -> tuple[Configuration, Application]:
    loop = asyncio.get_running_loop()
    configuration = Configuration("3", lambda: None, loop, loop.time)
    spec = ApplicationSpec("app", "strings", "?", 100_000, ["m"])
    versions = [version_spec(input_type="strings", **version)]
    configuration.apply(Snapshot(1, [spec], versions, {"m": "1"}))
    return configuration, configuration.applications["app"]


def attach(configuration: Configuration, answer: Any = None, size: int = 1024, **options: Any) -> FakeReplica:
    queue = configuration.queue("m", "1")
    assert queue is not None
    queue.configure(msgspec.structs.replace(queue.spec, batching=fixed(size)))
    return FakeReplica(queue, answer=answer, **options)


async def ask(application: Application, texts: Sequence[str]) -> list[Answer]:
    answered: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
    application.ask(Request("test", tensors(texts)), answered.set_result)
    return await answered


def tensors(texts: Sequence[str]) -> list[Tensor]:
    return [Tensor(text.encode(), (len(text),), "str") for text in texts]


def why(configuration: Configuration, answer: Answer) -> dict[str, Any]:
    found = configuration.traces.find(answer.query_id)
    assert found is not None
    told = describe(found, "3")
    assert told["query_id"] == answer.query_id
    return told


def kept(configuration: Configuration) -> list[Trace]:
    """What is kept from now on."""
    found: list[Trace] = []
    keep = configuration.traces.keep

    def noting(trace: Trace) -> None:
        found.append(trace)
        keep(trace)

    configuration.traces.keep = noting  # type: ignore[method-assign]
    return found


@pytest.mark.parametrize("rows", [ROWS, 1000])
def test_ids_are_consecutive_and_each_row_is_found_by_its_own(rows: int) -> None:
    async def main() -> None:
        configuration, application = configured()
        attach(configuration)
        texts = [str(i) for i in range(rows)]
        many, other = await asyncio.gather(ask(application, texts), ask(application, ["x"]))
        assert [answer.output for answer in many] == [text.encode() for text in texts]
        ids = [answer.query_id for answer in many]
        assert ids == list(range(ids[0], ids[0] + rows * Ids.STEP, Ids.STEP))
        assert other[0].query_id not in ids
        assert {query_id % Ids.STEP for query_id in ids} == {3}
        for answer in (*many, *other):
            told = why(configuration, answer)
            assert (told["answer"], len(told["models"])) == ("answered", 1)
            assert told["models"][0]["batch"]["replied_at_ms"] > 0

    run(main())


def test_a_request_is_decided_traced_and_told_once() -> None:
    async def main() -> None:
        configuration, application = configured()
        replica = attach(configuration)
        traces = kept(configuration)
        decided = []
        decide = application.policy.decide
        application.policy.decide = lambda *asked: decided.append(asked) or decide(*asked)  # type: ignore
        answers = await ask(application, [str(i) for i in range(ROWS)])
        assert len(decided) == 1
        assert [(trace.query_id, trace.count) for trace in traces] == [(answers[0].query_id, ROWS)]
        assert [len(batch) for batch in replica.batches] == [ROWS]
        metrics = application.metrics
        assert (metrics.answered, metrics.latency.count) == (ROWS, ROWS)
        queue = configuration.queue("m", "1")
        assert queue is not None
        assert (queue.metrics.answered, queue.metrics.latency.count) == (ROWS, ROWS)
        assert queue.metrics.queue_delay.count == ROWS

    run(main())


def test_who_waits_for_many_is_told_once_a_batch() -> None:
    class Asking:
        received_at, deadline = 0.0, 1.0

        def __init__(self) -> None:
            self.told: list[int] = []

        def awaits(self, tasks: Sequence[Task]) -> None:
            self.told.append(-len(tasks))

        def joins(self, task: Task) -> None:
            raise AssertionError("there is no cache")

        def settled(self, count: int = 1) -> None:
            self.told.append(count)

    async def main() -> None:
        queue = new_queue(batching=fixed(48))
        FakeReplica(queue)
        asking = Asking()
        tasks = ask_all(asking, Cache(), queue, tensors([str(i) for i in range(ROWS)]), False, True)
        await asyncio.sleep(0.5)
        assert asking.told == [-ROWS, 48, ROWS - 48]
        assert [task.outcome for task in tasks] == [str(i).encode() for i in range(ROWS)]

    run(main())


def test_a_row_that_fails_costs_no_other_its_answer_and_has_its_own_reason() -> None:
    def answer(inputs: list[bytes]) -> list[Outcome]:
        return [
            Fault("model_error", f"no {text.decode()}") if text in (b"5", b"6") else text for text in inputs
        ]

    async def main() -> None:
        configuration, application = configured()
        attach(configuration, answer)
        traces = kept(configuration)
        answers = await ask(application, [str(i) for i in range(ROWS)])
        for i, each in enumerate(answers):
            told = why(configuration, each)
            if i in (5, 6):
                assert each.fault == Fault("model_error", f"no {i}")
                assert (told["answer"], told["explanation"]) == ("default", f"no {i}")
            else:
                assert (each.output, told["answer"]) == (str(i).encode(), "answered")
        assert [trace.count for trace in traces] == [5, 1, 1, ROWS - 7]
        assert application.metrics.defaults == {"model_error": 2}

    run(main())


def test_late_rows_have_the_default_output_and_the_others_theirs() -> None:
    async def main() -> None:
        configuration, application = configured()
        attach(configuration, size=32, cost_s=0.08)
        traces = kept(configuration)
        answers = await ask(application, [str(i) for i in range(ROWS)])
        reasons = [answer.fault.reason if answer.fault else "" for answer in answers]
        assert reasons == [""] * 32 + ["deadline"] * 32
        assert [trace.count for trace in traces] == [32, 32]
        assert [why(configuration, answers[i])["reason"] for i in (31, 32)] == [None, "deadline"]

    run(main())


def test_each_row_is_known_to_the_cache_by_itself() -> None:
    async def main() -> None:
        configuration, application = configured()
        configuration.cache.resize(1 << 20)
        replica = attach(configuration)
        await ask(application, ["b"])
        answers = await ask(application, ["a", "b", "c", "c", "d"])
        assert [answer.output for answer in answers] == [b"a", b"b", b"c", b"c", b"d"]
        assert replica.batches == [["b"], ["a", "c", "d"]]
        caches = [why(configuration, answer)["models"][0]["cache"] for answer in answers]
        assert caches == ["miss", "hit", "joined", "joined", "miss"]

    run(main())


def test_rows_that_nobody_waits_for_are_not_begun() -> None:
    async def main() -> None:
        configuration, application = configured()
        traces = kept(configuration)
        queue = configuration.queue("m", "1")
        assert queue is not None
        query = application.ask(Request("test", tensors([str(i) for i in range(ROWS)])), lambda _: None)
        assert queue.waiting.count == ROWS
        query.cancel()
        assert (queue.waiting.count, queue.waiting.bytes, queue.waiting.cost) == (0, 0, 0.0)
        assert queue.metrics.not_begun == ROWS
        assert [(trace.count, trace.ending) for trace in traces] == [(ROWS, "cancelled")]

    run(main())


def test_of_more_rows_than_may_wait_the_last_ones_are_refused() -> None:
    async def main() -> None:
        configuration, application = configured()
        attach(configuration)
        queue = configuration.queue("m", "1")
        assert queue is not None
        queue.admission.most = 10
        answers = await ask(application, [str(i) for i in range(ROWS)])
        reasons = [answer.fault.reason if answer.fault else "" for answer in answers]
        assert reasons == [""] * 10 + ["overload"] * (ROWS - 10)

    run(main())


def test_a_row_is_answered_with_the_same_bytes_alone_and_among_others() -> None:
    def answer(inputs: list[bytes]) -> list[Outcome]:
        return [Fault("bad_output", "none") if text == b"bad" else b'"%b"' % text for text in inputs]

    async def main() -> None:
        configuration, application = configured()
        attach(configuration, answer)
        protocol = ClipperProtocol(application)

        async def bytes_of(body: object) -> bytes:
            request = protocol.parse({}, msgspec.json.encode(body))
            answered: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
            application.ask(request, answered.set_result)
            return protocol.encode(request, await answered).body

        def without_id(text: bytes) -> bytes:
            return text.partition(b",")[2]

        texts = ["one", "bad", "two"]
        many = await bytes_of({"input_batch": texts})
        alone = [await bytes_of({"input": text}) for text in texts]
        ids = [each["query_id"] for each in msgspec.json.decode(many)["batch_predictions"]]
        parts = [b'{"query_id":%d,%b' % (i, without_id(text)) for i, text in zip(ids, alone, strict=True)]
        assert many == b'{"batch_predictions":[%b]}' % b",".join(parts)

    run(main())


NUMBERS = {
    "integers": st.integers(-(2**31), 2**31 - 1),
    "floats": st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False),
    "doubles": st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-5, 5),
}


@given(data=st.data(), name=st.sampled_from([*NUMBERS, "strings", "json"]))
def test_rows_are_read_together_as_each_by_itself(data: st.DataObject, name: str) -> None:
    one = st.lists(NUMBERS[name], max_size=4) if name in NUMBERS else st.text(max_size=4)
    values = data.draw(st.lists(one, max_size=6))
    kind = INPUT_TYPES[name]
    found = kind.encode_all(values)
    assert found == [kind.encode(value) for value in values]
    assert all(isinstance(tensor, Tensor) for tensor in found)


def test_a_number_out_of_bounds_is_told_of_as_in_a_single_row() -> None:
    with pytest.raises(ValueError, match="outside the 32-bit integers"):
        INPUT_TYPES["integers"].encode_all([[1], [2**31]])
    with pytest.raises(ValueError, match="outside the 32-bit floats"):
        INPUT_TYPES["floats"].encode_all([[1.0], [1e39, None]])


def trace(query_id: int, count: int) -> Trace:
    return Trace(query_id, "app", "test", "First", 0.0, 1.0, 2.0, [], None, "answered", None, count)


def test_traces_are_as_many_as_ever_however_many_rows_a_request_has() -> None:
    traces = Traces(4)
    first = 4 * (KEPT - 10) + 1  # its rows lie at the end of what is kept, and at the beginning
    traces.keep(trace(first, 30))
    assert traces.find(first - 4) is None
    assert traces.find(first + 4 * 30) is None
    assert traces.find(first + 1) is None  # another frontend's
    for row in (0, 9, 10, 29):
        found = traces.find(first + 4 * row)
        assert found is not None
        assert (found.query_id, found.count) == (first + 4 * row, 1)
    assert traces.last is not None
    assert traces.last.query_id == first + 4 * 29
    traces.keep(trace(first + 4 * 30, KEPT - 10))  # of those before there is place for ten
    assert [traces.find(first + 4 * row) is None for row in (0, 19, 20, 29)] == [True, True, False, False]
    traces.keep(trace(first + 4 * (KEPT + 20), 3 * KEPT))
    assert traces.find(first + 4 * 29) is None
    assert traces.find(first + 4 * (4 * KEPT + 19)) is not None
