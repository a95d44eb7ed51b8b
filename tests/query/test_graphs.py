"""Models that call models, in virtual time: whatever the graph, and whatever fails, all are answered in time.

Real: the query frontend, and in the replicas what makes calls. Fake: the connection, and what models compute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any, cast

import msgspec
import numpy as np
import pytest

from clipper_container import wire
from clipper_container.calls import Calls, Models
from clipper_container.errors import CallFailed
from clipper_container.tensors import Tensor, array_tensor
from clipper_server.query.calls import input_of
from clipper_server.query.configuration import Configuration
from clipper_server.query.replicas import Replica, credential
from clipper_server.query.request import Answer, Request
from clipper_server.query.traces import describe
from clipper_server.rollouts import RolloutSpec, Shares
from clipper_server.snapshot import MAX_DEPTH, ApplicationSpec, Snapshot, VersionSpec
from tests.support.fakes import version_spec
from tests.support.virtual_time import run

OBJECTIVE_S = 0.5
AND_S = 0.1


class Model:
    """A replica that takes so long, or fails, and calls what its version uses."""

    closed = False

    def __init__(
        self,
        configuration: Configuration,
        spec: VersionSpec,
        takes_s: float,
        *,
        fails: bool = False,
        measured: bool = True,
    ) -> None:
        self.called: list[str] = []
        self._spec = spec
        self._takes_s = takes_s
        self._fails = fails
        self._calls = Calls(asyncio.get_running_loop().time)
        self._room = asyncio.Semaphore(spec.concurrency)
        self._tasks: set[asyncio.Task[None]] = set()
        self.replica = Replica(configuration, configuration.replicas)
        self.replica.connection_made(cast(asyncio.BaseTransport, self))
        self.send(wire.Hello(wire.WIRE_VERSION, spec.model, spec.model, "1", "0", 1))
        self.send(wire.Ready([(1.0, min(takes_s, 0.1))] if measured else []))
        self.send(wire.Credit(max(2, spec.concurrency)))

    # The frontend's end

    def writelines(self, parts: Sequence[wire.Buffer]) -> None:
        header, _ = wire.lengths(parts[0][: wire.PREFIX.size])
        message = wire.to_container(parts[0][wire.PREFIX.size : wire.PREFIX.size + header])
        body = memoryview(b"".join(parts[1:]))
        if isinstance(message, wire.Batch):
            task = asyncio.get_running_loop().create_task(self._answer(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif isinstance(message, wire.Called):
            self._calls.called(self, message, body)

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        """As when it is killed."""
        for task in list(self._tasks):
            task.cancel()
        self.replica.connection_lost(None)

    abort = close

    # The replica's end

    def send(self, message: object, body: list[wire.Buffer] | None = None) -> None:
        asyncio.get_running_loop().call_soon(self._arrive, b"".join(wire.frame(message, body or [])))

    def _arrive(self, frame: bytes) -> None:
        rest = memoryview(frame)
        while rest:
            buffer = self.replica.get_buffer(-1)
            size = min(len(buffer), len(rest))
            buffer[:size] = rest[:size]
            rest = rest[size:]
            self.replica.buffer_updated(size)

    async def _answer(self, batch: wire.Batch) -> None:
        models = Models(self._calls, self, batch.id, batch.left_s)
        async with self._room:
            began = asyncio.get_running_loop().time()
            await asyncio.sleep(self._takes_s)
            fault = wire.Fault("model_error", "it fails") if self._fails else None
            try:
                async with asyncio.timeout(batch.left_s or None):
                    await self._call(models)
            except (CallFailed, TimeoutError) as error:
                fault = wire.Fault("call_failed", str(error))
            took_s = asyncio.get_running_loop().time() - began
        texts = [] if fault else [b"1.0"] * batch.count
        reply = wire.Reply(batch.id, took_s, 1, [3] * len(texts), [], {}, fault, models.partial)
        self.send(reply, [b"".join(texts)] if texts else [])

    async def _call(self, models: Models) -> None:
        await asyncio.gather(*(models[name](1.0) for name in self._spec.uses))


def ask(configuration: Configuration, name: str) -> asyncio.Future[tuple[Answer, float]]:
    loop = asyncio.get_running_loop()
    found: asyncio.Future[tuple[Answer, float]] = loop.create_future()
    request = Request("test", [Tensor(b"1.0", (3,), "json")], cached=False)
    began = loop.time()

    def reply(answers: list[Answer]) -> None:
        found.set_result((answers[0], loop.time() - began))

    configuration.applications[name].ask(request, reply)
    return found


def served(uses: dict[str, list[str]], **options: Any) -> Configuration:
    """A frontend that serves these models, each used by those that name it."""
    loop = asyncio.get_running_loop()
    configuration = Configuration("0", lambda: None, loop, loop.time)
    versions = [
        version_spec(
            model=name,
            credential=credential(name),
            input_type="json",
            uses=used,
            concurrency=64 if used else 1,
            max_cached_input=-1,
            **options,
        )
        for name, used in uses.items()
    ]
    application = ApplicationSpec("a", "json", -1, int(1e6 * OBJECTIVE_S), ["a"])
    configuration.apply(Snapshot(1, [application], versions, dict.fromkeys(uses, "1")))
    return configuration


def spec_of(configuration: Configuration, name: str) -> VersionSpec:
    queue = configuration.queue(name, "1")
    assert queue is not None
    return queue.spec


async def _some_graph(seed: int) -> int:
    random = Random(seed)
    names = "abcdefgh"[: random.randint(2, 8)]
    uses = {name: [used for used in names[i + 1 :] if random.random() < 0.5] for i, name in enumerate(names)}
    configuration = served(uses)
    models = [
        Model(
            configuration,
            spec_of(configuration, name),
            random.choice((0.0, 0.001, 0.01, 0.1, 0.3, 2.0)),
            fails=random.random() < 0.1,
        )
        for name in names
    ]
    await asyncio.sleep(0.01)
    asked = [ask(configuration, "a") for _ in range(8)]
    if random.random() < 0.3:
        await asyncio.sleep(random.random() * OBJECTIVE_S)
        random.choice(models).close()
    answered = 0
    for answer, took_s in await asyncio.gather(*asked):
        assert took_s <= OBJECTIVE_S + AND_S, f"seed {seed}: {took_s:.3f} s"
        answered += answer.fault is None
    await asyncio.sleep(5.0)
    for queue in configuration.queues.values():
        assert queue.waiting.count == 0, f"seed {seed}: calls have stayed in the queue of {queue}"
    for replica in list(configuration.replicas):
        assert not replica._calls, f"seed {seed}: calls of {replica} were forgotten"
        replica.close()
    return answered


@pytest.mark.parametrize("graphs", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_whatever_the_graph_all_are_answered_in_time(graphs: int) -> None:
    answered = sum(run(_some_graph(seed)) for seed in range(graphs))
    assert graphs < answered < 7 * graphs  # some of them by their models, and some by default


def test_calls_are_no_deeper_than_they_may_be() -> None:
    async def main() -> None:
        names = "abcdefghijk"
        chain = {name: list(names[i + 1 : i + 2]) for i, name in enumerate(names)}
        configuration = served(chain)
        for name in names:
            Model(configuration, spec_of(configuration, name), 0.0)
        await asyncio.sleep(0.01)
        answer, _ = await ask(configuration, "a")
        assert answer.fault is not None
        assert f"{MAX_DEPTH + 1} deep" in answer.fault.message

    run(main())


class InTurn(Model):
    """Calls one after the other, and does without those that are late."""

    async def _call(self, models: Models) -> None:
        for name in self._spec.uses:
            await models[name](1.0, default=None)


@pytest.mark.parametrize(("stages", "late"), [([], {"b", "c"}), ([["b"], ["c"]], {"b"})])
def test_stages_share_the_time_that_is_left(stages: list[list[str]], late: set[str]) -> None:
    """One that never answers leaves the next one its part of the time, where it is known that it comes."""

    async def main() -> None:
        configuration = served({"a": ["b", "c"], "b": [], "c": []}, stages=stages)
        InTurn(configuration, spec_of(configuration, "a"), 0.0)
        Model(configuration, spec_of(configuration, "b"), 60.0)
        Model(configuration, spec_of(configuration, "c"), 0.05)
        await asyncio.sleep(0.01)
        answer, took_s = await ask(configuration, "a")
        assert answer.partial
        assert took_s < OBJECTIVE_S
        trace = configuration.traces.find(answer.query_id)
        assert trace is not None
        (leg,) = describe(trace, "0")["models"]
        assert {call["version"][0] for call in leg["calls"] if call["fault"]} == late

    run(main())


def test_a_stage_of_which_nothing_is_known_has_its_time_too() -> None:
    async def main() -> None:
        configuration = served({"a": ["b", "c"], "b": [], "c": []}, stages=[["b"], ["c"]])
        InTurn(configuration, spec_of(configuration, "a"), 0.0)
        Model(configuration, spec_of(configuration, "b"), 0.05, measured=False)
        Model(configuration, spec_of(configuration, "c"), 0.05)
        await asyncio.sleep(0.01)
        answer, _ = await ask(configuration, "a")
        assert not answer.partial

    run(main())


class Leaving(InTurn):
    """Gets no more batches as soon as it has one, and calls all the same."""

    async def _answer(self, batch: wire.Batch) -> None:
        self.send(wire.Draining())
        await super()._answer(batch)


def test_a_replica_that_is_drained_gets_what_it_calls() -> None:
    async def main() -> None:
        configuration = served({"a": ["b"], "b": []})
        Leaving(configuration, spec_of(configuration, "a"), 0.01)
        Model(configuration, spec_of(configuration, "b"), 0.01)
        await asyncio.sleep(0.01)
        answer, took_s = await ask(configuration, "a")
        assert answer.output == b"1.0"
        assert not answer.partial
        assert took_s < 0.1

    run(main())


@pytest.mark.parametrize(("dies", "counted"), [(False, 1), (True, 0)])
def test_a_caller_that_dies_makes_nobody_late_whom_it_called(dies: bool, counted: int) -> None:
    """Of a rollout, in which each side's answers are counted."""

    async def main() -> None:
        configuration = served({"a": ["b"], "b": []})
        snapshot = configuration.snapshot
        assert snapshot is not None
        rollouts = [RolloutSpec(1, "b", "0", "1")]
        configuration.apply(msgspec.structs.replace(snapshot, revision=2, rollouts=rollouts))
        configuration.rollouts.hear(Shares(1, {1: 1.0}, lifetime_s=1e9))
        caller = Model(configuration, spec_of(configuration, "a"), 0.01)
        Model(configuration, spec_of(configuration, "b"), 0.2)
        await asyncio.sleep(0.01)
        asked = ask(configuration, "a")
        await asyncio.sleep(0.1)  # it has called by now
        assert caller.replica._calls
        if dies:
            caller.close()
        await asked
        (told,) = configuration.rollouts.report()
        assert (told.canary.chosen, told.canary.late) == (counted, 0)

    run(main())


@pytest.mark.parametrize(
    ("value", "input_type", "fits"),
    [
        (np.array([7]), "integers", True),
        (np.array([7], "u8"), "integers", True),
        (np.array([1 << 40]), "integers", False),
        (np.array([(1 << 64) - 1], "u8"), "integers", False),
        (np.array([0.5, np.nan]), "floats", True),
        (np.array([1e300]), "floats", False),
    ],
)
def test_a_number_that_a_model_cannot_take_is_no_other_number(
    value: np.ndarray[Any, Any], input_type: str, fits: bool
) -> None:
    tensor = array_tensor(value)
    call = wire.Call(1, 1, "b", 1.0, tensor.dtype, tensor.shape)
    spec = version_spec(model="b", input_type=input_type)
    if fits:
        found = input_of(spec, call, memoryview(tensor.data))
        assert np.array_equal(np.frombuffer(found.data, found.dtype), value, equal_nan=True)
    else:
        with pytest.raises(ValueError, match="a number that is no"):
            input_of(spec, call, memoryview(tensor.data))


def test_much_json_is_refused_for_it_would_hold_all_others_up() -> None:
    async def main() -> None:
        configuration = served({"a": ["b"], "b": []})
        pipeline = Model(configuration, spec_of(configuration, "a"), 60.0)
        Model(configuration, spec_of(configuration, "b"), 0.0)
        await asyncio.sleep(0.01)
        asked = ask(configuration, "a")
        await asyncio.sleep(0.01)
        models = Models(pipeline._calls, pipeline, 1, OBJECTIVE_S)
        with pytest.raises(CallFailed, match="to read as JSON, and 1048576 is the most"):
            await models["b"]("x" * (1 << 20) + "x")
        assert await models["b"]("x" * 1000) == 1.0
        await asked

    run(main())
