"""A cascade on a virtual clock: each input is asked of as many arms as it needs, and as its time allows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec
import numpy as np
import pytest

from clipper_container.tensors import Tensor
from clipper_container.wire import Fault
from clipper_server.policies import CascadeSpec
from clipper_server.query.application import Application
from clipper_server.query.configuration import Configuration
from clipper_server.query.policies import Decision
from clipper_server.query.policies.cascade import Cascade
from clipper_server.query.protocols.clipper import ClipperProtocol
from clipper_server.query.request import Answer, Choice, Request
from clipper_server.query.slices import SMALL
from clipper_server.query.task import Outcome
from clipper_server.query.traces import describe
from clipper_server.querylog import Pair
from clipper_server.rollouts import RolloutSpec, Shares
from clipper_server.shadows import ShadowSpec
from clipper_server.snapshot import ApplicationSpec, Snapshot
from tests.support.fakes import FakeReplica, version_spec
from tests.support.virtual_time import run

OBJECTIVE_S = 0.1
BROKEN = Fault("model_error", "It is broken.")


def cascade(*arms: str, below: float = 0.9, rule: Literal["field", "max"] = "field") -> Configuration:
    """Of models whose version 1 is the current one, behind the application app."""
    loop = asyncio.get_running_loop()
    configuration = Configuration("0", lambda: None, loop, loop.time)
    models = list(dict.fromkeys(arm.partition(":")[0] for arm in arms))
    policy = CascadeSpec(list(arms), below, rule)
    spec = ApplicationSpec("app", "strings", "?", int(1e6 * OBJECTIVE_S), models, policy=policy)
    versions = [version_spec(model=model, version=v, input_type="strings") for model in models for v in "12"]
    configuration.apply(Snapshot(1, [spec], versions, dict.fromkeys(models, "1")))
    return configuration


def sure(confidence: float, output: object = "small") -> bytes:
    return msgspec.json.encode({"output": output, "confidence": confidence})


def by_text(inputs: list[bytes]) -> list[Outcome]:
    """Each is as sure as the input says."""
    return [sure(float(text)) for text in inputs]


def answering(outcome: Outcome) -> Callable[[list[bytes]], list[Outcome]]:
    return lambda inputs: [outcome] * len(inputs)


def attach(
    configuration: Configuration,
    model: str,
    answer: Callable[[list[bytes]], Any],
    cost_s: float = 0.01,
    known: bool = True,
    version: str = "1",
) -> FakeReplica:
    """A replica, of which it is `known` what its batches take."""
    queue = configuration.queue(model, version)
    assert queue is not None
    measured = [(1.0, cost_s), (1000.0, cost_s)] * 10 if known else []
    return FakeReplica(queue, cost_s=cost_s, answer=answer, measured=measured)


async def ask(configuration: Configuration, *texts: str, **options: Any) -> list[Answer]:
    answered: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
    tensors = [Tensor(text.encode(), (len(text),), "str") for text in texts]
    app(configuration).ask(Request("test", tensors, **options), answered.set_result)
    return await answered


async def took(answers: Awaitable[list[Answer]]) -> tuple[Answer, float]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    [answer] = await answers
    return answer, loop.time() - began


def app(configuration: Configuration) -> Application:
    return configuration.applications["app"]


def told(configuration: Configuration, answer: Answer) -> dict[str, Any]:
    encode = ClipperProtocol(app(configuration)).encode
    found: dict[str, Any] = msgspec.json.decode(encode(Request("clipper", [], form=None), [answer]).body)
    return {name: found[name] for name in found if name not in ("query_id", "default")}


def asked(replica: FakeReplica) -> list[str]:
    return [text for batch in replica.batches for text in batch]


def test_what_is_sure_is_answered_by_the_cheap_model_and_the_rest_by_the_dear_one() -> None:
    async def main() -> None:
        configuration = cascade("small", "large")
        small = attach(configuration, "small", by_text)
        large = attach(configuration, "large", answering(b'"large"'), 0.03)
        [certain] = await ask(configuration, "0.95")
        assert told(configuration, certain) == {"output": "small", "model": "small:1", "confidence": 0.95}
        assert certain.version == "1"
        [unsure] = await ask(configuration, "0.5")
        counts = {"asked": 2, "used": 1}
        assert told(configuration, unsure) == {"output": "large", "model": "large:1", "models": counts}
        assert unsure.choice == Choice("large:1", None, 2, 1)
        assert (asked(small), asked(large)) == (["0.95", "0.5"], ["0.5"])
        arms = app(configuration).metrics.arms
        assert {name: arm.chosen for name, arm in arms.items()} == {"small": 2, "large": 1}
        trace = configuration.traces.find(unsure.query_id)
        assert trace is not None
        legs = describe(trace, "0")["models"]
        assert [(leg["version"], leg["queued_at_ms"]) for leg in legs] == [("small:1", 0), ("large:1", 10)]

    run(main())


def test_the_confidence_that_is_asked_for_is_enough() -> None:
    async def main() -> None:
        configuration = cascade("small", "large", below=0.9)
        attach(configuration, "small", by_text)
        large = attach(configuration, "large", answering(sure(0.1, "large")))
        answers = await ask(configuration, "0.9", "0.8999999")
        assert [answer.output for answer in answers] == [b'"small"', b'"large"']
        assert asked(large) == ["0.8999999"]
        assert answers[1].choice == Choice("large:1", 0.1, 2, 1)  # the last one answers, sure or not
        assert not answers[1].partial

    run(main())


def test_where_the_dear_model_no_longer_fits_the_cheap_answer_stands_at_once_and_says_so() -> None:
    async def main() -> None:
        configuration = cascade("small", "large")
        attach(configuration, "small", by_text, 0.06)
        large = attach(configuration, "large", answering(b'"large"'), 0.05)
        answer, took_s = await took(ask(configuration, "0.5"))
        assert took_s == pytest.approx(0.06)
        assert answer.partial
        found = told(configuration, answer)
        assert found.pop("models") == {"asked": 2, "used": 1}
        assert found == {"output": "small", "model": "small:1", "confidence": 0.5, "partial": True}
        assert large.batches == []
        trace = configuration.traces.find(answer.query_id)
        assert trace is not None
        small, left_out = describe(trace, "0")["models"]
        assert (small["fault"], left_out["fault"]) == (None, "no_time")
        assert "large:1 was not asked: it takes about 5" in left_out["explanation"]
        assert "40 ms were left" in left_out["explanation"]

    run(main())


def test_what_the_cache_knows_of_the_dear_model_takes_no_time() -> None:
    async def main() -> None:
        configuration = cascade("small", "large")
        configuration.cache.resize(1 << 20)
        small = attach(configuration, "small", by_text)
        queue = configuration.queue("small", "1")
        assert queue is not None
        queue.spec = msgspec.structs.replace(queue.spec, max_cached_input=0)
        large = attach(configuration, "large", answering(b'"large"'), 0.05)
        await ask(configuration, "0.5")
        small.cost_s = lambda _: 0.06
        answers = [(await ask(configuration, "0.5", cached=cached))[0] for cached in (True, False)]
        assert [answer.output for answer in answers] == [b'"large"', b'"small"']
        assert asked(large) == ["0.5"]
        assert (queue.metrics.lookups, asked(small)) == (0, ["0.5"] * 3)

    run(main())


@pytest.mark.parametrize("cost_s", [1.0, 0.2])
def test_a_dear_model_that_is_late_leaves_the_cheap_answer_at_the_deadline(cost_s: float) -> None:
    async def main() -> None:
        configuration = cascade("small", "large")
        attach(configuration, "small", by_text)
        large = attach(configuration, "large", answering(b'"large"'), cost_s, known=False)
        answer, took_s = await took(ask(configuration, "0.5"))
        assert took_s == pytest.approx(OBJECTIVE_S)
        assert (answer.output, answer.partial, answer.fault) == (b'"small"', True, None)
        assert asked(large) == ["0.5"]
        trace = configuration.traces.find(answer.query_id)
        assert trace is not None
        assert [leg["fault"] for leg in describe(trace, "0")["models"]] == [None, "deadline"]

    run(main())


def test_a_dear_model_that_is_broken_or_gone_leaves_the_cheap_answer() -> None:
    async def main() -> None:
        configuration = cascade("small", "large")
        attach(configuration, "small", by_text)
        answer, took_s = await took(ask(configuration, "0.5"))
        assert (answer.output, answer.partial) == (b'"small"', True)
        assert took_s == pytest.approx(0.01)
        attach(configuration, "large", answering(BROKEN))
        answer, _ = await took(ask(configuration, "0.6"))
        assert (answer.output, answer.partial) == (b'"small"', True)

    run(main())


def test_where_the_cheap_model_is_broken_or_gone_the_dear_one_is_asked_at_once() -> None:
    async def main() -> None:
        configuration = cascade("small", "large")
        attach(configuration, "large", answering(b'"large"'))
        answer, took_s = await took(ask(configuration, "0.5"))
        assert (answer.output, answer.partial) == (b'"large"', False)
        assert took_s == pytest.approx(0.01)
        attach(configuration, "small", answering(BROKEN))
        answer, took_s = await took(ask(configuration, "0.6"))
        assert answer.output == b'"large"'
        assert took_s == pytest.approx(0.02)

    run(main())


def test_where_no_model_answers_the_default_output_does_with_the_last_reason() -> None:
    async def main() -> None:
        configuration = cascade("small", "large")
        attach(configuration, "small", answering(BROKEN))
        attach(configuration, "large", answering(BROKEN))
        [answer] = await ask(configuration, "0.5")
        assert answer.output is None
        assert answer.fault == BROKEN
        assert told(configuration, answer)["models"] == {"asked": 2, "used": 0}

    run(main())


def test_a_chain_goes_on_until_one_is_sure() -> None:
    async def main() -> None:
        configuration = cascade("a", "b", "c")
        attach(configuration, "a", by_text)
        attach(configuration, "b", lambda inputs: [sure(float(text) + 0.4, "b") for text in inputs])
        c = attach(configuration, "c", answering(b'"c"'))
        answers = [(await ask(configuration, text))[0] for text in ("0.9", "0.55", "0.3")]
        assert [answer.output for answer in answers] == [b'"small"', b'"b"', b'"c"']
        assert [answer.choice and answer.choice.asked for answer in answers] == [1, 2, 3]
        assert asked(c) == ["0.3"]

    run(main())


@pytest.mark.parametrize("count", [5, 2 * SMALL])
def test_each_input_of_a_request_goes_its_own_way(count: int) -> None:
    async def main() -> None:
        configuration = cascade("small", "large")
        attach(configuration, "small", by_text, 0.01)
        large = attach(configuration, "large", lambda inputs: [b'"large"'] * len(inputs), 0.01)
        texts = [f"0.{'95' if i % 3 else '10'}{i}" for i in range(count)]
        answers = await ask(configuration, *texts)
        assert [answer.output for answer in answers] == [
            b'"small"' if i % 3 else b'"large"' for i in range(count)
        ]
        assert sorted(asked(large)) == sorted(texts[::3])

    run(main())


@pytest.mark.parametrize("count", [3, 2 * SMALL])
def test_at_the_deadline_each_input_has_what_is_there(count: int) -> None:
    async def main() -> None:
        configuration = cascade("small", "large")
        attach(configuration, "small", by_text)
        attach(configuration, "large", answering(b'"large"'), 1.0, known=False)
        answers = await ask(configuration, *["0.95", *["0.5"] * (count - 1)])
        assert {answer.output for answer in answers} == {b'"small"'}
        assert [answer.partial for answer in answers] == [False, *[True] * (count - 1)]

    run(main())


def test_a_client_that_goes_takes_what_waits_with_it() -> None:
    async def main() -> None:
        configuration = cascade("small", "large")
        attach(configuration, "small", by_text)
        attach(configuration, "large", answering(b'"large"'), 0.05, known=False).credits = 0
        tensor = Tensor(b"0.5", (3,), "str")
        query = app(configuration).ask(Request("test", [tensor]), lambda _: None)
        await asyncio.sleep(0.02)
        queue = configuration.queue("large", "1")
        assert queue is not None
        assert queue.waiting.count == 1
        query.cancel()
        assert queue.waiting.count == 0
        assert app(configuration).metrics.cancelled == 1

    run(main())


def test_a_model_that_does_not_say_how_sure_it_is_is_told_of_and_the_next_one_asked() -> None:
    async def main() -> None:
        configuration = cascade("small", "large")
        attach(configuration, "small", answering(b'"7"'))
        attach(configuration, "large", answering(b'"large"'))
        for text in ("0.1", "0.2"):
            [answer] = await ask(configuration, text)
            assert answer.output == b'"large"'
        [complaint] = configuration.complaints.values()
        assert (complaint.model, complaint.version) == ("small", "1")
        assert "small:1 is asked in a cascade, and returns no confidence" in complaint.text

    run(main())


def read(output: Outcome, rule: Literal["field", "max"] = "field") -> tuple[Outcome, float | None, bool]:
    """What a client gets, the confidence, and whether it is enough of it."""
    complaints: list[str] = []
    policy = Cascade(CascadeSpec(["a", "b"], 0.9, rule), lambda _, text: complaints.append(text))
    combined = policy.combine(Decision(policy.arms), [output])
    assert not isinstance(output, Fault)
    enough = policy.enough("a:1", output)
    assert bool(complaints) == (combined.confidence is None)
    assert combined.partial == (not enough)
    return combined.outcome, combined.confidence, enough


def test_a_confidence_is_a_field_beside_the_output() -> None:
    assert read(b'{"output":[1, 2],"confidence":1,"by":"me"}') == (b"[1, 2]", 1.0, True)
    assert read(b'{"confidence":0.2,"output":{"label":3}}') == (b'{"label":3}', 0.2, False)
    for none in (
        b'{"output":3}',
        b'{"output":3,"confidence":"high"}',
        b'{"output":3,"confidence":1.5}',
        b"3",
    ):
        assert read(none) == (none, None, False)


def test_a_confidence_is_the_largest_probability() -> None:
    assert read(b"[0.05,0.95]", "max") == (b"[0.05,0.95]", 0.95, True)
    assert read(b"[0,1]", "max")[1:] == (1.0, True)
    for none in (b"[]", b"[-3.2,7.1]", b'"3"', b'[["a"]]', b"0.95"):
        assert read(none, "max") == (none, None, False)
    probabilities = np.array([0.75, 0.25])
    tensor = Tensor(probabilities.tobytes(), (2,), "<f8")
    assert read(tensor, "max") == (tensor, 0.75, False)
    assert read(tensor) == (tensor, None, False)
    text = Tensor(b"seven", (5,), "str")
    assert read(text, "max") == (text, None, False)


def test_a_side_of_a_rollout_is_asked_in_the_place_of_its_model() -> None:
    async def main() -> None:
        configuration = cascade("small", "large")
        snapshot = configuration.snapshot
        assert snapshot is not None
        rollout = RolloutSpec(1, "large", "1", "2")
        configuration.apply(msgspec.structs.replace(snapshot, rollouts=[rollout]))
        configuration.rollouts.hear(Shares(1, {1: 1.0}, 1000.0))
        attach(configuration, "small", by_text)
        attach(configuration, "large", answering(b'"two"'), version="2")
        answers = await ask(configuration, "0.5", "0.95")
        assert [answer.choice and answer.choice.model for answer in answers] == ["large:2", "small:1"]
        [report] = configuration.rollouts.report()
        assert (report.canary.chosen, report.control.chosen) == (1, 0)

    run(main())


@pytest.mark.parametrize(("model", "seen"), [("small", ["0.5", "0.95", "0.4"]), ("large", ["0.5", "0.4"])])
def test_a_shadow_is_asked_beside_the_arm_for_what_that_was_asked(model: str, seen: list[str]) -> None:
    async def main() -> None:
        configuration = cascade("small", "large")
        snapshot = configuration.snapshot
        assert snapshot is not None
        configuration.apply(msgspec.structs.replace(snapshot, shadows=[ShadowSpec(7, model, "2", 1.0)]))
        configuration.shadows.busy = lambda: False
        attach(configuration, "small", by_text)
        attach(configuration, "large", answering(b'"large"'))
        shadow = attach(configuration, model, answering(b'"shadow"'), version="2")
        answers = await ask(configuration, "0.5", "0.95", "0.4")
        await asyncio.sleep(2 * OBJECTIVE_S)
        assert sorted(asked(shadow)) == sorted(seen)
        pairs = {
            record.query_id: record for record in configuration.records.take() if isinstance(record, Pair)
        }
        assert sorted(pairs) == sorted(
            answer.query_id
            for answer, text in zip(answers, ("0.5", "0.95", "0.4"), strict=True)
            if text in seen
        )
        said = sure(0.5) if model == "small" else b'"large"'
        assert pairs[answers[0].query_id].before.output == said  # as the model said it

    run(main())


def test_a_named_version_answers_alone() -> None:
    async def main() -> None:
        configuration = cascade("small", "small:2")
        attach(configuration, "small", by_text)
        [answer] = await ask(configuration, "0.5", version="1")
        assert (answer.output, answer.choice) == (sure(0.5), None)

    run(main())
