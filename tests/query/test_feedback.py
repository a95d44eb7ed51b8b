"""Feedback over HTTP: what answers tell, what is taken, and what is refused with which sentence."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import secrets
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from clipper_server.changes import Changes
from clipper_server.features import DRAWS, pack
from clipper_server.feedback import Delivery, FeedbackSpec, Item, Receipt, Row, Tables
from clipper_server.policies import Exp3Spec, LinTSSpec, SplitSpec, VoteSpec
from clipper_server.query.configuration import Configuration
from clipper_server.query.feedback import answered, outbox
from clipper_server.query.frontend import Server
from clipper_server.query.intake import bodies
from clipper_server.query.intake import exchange as intake_exchange
from clipper_server.query.listener import Listener
from clipper_server.query.traces import describe
from clipper_server.querylog import Chosen, Record
from clipper_server.rollouts import RolloutSpec, Shares
from clipper_server.snapshot import ApplicationSpec, RequestSpec, Snapshot
from clipper_server.supervisor import Supervisor
from tests.support.fakes import FakeReplica, version_spec

pytestmark = pytest.mark.anyio
DEADLINE_S = 60
KEYS = [secrets.token_hex(32) for _ in range(2)]
LONG = b'"%b"' % (b"x" * 300)


def applications(**changes: FeedbackSpec) -> list[ApplicationSpec]:
    each = FeedbackSpec()
    return [
        ApplicationSpec("one", "strings", "?", 10_000_000, ["a"], feedback=changes.get("one", each)),
        ApplicationSpec("other", "strings", "?", 10_000_000, ["a"], feedback=each),
        ApplicationSpec("none", "strings", "?", 10_000_000, ["a"]),
        ApplicationSpec("empty", "strings", "?", 10_000_000, [], feedback=each),
        ApplicationSpec(
            *("split", "strings", "?", 10_000_000, ["a", "b"]),
            policy=SplitSpec({"a": 0.25, "b": 0.75}),
            feedback=each,
        ),
        ApplicationSpec(
            *("learner", "strings", "?", 10_000_000, ["a", "b"]), policy=Exp3Spec(["a", "b"]), feedback=each
        ),
        ApplicationSpec(
            *("vote", "strings", "?", 10_000_000, ["a", "b", "c"]),
            policy=VoteSpec(["a", "b", "c"], learned=True),
            feedback=each,
        ),
        ApplicationSpec(
            *("strict", "strings", "?", 10_000_000, ["a", "b"]),
            policy=VoteSpec(["a", "b"], min_confidence=0.9),
            feedback=each,
        ),
        ApplicationSpec("long", "strings", "?", 10_000_000, ["long"], feedback=each),
        *[
            ApplicationSpec(
                *(f"by {count}", "strings", "?", 10_000_000, arms),
                policy=LinTSSpec(arms, features=count),
                feedback=changes.get(f"by {count}", each),
            )
            for count, arms in ((3, ["a", "b"]), (64, ["a", "long"]))
        ],
    ]


def snapshot(revision: int = 1, **changes: Any) -> Snapshot:
    versions = [
        version_spec(model=model, version=version, input_type="strings")
        for model, version in (("a", "1"), ("a", "2"), ("b", "1"), ("c", "1"), ("long", "1"))
    ]
    fields: dict[str, Any] = {
        "applications": applications(),
        "versions": versions,
        "current": dict.fromkeys(("a", "b", "c", "long"), "1"),
        "feedback_keys": KEYS,
        "cache_size": 1 << 20,
    }
    return Snapshot(revision, **{**fields, **changes})


SAYS = {("a", "1"): b"7", ("a", "2"): b"2", ("b", "1"): b"8", ("c", "1"): b"8", ("long", "1"): LONG}


@pytest.fixture
async def configuration() -> Configuration:
    configuration = Configuration("5", lambda: None, asyncio.get_running_loop())
    configuration.apply(snapshot())
    for (model, version), output in SAYS.items():
        attach(configuration, model, version, output)
    return configuration


def attach(configuration: Configuration, model: str, version: str, output: bytes) -> FakeReplica:
    queue = configuration.queue(model, version)
    assert queue is not None
    return FakeReplica(queue, cost_s=0.0, answer=lambda inputs: [output] * len(inputs))


@pytest.fixture
async def client(configuration: Configuration) -> AsyncIterator[httpx2.AsyncClient]:
    with tempfile.TemporaryDirectory(prefix="clipper-", dir="/tmp") as folder:
        changes = Changes()
        listener = Listener("0", "127.0.0.1:0", Path(folder))
        server = Server(configuration, listener, changes, Supervisor(), "token")
        serving = asyncio.create_task(server._serve())
        assert await changes.wait_for(lambda: configuration.serving, DEADLINE_S)
        host, port = server.listener.address
        async with httpx2.AsyncClient(
            base_url=f"http://{host}:{port}", trust_env=False, verify=False, timeout=DEADLINE_S
        ) as client:
            yield client
        server.should_exit = server.force_exit = True
        await serving


async def predict(client: httpx2.AsyncClient, application: str, **request: Any) -> dict[str, Any]:
    response = await client.post(f"/{application}/predict", json={"input": "x", **request})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def feed(
    client: httpx2.AsyncClient,
    application: str,
    entry: dict[str, Any] | list[dict[str, Any]],
    query: str = "",
) -> tuple[int, dict[str, Any]]:
    response = await client.post(f"/{application}/feedback{query}", json=entry)
    return response.status_code, response.json()


def items(configuration: Configuration) -> list[Item]:
    """What waits for management."""
    return [waiting.item for waiting in configuration.feedback.outbox._waiting]


def decided(token: str) -> answered.Answered:
    text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    return answered.decode(text[:-16])


TAKEN = {"accepted": 1, "refused": []}


async def test_an_answer_has_a_token_only_where_feedback_is_collected(client: httpx2.AsyncClient) -> None:
    assert "feedback_token" not in await predict(client, "none")
    answer = await predict(client, "one")
    assert len(answer["feedback_token"]) <= 1024
    made = decided(answer["feedback_token"])
    assert (made.query_id, made.application, made.arms) == (answer["query_id"], "one", ("a:1",))
    assert (made.propensity, made.combined, made.outputs) == (1.0, False, (b"7",))


async def test_a_default_output_and_a_version_that_was_named_have_none(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    answer = await predict(client, "empty")
    assert answer["default"]
    assert "feedback_token" not in answer
    named = await predict(client, "one", version="2")
    assert named["output"] == 2
    assert "feedback_token" not in named
    for application, query_id in (("empty", answer["query_id"]), ("one", named["query_id"])):
        status, body = await feed(client, application, {"query_id": query_id, "reward": 1})
        assert (status, body["error"]) == (400, "no_decision")
        assert "feedback_token" in body["cause"]
    assert items(configuration) == []
    assert configuration.feedback.decisions.take(10, 2**40) == []


async def test_a_side_of_a_rollout_is_known_by_its_table_of_shares(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    configuration.apply(snapshot(2, rollouts=[RolloutSpec(5, "a", "1", "2")]))
    configuration.rollouts.hear(Shares(41, {5: 0.5}))
    answers = [await predict(client, "vote", context=str(number)) for number in range(20)]
    for answer in answers:
        made = decided(answer["feedback_token"])
        assert made.arms[0] in ("a:1", "a:2")
        assert (made.arms[1:], made.dealt) == (("b:1", "c:1"), (41, 0, 0))
        await feed(client, "vote", {"feedback_token": answer["feedback_token"], "label": 8})
    assert {item.rewards[0].arm for item in items(configuration)} == {"a:1", "a:2"}
    assert {tuple(each.dealt for each in item.rewards) for item in items(configuration)} == {(41, 0, 0)}
    counted = configuration.feedback.decisions.take(100, 2**40)
    assert {(each.arm[0], each.dealt) for each in counted} == {("a", 41), ("b", 0), ("c", 0)}
    configuration.rollouts.hear(Shares(42, {5: 0.0}))  # nobody is dealt to
    assert decided((await predict(client, "one"))["feedback_token"]).dealt == ()


async def test_a_batch_has_a_token_for_each_answer(client: httpx2.AsyncClient) -> None:
    response = await client.post("/one/predict", json={"input_batch": ["x", "y"] * 200})
    answers = response.json()["batch_predictions"]
    assert [decided(answer["feedback_token"]).query_id for answer in answers] == [
        answer["query_id"] for answer in answers
    ]


@pytest.mark.parametrize("count", [1, 3, 400])
@pytest.mark.parametrize("binary", [False, True])
async def test_the_open_inference_protocol_has_them_as_a_parameter(
    client: httpx2.AsyncClient, configuration: Configuration, count: int, binary: bool
) -> None:
    request = {
        "inputs": [{"name": "input", "shape": [count], "datatype": "BYTES", "data": ["x"] * count}],
        "parameters": {"context": "north", "binary_data_output": binary},
    }
    response = await client.post("/v2/models/one/infer", json=request)
    length = int(response.headers.get("inference-header-content-length", len(response.content)))
    parameters = json.loads(response.content[:length])["parameters"]
    made = [decided(token) for token in parameters["feedback_token"]]
    assert [each.query_id for each in made] == parameters["query_ids"]
    assert {(each.raw, each.context) for each in made} == {(True, "north")}
    entry = {"feedback_token": parameters["feedback_token"][-1], "label": 7}
    assert await feed(client, "one", entry) == (202, TAKEN)
    assert items(configuration)[0].rewards == [("a:1", 1.0, 1.0, 0)]
    response = await client.post("/v2/models/none/infer", json=request)
    assert b"feedback_token" not in response.content


async def test_a_context_comes_by_a_field_or_a_header_and_is_in_the_item(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    by_field = await predict(client, "one", context="north")
    response = await client.post(
        "/one/predict", json={"input": "x"}, headers={b"X-Clipper-Context": "süd".encode()}
    )
    for answer in (by_field, response.json()):
        await feed(client, "one", {"feedback_token": answer["feedback_token"], "reward": 0.5})
    assert [item.context for item in items(configuration)] == ["north", "süd"]


@pytest.mark.parametrize("context", ["x" * 65, "ä" * 33, "x" * 10_000])
async def test_a_context_that_is_too_long_is_refused_where_it_matters(
    client: httpx2.AsyncClient, context: str
) -> None:
    response = await client.post("/one/predict", json={"input": "x", "context": context})
    assert response.status_code == 400
    assert "64 bytes at most" in response.json()["cause"]
    assert not (await predict(client, "none", context=context))["default"]


async def test_a_reward_is_an_item_with_all_that_was_decided(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    answer = await predict(client, "split", context="north")
    arm = answer["model"]
    token = answer["feedback_token"]
    assert await feed(client, "split", {"feedback_token": token, "reward": 0.25}) == (202, TAKEN)
    (item,) = items(configuration)
    made = decided(token)
    assert item == Item(
        *(answer["query_id"], "split", "north", 0, made.at),
        [(arm, {"a:1": 0.25, "b:1": 0.75}[arm], 0.25, 0)],  # type: ignore[list-item]
    )


async def test_a_learners_propensity_and_epoch_are_those_that_it_drew_by(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    configuration.learned.hear(Tables(9, True, [Row("learner", "north", {"a": 0.125, "b": 0.875})]))
    answer = await predict(client, "learner", context="north")
    configuration.learned.hear(Tables(10, True, []))
    await feed(client, "learner", {"feedback_token": answer["feedback_token"], "reward": 1})
    (item,) = items(configuration)
    assert (item.epoch, item.context) == (9, "north")
    assert item.rewards == [(answer["model"], {"a:1": 0.125, "b:1": 0.875}[answer["model"]], 1.0, 0)]


async def test_numbers_choose_the_arm_and_are_in_the_token_the_item_and_the_query_log(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    kept: list[Record] = []
    configuration.feedback.keep = kept.append
    configuration.apply(snapshot(2, applications=applications(**{"by 3": FeedbackSpec(window_s=60)})))
    draws = {name: pack([0.0, sign, 0.0, 0.0] * DRAWS) for name, sign in (("a", 1.0), ("b", -1.0))}
    configuration.learned.hear(Tables(9, True, [Row("by 3", "", {"a": 0.5, "b": 0.5}, draws)]))
    wins = {0.5: "a:1", -0.5: "b:1"}
    for x, arm in wins.items():
        answer = await predict(client, "by 3", context=[x, 0.1, 100])
        while answer["model"] != arm:
            assert decided(answer["feedback_token"]).propensity == pytest.approx(0.025)
            answer = await predict(client, "by 3", context=[x, 0.1, 100])
        made = decided(answer["feedback_token"])
        assert made.propensity == pytest.approx(0.975)
        assert made.epoch == 9
        assert (made.context, made.features) == ("", pack([x, 0.1, 100]))
        await feed(client, "by 3", {"feedback_token": answer["feedback_token"], "reward": 0.5})
        assert items(configuration)[-1][:4] == (answer["query_id"], "by 3", "", 9)
        assert items(configuration)[-1].features == made.features
        assert isinstance(kept[-1], Chosen)
        assert kept[-1].context == f"[{x:g}, 0.1, 100]"
    assert {each.context for each in configuration.feedback.decisions.take(10, 2**40)} == {""}


@pytest.mark.parametrize("binary", [False, True])
async def test_numbers_come_by_the_header_and_by_the_open_inference_parameter(
    client: httpx2.AsyncClient, binary: bool
) -> None:
    tensor = {"name": "input", "shape": [2], "datatype": "BYTES", "data": ["x", "y"]}
    parameters = {"binary_data_output": binary}
    for given, headers in (
        ({"context": [1, 2, 3]}, {}),
        ({"context": "1,2,3"}, {}),
        ({}, {"X-Clipper-Context": "1, 2, 3"}),
    ):
        request = {"inputs": [tensor], "parameters": {**parameters, **given}}
        response = await client.post("/v2/models/by%203/infer", json=request, headers=headers)
        length = int(response.headers.get("inference-header-content-length", len(response.content)))
        tokens = json.loads(response.content[:length])["parameters"]["feedback_token"]
        assert {decided(token).features for token in tokens} == {pack([1, 2, 3])}
    response = await client.post("/v2/models/by%203/infer", json={"inputs": [tensor]})
    assert response.status_code == 400
    assert "features=3" in response.json()["error"]


@pytest.mark.parametrize(
    ("context", "why"),
    [
        (None, "features=3"),
        ([1.0], "features=3"),
        ("north", "features=3"),
        ([1.0, 2.0, 2000.0], "features=3"),
        ([1.0, True, 2.0], "at `$.context[1]`"),
        ({"x": 1.0}, "at `$.context`"),
    ],
)
async def test_a_query_without_its_numbers_is_refused_and_one_for_a_version_is_not(
    client: httpx2.AsyncClient, context: Any, why: str
) -> None:
    fields = {} if context is None else {"context": context}
    response = await client.post("/by%203/predict", json={"input": "x", **fields})
    assert response.status_code == 400
    assert why in response.json()["cause"]
    assert (await predict(client, "by 3", version="2"))["output"] == 2


async def test_a_token_has_room_for_64_numbers_if_need_be_without_the_output(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    x = [1 / 3] * 64
    seen: set[tuple[str, ...]] = set()
    while len(seen) < 2:
        answer = await predict(client, "by 64", context=x)
        made = decided(answer["feedback_token"])
        assert len(answer["feedback_token"]) <= 1024
        assert made.features == pack(x)
        assert (made.outputs is None) == (made.arms == ("long:1",))
        seen.add(made.arms)
    assert (await feed(client, "by 64", {"query_id": answer["query_id"], "reward": 1}))[0] == 202


async def test_a_canary_has_its_part_of_the_probability(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    configuration.apply(snapshot(2, rollouts=[RolloutSpec(1, "a", "1", "2")]))
    configuration.rollouts.hear(Shares(1, {1: 0.5}))
    configuration.learned.hear(Tables(9, True, [Row("learner", "n", {"a": 0.5, "b": 0.5})]))
    seen: dict[tuple[str, ...], float] = {}
    while len(seen) < 3:
        answer = await predict(client, "learner", context="n")
        made = decided(answer["feedback_token"])
        assert (made.epoch, made.context) == (9, "n")
        seen[made.arms] = made.propensity
    assert seen == {("a:1",): 0.25, ("a:2",): 0.25, ("b:1",): 0.5}


async def test_a_path_tells_the_learner_its_epoch_and_the_rollout(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    def told(answer: dict[str, Any]) -> tuple[str, int, list[dict[str, Any]]]:
        trace = configuration.traces.find(answer["query_id"])
        assert trace is not None
        path = describe(trace, "0")
        return path["policy"], path["chosen"]["epoch"], path["chosen"]["rollouts"]

    assert told(await predict(client, "learner")) == ("Exp3", 0, [])
    configuration.apply(snapshot(2, rollouts=[RolloutSpec(1, "a", "1", "2")]))
    configuration.rollouts.hear(Shares(1, {1: 0.25}))
    configuration.learned.hear(Tables(9, True, [Row("learner", "", {"a": 1.0, "b": 0.0})]))
    dealt = {"model": "a", "control": "1", "canary": "2", "share": 0.25}
    assert told(await predict(client, "learner")) == ("Exp3", 9, [dealt])
    assert told(await predict(client, "one")) == ("First", 0, [dealt])
    configuration.rollouts.hear(Shares(2, {1: 0.5}))
    assert told(await predict(client, "one"))[2] == [{**dealt, "share": 0.5}]


async def test_a_vote_goes_on_while_one_of_its_models_is_rolled_out(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    configuration.apply(snapshot(2, rollouts=[RolloutSpec(1, "a", "1", "2")]))
    configuration.rollouts.hear(Shares(1, {1: 1.0}))
    answer = await predict(client, "vote")
    assert decided(answer["feedback_token"]).arms == ("a:2", "b:1", "c:1")


async def test_labels_judge_each_member_of_a_vote_and_rewards_none(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    answer = await predict(client, "vote")
    token = answer["feedback_token"]
    status, body = await feed(client, "vote", {"feedback_token": token, "reward": 1})
    assert (status, body["error"]) == (400, "label_needed")
    assert await feed(client, "vote", {"feedback_token": token, "label": 8}) == (202, TAKEN)
    assert items(configuration)[0].rewards == [
        ("a:1", 1.0, 0.0, 0),
        ("b:1", 1.0, 1.0, 0),
        ("c:1", 1.0, 1.0, 0),
    ]


async def test_a_member_that_has_not_answered_has_no_reward(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    queue = configuration.queue("b", "1")
    assert queue is not None
    queue.ready.clear()
    answer = await predict(client, "vote")
    await feed(client, "vote", {"feedback_token": answer["feedback_token"], "label": 8})
    assert items(configuration)[0].rewards == [("a:1", 1.0, 0.0, 0), ("c:1", 1.0, 1.0, 0)]


async def test_the_members_of_a_vote_that_did_not_agree_learn_all_the_same(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    answer = await predict(client, "strict")
    assert answer["default_reason"] == "low_confidence"
    await feed(client, "strict", {"feedback_token": answer["feedback_token"], "label": 7})
    assert items(configuration)[0].rewards == [("a:1", 1.0, 1.0, 0), ("b:1", 1.0, 0.0, 0)]


async def test_learned_weights_are_those_of_the_requests_context(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    assert (await predict(client, "vote"))["output"] == 8
    configuration.learned.hear(Tables(4, True, [Row("vote", "north", {"a": 0.8, "b": 0.1, "c": 0.1})]))
    north = await predict(client, "vote", context="north")
    assert (north["output"], north["confidence"]) == (7, 0.8)
    assert decided(north["feedback_token"]).epoch == 4
    assert (await predict(client, "vote", context="south"))["output"] == 8
    configuration.learned.hear(Tables(5, False, [Row("vote", "north", {})]))
    assert (await predict(client, "vote", context="north"))["output"] == 8


async def test_this_frontends_own_answers_are_known_by_their_query_id(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    answer = await predict(client, "one")
    assert await feed(client, "one", {"query_id": answer["query_id"], "label": 7}) == (202, TAKEN)
    assert items(configuration)[0].query_id == answer["query_id"]
    status, body = await feed(client, "one", {"query_id": answer["query_id"] + 1, "label": 7})
    assert (status, body["error"]) == (400, "no_decision")


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"reward": 1.5}, "out_of_range", "from 0 to 1"),
    ({"reward": -0.1}, "out_of_range", "from 0 to 1"),
    ({"label": "seven"}, "bad_label", "the label is a text, and the output a number"),
    ({"label": None}, "bad_label", "the label is null"),
    ({"reward": 1, "feedback_token": "AAAA"}, "forged", "as it stands in the answer"),
]


@pytest.mark.parametrize(("entry", "code", "words"), REFUSED)
async def test_what_is_refused_has_a_code_and_a_sentence(
    client: httpx2.AsyncClient, configuration: Configuration, entry: dict[str, Any], code: str, words: str
) -> None:
    token = (await predict(client, "one"))["feedback_token"]
    status, body = await feed(client, "one", {"feedback_token": token, **entry})
    assert (status, body["error"]) == (400, code)
    assert words in body["cause"]
    assert items(configuration) == []
    assert configuration.metrics.applications["one"].feedback == {code: 1}


async def test_a_token_is_its_applications_alone_and_lasts_for_the_window(
    client: httpx2.AsyncClient, configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = (await predict(client, "one"))["feedback_token"]
    status, body = await feed(client, "other", {"feedback_token": token, "reward": 1})
    assert (status, body["error"]) == (400, "other_application")
    assert "/one/feedback" in body["cause"]
    status, body = await feed(client, "none", {"feedback_token": token, "reward": 1})
    assert (status, body["error"]) == (400, "collects_none")
    assert "collect_feedback('none')" in body["cause"]
    collecting = configuration.applications["one"].collecting
    assert collecting is not None
    now = collecting.now
    monkeypatch.setattr(collecting, "now", lambda: now() + 3601)
    status, body = await feed(client, "one", {"feedback_token": token, "reward": 1})
    assert (status, body["error"]) == (400, "expired")
    assert "3600 s" in body["cause"]


async def test_a_token_outlives_a_new_key_and_not_its_own(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    token = (await predict(client, "one"))["feedback_token"]
    later = [*KEYS, secrets.token_hex(32)]
    configuration.apply(snapshot(2, feedback_keys=later))
    assert (await feed(client, "one", {"feedback_token": token, "reward": 1}))[0] == 202
    configuration.apply(snapshot(3, feedback_keys=later[1:]))
    status, body = await feed(client, "one", {"feedback_token": token, "reward": 1})
    assert (status, body["error"]) == (400, "forged")
    assert "its key is too old" in body["cause"]


@pytest.mark.parametrize(
    ("body", "status", "cause"),
    [
        (b"{]", 400, "Error parsing JSON"),
        (b"", 400, "Error parsing JSON"),
        (b"{}", 400, 'Give either "feedback_token" or "query_id"'),
        (b"7", 400, "Expected JSON"),
        (b"[]", 400, "The list is empty: there is nothing to learn of."),
        (b'{"feedback_token": "x", "query_id": 1, "reward": 1}', 400, 'either "feedback_token" or'),
        (b'{"feedback_token": "x"}', 400, 'Give either "reward" or "label"'),
        (b'{"feedback_token": "x", "reward": 1, "label": 1}', 400, 'Give either "reward" or "label"'),
        (b'{"feedback_token": "x", "reward": "1"}', 400, "`$.reward`"),
        (b'{"feedback_token": "x", "reward": true}', 400, "`$.reward`"),
        (b'{"feedback_token": "x", "reward": 1, "wait": true}', 400, "unknown field `wait`"),
        (b'[{"query_id": 1, "reward": 1}, {"query_id": 2}]', 400, 'or "label" at 1 in the list'),
        (b'{"query_id": 1, "label": ' + b"[" * 100_000, 400, "nested too deeply"),
    ],
)
async def test_what_is_no_feedback_is_refused_with_what_was_expected(
    client: httpx2.AsyncClient, body: bytes, status: int, cause: str
) -> None:
    response = await client.post("/one/feedback", content=body)
    assert response.status_code == status
    assert cause in response.json()["cause"]
    assert '"feedback_token"' in response.json()["cause"]


async def test_a_list_is_taken_one_by_one(client: httpx2.AsyncClient, configuration: Configuration) -> None:
    answers = [await predict(client, "one") for _ in range(3)]
    entries = [{"feedback_token": answer["feedback_token"], "reward": 1} for answer in answers]
    entries[1]["feedback_token"] = "x"
    status, body = await feed(client, "one", entries)
    assert status == 202
    assert body["accepted"] == 2
    assert [(each["index"], each["code"]) for each in body["refused"]] == [(1, "forged")]
    assert [item.query_id for item in items(configuration)] == [
        answers[0]["query_id"],
        answers[2]["query_id"],
    ]
    status, body = await feed(client, "one", [entries[1], {**entries[0], "reward": 2}])
    assert (status, body["error"]) == (400, "forged")
    assert [each["code"] for each in body["refused"]] == ["forged", "out_of_range"]


async def test_a_long_list_is_taken_in_slices_and_one_that_is_too_long_is_refused(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    token = (await predict(client, "one"))["feedback_token"]
    entry = {"feedback_token": token, "label": 7}
    status, body = await feed(client, "one", [entry] * bodies.MAX_MANY)
    assert (status, body["accepted"]) == (202, bodies.MAX_MANY)
    assert len(items(configuration)) == bodies.MAX_MANY
    status, body = await feed(client, "one", [{"query_id": 1, "reward": 1}] * (bodies.MAX_MANY + 1))
    assert status == 413
    assert "1000 is the most" in body["cause"]


async def test_a_label_for_what_is_too_large_needs_the_input_and_asks_the_cache(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    token = (await predict(client, "long"))["feedback_token"]
    assert decided(token).outputs is None
    entry = {"feedback_token": token, "label": "x" * 300}
    status, body = await feed(client, "long", entry)
    assert (status, body["error"]) == (400, "no_output")
    assert '"input"' in body["cause"]
    queue = configuration.queue("long", "1")
    assert queue is not None
    before = queue.metrics.answered, queue.metrics.hits
    assert await feed(client, "long", {**entry, "input": "x"}) == (202, TAKEN)
    assert (queue.metrics.answered, queue.metrics.hits) == (before[0], before[1] + 1)
    assert await feed(client, "long", {**entry, "input": "another"}) == (202, TAKEN)  # which it computes
    assert queue.metrics.answered == before[0] + 1
    assert [item.rewards for item in items(configuration)] == [[("long:1", 1.0, 1.0, 0)]] * 2
    status, body = await feed(client, "long", {**entry, "input": [1]})
    assert (status, body["error"]) == (400, "bad_input")
    assert "X is a string" in body["cause"]
    assert (await feed(client, "long", {"feedback_token": token, "reward": 1}))[0] == 202


async def test_a_version_that_is_gone_cannot_be_asked_again(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    token = (await predict(client, "long"))["feedback_token"]
    versions = [version for version in snapshot().versions if version.model != "long"]
    configuration.apply(snapshot(2, versions=versions))
    entry = {"feedback_token": token, "label": "x", "input": "x"}
    status, body = await feed(client, "long", entry)
    assert (status, body["error"]) == (400, "no_output")
    assert "long:1 did not answer" in body["cause"]


async def test_models_that_are_asked_again_have_the_objective_and_one_computation_serves_all(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    token = (await predict(client, "long"))["feedback_token"]
    queue = configuration.queue("long", "1")
    assert queue is not None
    queue.ready.clear()
    queue.starting = 1  # so that it waits
    entry = {"feedback_token": token, "label": "x" * 300, "input": "another"}
    both = asyncio.gather(feed(client, "long", [entry, entry]), feed(client, "long", entry))
    async with asyncio.timeout(DEADLINE_S):
        while queue.metrics.joined < 2:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.001)
    queue.starting = 0
    attach(configuration, "long", "1", LONG)
    two, one = await both
    assert two == (202, {"accepted": 2, "refused": []})
    assert one == (202, TAKEN)
    assert queue.metrics.answered == 2  # one for the answer itself
    queue.ready.clear()
    queue.starting = 1
    soon = [msgspec.structs.replace(spec, latency_slo_micros=50_000) for spec in applications()]
    configuration.apply(snapshot(2, applications=soon))
    status, body = await feed(client, "long", {**entry, "input": "a third"})
    assert (status, body["error"]) == (400, "no_output")
    assert "long:1 did not answer in time" in body["cause"]
    assert queue.metrics.not_begun == 1


async def test_feedback_may_be_packed_and_asked_for_by_pages_of_other_sites(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    configuration.apply(snapshot(2, requests=RequestSpec(cors_origins=["https://shop.example"])))
    token = (await predict(client, "one"))["feedback_token"]
    packed = gzip.compress(json.dumps({"feedback_token": token, "reward": 1}).encode())
    headers = {"content-encoding": "gzip", "origin": "https://shop.example"}
    response = await client.post("/one/feedback", content=packed, headers=headers)
    assert (response.status_code, response.json()) == (202, TAKEN)
    assert response.headers["access-control-allow-origin"] == "https://shop.example"


async def test_a_body_that_is_too_large_is_refused(client: httpx2.AsyncClient) -> None:
    response = await client.post("/one/feedback", content=b" " * ((1 << 20) + 1))
    assert response.status_code == 413


async def test_an_update_judges_the_members_of_a_learned_vote_by_the_input(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    response = await client.post("/vote/update", json={"uid": 0, "input": "x", "label": 8})
    assert (response.status_code, response.json()) == (202, TAKEN)
    response = await client.post("/vote/update", json={"input": "x", "label": 8, "context": "north"})
    first, second = items(configuration)
    assert first.rewards == [("a:1", 1.0, 0.0, 0), ("b:1", 1.0, 1.0, 0), ("c:1", 1.0, 1.0, 0)]
    assert (first.context, second.context) == ("", "north")
    assert first.query_id != second.query_id
    queue = configuration.queue("a", "1")
    assert queue is not None
    assert (queue.metrics.answered, queue.metrics.hits) == (1, 1)


@pytest.mark.parametrize(
    ("application", "body", "error", "cause"),
    [
        ("learner", {"input": "x", "label": 8}, "no_decision", "/learner/feedback"),
        ("one", {"input": "x", "label": 8}, "no_decision", "/one/feedback"),
        ("none", {"input": "x", "label": 8}, "collects_none", "collect_feedback"),
        ("vote", {"input": "x", "label": "cat"}, "bad_label", "the label is a text"),
        ("vote", {"input": 7, "label": 8}, intake_exchange.BAD, "X is a string"),
        ("vote", {"input": "x"}, intake_exchange.BAD, "missing required field `label`"),
    ],
)
async def test_an_update_is_refused_where_it_could_not_be_learned_of(
    client: httpx2.AsyncClient, application: str, body: dict[str, Any], error: str, cause: str
) -> None:
    response = await client.post(f"/{application}/update", json=body)
    assert (response.status_code, response.json()["error"]) == (400, error)
    assert cause in response.json()["cause"]


async def test_an_unknown_application_and_another_method_are_told_of(client: httpx2.AsyncClient) -> None:
    for path in ("feedback", "update"):
        response = await client.post(f"/nobody/{path}", json={})
        assert response.status_code == 404
        assert "There is no application 'nobody'" in response.json()["cause"]
        response = await client.get(f"/one/{path}")
        assert (response.status_code, response.headers["allow"]) == (405, "POST")


class Played:
    """Management, played by the test."""

    def __init__(self) -> None:
        self.silent = False
        self.expired: list[int] = []
        self.unknown: list[int] = []
        self.deliveries: list[Delivery] = []

    async def __call__(self, body: bytes) -> Receipt | str:
        if self.silent:
            return "later"
        self.deliveries.append(msgspec.msgpack.decode(body, type=Delivery))
        return Receipt(expired=self.expired, unknown=self.unknown)


@pytest.fixture
async def played(configuration: Configuration, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Played]:
    monkeypatch.setattr(outbox, "EVERY_S", 0.001)
    monkeypatch.setattr(outbox, "AGAIN_S", 0.001)
    played = Played()

    async def turns() -> None:
        while True:
            await configuration.feedback.outbox.turn(played)  # type: ignore[arg-type]

    turning = asyncio.create_task(turns())
    yield played
    turning.cancel()


async def test_who_waits_is_answered_when_management_has_written_it(
    client: httpx2.AsyncClient, configuration: Configuration, played: Played
) -> None:
    answers = [await predict(client, "one") for _ in range(3)]
    entries = [{"feedback_token": answer["feedback_token"], "reward": 1} for answer in answers]
    assert await feed(client, "one", entries[0], "?wait=true") == (200, TAKEN)
    assert [item.query_id for d in played.deliveries for item in d.items] == [answers[0]["query_id"]]
    assert configuration.feedback.outbox.waiting == 0
    played.expired, played.unknown = [1], [2]
    status, body = await feed(client, "one", entries, "?wait=true&more=1")
    assert (status, body["accepted"]) == (200, 1)
    assert [(e["index"], e["code"]) for e in body["refused"]] == [(1, "expired"), (2, "unknown_application")]


async def test_who_waits_for_a_silent_management_is_told_so_and_nothing_is_lost(
    client: httpx2.AsyncClient, configuration: Configuration, played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_exchange, "WAIT_S", 0.05)
    played.silent = True
    token = (await predict(client, "one"))["feedback_token"]
    entry = {"feedback_token": token, "reward": 1}
    status, body = await feed(client, "one", entry, "?wait=true")
    assert (status, body["error"]) == (503, "Management is silent")
    assert "twice counts once" in body["cause"]
    assert await feed(client, "one", entry) == (202, TAKEN)
    monkeypatch.setattr(intake_exchange, "WAIT_S", DEADLINE_S)
    played.silent = False
    assert await feed(client, "one", entry, "?wait=true") == (200, TAKEN)
    assert sum(len(delivery.items) for delivery in played.deliveries) == 3


async def test_a_full_outbox_refuses_and_complains_once(
    client: httpx2.AsyncClient, configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_WAITING", 2)
    token = (await predict(client, "one"))["feedback_token"]
    entry = {"feedback_token": token, "reward": 1}
    status, body = await feed(client, "one", [entry] * 3)
    assert (status, body["accepted"], body["refused"][0]["code"]) == (202, 2, "full")
    assert (await feed(client, "one", entry))[0] == 503
    assert configuration.feedback.outbox.dropped == 2
    (complaint,) = configuration.complaints.values()
    assert "Management is behind with feedback" in complaint.text


async def test_what_was_decided_is_counted_and_delivered(
    client: httpx2.AsyncClient, configuration: Configuration, played: Played
) -> None:
    for _ in range(20):
        await predict(client, "split", context="north")
        await predict(client, "none")
    times = {"a:1": 0, "b:1": 0}
    inverse = {"a:1": 2**34, "b:1": round(2**32 / 0.75)}
    while sum(times.values()) < 20:
        await asyncio.sleep(0.01)
        for delivery in played.deliveries:
            for each in delivery.decided:
                assert (each.application, each.context) == ("split", "north")
                assert each.inverse == each.times * inverse[each.arm]
                times[each.arm] += each.times
        played.deliveries.clear()
    assert sum(times.values()) == 20


async def test_metrics_tell_what_was_taken_and_what_it_brought(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    token = (await predict(client, "one"))["feedback_token"]
    for reward in (1, 0.5, 2):
        await feed(client, "one", {"feedback_token": token, "reward": reward})
    text = (await client.get("/metrics")).text
    assert 'clipper_feedback_total{application="one",code="accepted",frontend="5"} 2.0' in _sorted(text)
    assert 'clipper_feedback_total{application="one",code="out_of_range",frontend="5"} 1.0' in _sorted(text)
    of = 'application="one",frontend="5",model="a",version="1"'
    assert f"clipper_feedback_reward_count{{{of}}} 2.0" in _sorted(text)
    assert f"clipper_feedback_reward_sum{{{of}}} 1.5" in _sorted(text)
    assert 'clipper_feedback_waiting{frontend="5"} 2.0' in text
    assert 'clipper_feedback_dropped{frontend="5"} 0.0' in text
    versions = [version for version in snapshot().versions if version.model != "a"]
    configuration.apply(snapshot(2, versions=versions))
    assert not configuration.metrics.applications["one"].rewards


def _sorted(text: str) -> str:
    """With the labels of each line in order."""
    lines = []
    for line in text.splitlines():
        name, brace, rest = line.partition("{")
        if brace and not line.startswith("#"):
            labels, _, value = rest.rpartition("}")
            line = f"{name}{{{','.join(sorted(labels.split(',')))}}}{value}"
        lines.append(line)
    return "\n".join(lines)
