"""Feedback through management's API: what frontends bring and get, and what people set and see."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from clipper_server.features import pack
from clipper_server.feedback import UNIT, Decided, Delivery, Item, Receipt, Rewarded, Tables
from clipper_server.management.feedback import sums
from clipper_server.management.learning import kinds
from clipper_server.management.learning.memory import Memory
from clipper_server.management.state import Version
from clipper_server.policies import Exp3Spec
from clipper_server.snapshot import Snapshot
from tests.support.managements import Served, served
from tests.support.waiting import wait_for

EXP3 = {"kind": "exp3", "arms": [], "explore": 0.05}
LINTS = {"kind": "lints", "arms": [], "features": 2}


@pytest.fixture
def management(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as management:
        management.do(lambda: deployed(management))
        yield management


def deployed(management: Served) -> None:
    for model in ("bayes", "svm"):
        for version in ("1", "2"):
            management.state.add_version(Version(model, version, "doubles", None, [], 0))
            management.state.set_version_state(model, version, "ready", None)
        management.state.move(model, "1", "set", "", "")


def many_deployed(management: Served) -> None:
    for i in range(15):
        management.state.add_version(Version(f"m{i}", "1", "doubles", None, [], 0))
        management.state.set_version_state(f"m{i}", "1", "ready", None)
        management.state.move(f"m{i}", "1", "set", "", "")


@pytest.fixture
def client(management: Served) -> Iterator[httpx2.Client]:
    with asking(management) as client:
        yield client


@contextmanager
def asking(management: Served) -> Iterator[httpx2.Client]:
    with management.client() as client:
        body = {"name": "app", "input_type": "doubles", "default_output": 0, "latency_slo_micros": 10**5}
        assert client.post("/api/v1/applications", json=body).status_code == 201
        for model in ("bayes", "svm"):
            assert client.put(f"/api/v1/applications/app/links/{model}").status_code == 200
        yield client


@pytest.fixture(scope="module")
def unmoved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """A client of one management for all that is refused: each test sees that it has changed nothing."""
    with served(tmp_path_factory.mktemp("unmoved")) as management:
        management.do(lambda: deployed(management))
        with asking(management) as client:
            yield client


def put(client: httpx2.Client, noun: str, value: Any) -> httpx2.Response:
    return client.put(f"/api/v1/applications/app/{noun}", json={noun: value})


def look(management: Served) -> None:
    """What its loop does four times a second."""
    asyncio.run_coroutine_threadsafe(management.feedback.look(), management.loop).result(60)


def bring(client: httpx2.Client, delivery: Delivery) -> Receipt:
    response = client.post("/api/v1/frontends/0/feedback", content=msgspec.msgpack.encode(delivery))
    assert response.status_code == 200, response.text
    return msgspec.msgpack.decode(response.content, type=Receipt)


def tables(client: httpx2.Client, after: int) -> Tables:
    response = client.get("/api/v1/frontends/0/tables", params={"after": after, "wait_s": 0})
    assert response.status_code == 200, response.text
    return msgspec.msgpack.decode(response.content, type=Tables)


def item(number: int, arm: str, reward: float, application: str = "app", context: str = "") -> Item:
    return Item(number << 6, application, context, 0, time.time(), [Rewarded(arm, 0.5, reward)])


def test_what_is_brought_is_in_the_next_table_and_counted(management: Served, client: httpx2.Client) -> None:
    assert put(client, "policy", EXP3).status_code == 200
    look(management)
    before = tables(client, -1)
    assert (before.whole, before.rows) == (True, [])
    good = [item(i, "svm:1", 1.0) for i in range(50)]
    bad = [item(100 + i, "bayes:1", 0.0) for i in range(50)]
    decided = [Decided("app", "", "svm:1", int(time.time()), 0, 200, 400 * UNIT, 200)]
    delivery = Delivery(1.0, 0, [*good, *bad, item(0, "svm:1", 1.0), item(7, "svm:1", 1, "none")], decided)
    assert bring(client, delivery) == Receipt([100], [], [101])
    look(management)
    after = tables(client, before.epoch)
    assert after.epoch > before.epoch
    assert not after.whole
    (row,) = after.rows
    assert row[:2] == ("app", "")
    assert row.weights["svm"] > 0.8
    assert tables(client, after.epoch).rows == []
    look(management)
    assert tables(client, after.epoch).epoch == after.epoch

    learned = client.get("/api/v1/applications/app/learned").json()
    (context,) = learned.pop("contexts")
    assert learned == {
        "epoch": after.epoch,
        **{"decided": 200, "joined": 100, "duplicates": 1, "expired": 0, "forgotten": 0},
        "regret": {"lost": 50.0, "alike": 50.0},
    }
    arms = {arm["arm"]: arm for arm in context["arms"]}
    assert arms["svm"] == {
        **{"arm": "svm", "version": "svm:1", "times": 200, "rewards": 50, "mean": 1.0},
        "weight": pytest.approx(row.weights["svm"]),
        "coefficients": None,
    }
    text = client.get("/api/v1/metrics").text
    series = {
        (s.name, s.labels.get("arm") or s.labels.get("version")): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }
    assert series["clipper_feedback_joined_total", None] == 100
    assert series["clipper_feedback_join_ratio", None] == 0.5
    assert series["clipper_arm_share", "svm"] == pytest.approx(row.weights["svm"])
    for name, value in (("decisions", 200), ("rewards", 50), ("rewards_sum", 50)):
        assert f'clipper_feedback_{name}_total{{application="app",model="svm",version="1"}} {value}.0' in text


def texts(client: httpx2.Client) -> list[str]:
    return [event["text"] for event in client.get("/api/v1/events").json() if event["kind"] == "learned"]


def test_an_arm_that_is_left_and_comes_back_is_an_event(management: Served, client: httpx2.Client) -> None:
    put(client, "policy", {**EXP3, "kind": "thompson", "forget": 0.01})
    for number, (good, bad) in enumerate([("svm:1", "bayes:1")] * 3 + [("bayes:1", "svm:1")] * 3):
        rewarded = [(good, 1.0), (bad, 0.0)] * 100
        items = [item(1000 * number + i, arm, reward) for i, (arm, reward) in enumerate(rewarded)]
        bring(client, Delivery(1.0, number, items))
        look(management)
    found = texts(client)
    assert [text.split(":")[0] for text in found] == [
        *("bayes is left at app", "bayes is back at app", "svm is left at app")
    ]
    assert "where the least is 2.5%" in found[0]


def test_that_contexts_had_to_be_forgotten_is_an_event(
    management: Served, client: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "MAX_CONTEXTS", 2)
    put(client, "policy", EXP3)
    bring(client, Delivery(1.0, 0, [item(1, "svm:1", 1.0)]))
    look(management)
    bring(client, Delivery(1.0, 1, [item(2 + i, "svm:1", 1.0, context=str(i)) for i in range(4)]))

    def told() -> list[str]:
        look(management)
        return texts(client)

    (text,) = wait_for("the event", told)
    assert text.startswith("app has forgotten 3 contexts: it has had more than 2,")
    assert client.get("/api/v1/applications/app/learned").json()["forgotten"] == 3


def test_that_no_table_can_be_made_of_a_context_is_told_once(
    management: Served, client: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(client, "policy", EXP3)
    look(management)
    bad = ("bayes:1", "svm:1")
    learn = kinds.learn

    def fail(spec: Exp3Spec, memory: Memory, arms: tuple[str, ...]) -> list[float]:
        if memory.arms[arms[0]].times + memory.arms[arms[1]].times > 1:
            raise ZeroDivisionError("no reward")
        return learn(spec, memory, arms)

    monkeypatch.setattr(kinds, "learn", fail)
    for number in range(2):
        twice = [item(10 * number + i, bad[i], 1.0, context=name) for name in "xy" for i in range(2)]
        good = item(10 * number + 5, "svm:1", 1.0, context=f"good {number}")
        bring(client, Delivery(1.0, number, [*twice, good]))
        look(management)
    assert {row.context for row in tables(client, -1).rows} == {"good 0", "good 1"}
    (told,) = [event for event in client.get("/api/v1/events").json() if event["kind"] == "error"]
    assert told["subject"] == {"application": "app"}
    assert told["text"] == (
        "What app in the context 'x' has learned of feedback makes no new table, and the one before goes on: "
        "ZeroDivisionError: no reward"
    )


def test_each_context_learns_for_itself(management: Served, client: httpx2.Client) -> None:
    put(client, "policy", {**EXP3, "kind": "thompson"})
    items = []
    for i in range(60):
        for k, (context, best) in enumerate([("en", "svm:1"), ("de", "bayes:1")]):
            for j, arm in enumerate(("svm:1", "bayes:1")):
                items.append(item(i * 4 + 2 * k + j, arm, float(arm == best), context=context))
    bring(client, Delivery(1.0, 0, items))

    def rows_of_both() -> dict[str, dict[str, float]]:
        look(management)
        rows = {row.context: row.weights for row in tables(client, -1).rows}
        return rows if len(rows) == 2 else {}

    rows = wait_for("rows of both contexts", rows_of_both)
    assert rows["en"]["svm"] > 0.9
    assert rows["de"]["bayes"] > 0.9


def test_another_current_version_is_another_arm(management: Served, client: httpx2.Client) -> None:
    put(client, "policy", EXP3)
    bring(client, Delivery(1.0, 0, [item(i, "svm:1", 0.0) for i in range(40)]))
    look(management)
    first = tables(client, -1)
    assert first.rows[0].weights["svm"] < 0.1
    management.do(lambda: management.state.move("svm", "2", "set", "", ""))
    look(management)
    (row,) = tables(client, first.epoch).rows
    assert row.weights == pytest.approx({"svm": 0.5, "bayes": 0.5})


def test_a_policy_that_learns_collects_feedback_and_has_keys_in_the_snapshot(client: httpx2.Client) -> None:
    assert client.get("/api/v1/applications/app/feedback").json() == {"feedback": None}
    answer = put(client, "policy", EXP3).json()
    assert answer["policy"]["arms"] == ["bayes", "svm"]
    assert client.get("/api/v1/applications/app/feedback").json()["feedback"]["window_s"] == 3600
    asked = {"after": -1, "wait_s": 0}
    snapshot = Snapshot.decode(client.get("/api/v1/frontends/0/snapshot", params=asked).content)
    assert len(snapshot.feedback_keys) == 2
    for path in ("/applications/app", "/applications/app/feedback", "/cluster", "/events", "/overview"):
        assert snapshot.feedback_keys[0] not in client.get(f"/api/v1{path}").text
    refused = put(client, "feedback", None)
    assert refused.status_code == 400
    assert "give it another policy first" in refused.json()["message"]
    assert put(client, "policy", None).status_code == 200
    assert put(client, "feedback", None).json() == {"feedback": None}


def test_by_numbers_a_table_has_draws_and_what_is_learned_has_coefficients(
    management: Served, client: httpx2.Client
) -> None:
    answer = put(client, "policy", LINTS).json()
    assert answer["text"] == "lints, which learns among bayes, svm by 2 numbers a query"
    items = [
        item(i, arm, float((arm == "svm:1") == (x > 0)))._replace(features=pack([x, 0.0]))
        for i, (arm, x) in enumerate(
            [("svm:1", 1.0), ("svm:1", -1.0), ("bayes:1", 1.0), ("bayes:1", -1.0)] * 50
        )
    ]
    bring(client, Delivery(1.0, 0, items))
    look(management)
    (row,) = tables(client, 0).rows
    assert row.weights == pytest.approx({"svm": 0.5, "bayes": 0.5})
    assert {name: len(draws) for name, draws in row.draws.items()} == dict.fromkeys(row.weights, 64 * 3 * 4)
    (context,) = client.get("/api/v1/applications/app/learned").json()["contexts"]
    of = {arm["arm"]: arm["coefficients"] for arm in context["arms"]}
    assert of["svm"] == pytest.approx([0.5, 0.5, 0.0], abs=0.01)
    assert of["bayes"] == pytest.approx([0.5, -0.5, 0.0], abs=0.01)


def test_of_a_default_reward_nothing_is_learned_by_numbers(client: httpx2.Client) -> None:
    put(client, "feedback", {"default_reward": 0.0})
    refused = put(client, "policy", LINTS)
    assert (refused.status_code, "default reward" in refused.json()["message"]) == (400, True)
    assert put(client, "feedback", {}).status_code == 200
    assert put(client, "policy", LINTS).status_code == 200
    refused = put(client, "feedback", {"default_reward": 0.0})
    assert (refused.status_code, "default reward" in refused.json()["message"]) == (400, True)


def test_arms_and_numbers_together_have_a_bound(management: Served, client: httpx2.Client) -> None:
    management.do(lambda: many_deployed(management))
    for i in range(15):
        assert client.put(f"/api/v1/applications/app/links/m{i}").status_code == 200
    refused = put(client, "policy", {**LINTS, "features": 64})
    assert refused.status_code == 400
    assert "17 arms with features=64 have 1,088 weights" in refused.json()["message"]
    assert "60 numbers a query" in refused.json()["message"]
    assert put(client, "policy", {**LINTS, "features": 60}).status_code == 200


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({**EXP3, "explore": 0}, "explore is"),
        ({**EXP3, "explore": 1}, "explore is"),
        ({**EXP3, "forget": 0.5}, "forget is"),
        ({**EXP3, "eta": 0}, "eta is"),
        ({**EXP3, "kind": "ucb", "c": -1}, "c says"),
        ({**EXP3, "kind": "thompson", "eta": 1}, "unknown field"),
        ({**EXP3, "arms": ["svm"]}, "two arms or more"),
        ({**EXP3, "arms": ["svm", "cnn"]}, "cnn is not linked"),
        ({"kind": "vote", "arms": [], "learned": True, "weights": {"svm": 2}}, "leave one of both out"),
        ({"kind": "vote", "arms": [], "forget": 0.1}, "set learned, or leave forget out"),
        ({"kind": "lints", "arms": []}, "missing required field `features`"),
        ({**LINTS, "features": 0}, "from 1 to 64: not 0"),
        ({**LINTS, "features": 65}, "from 1 to 64: not 65"),
        ({**LINTS, "explore": 0}, "explore is"),
        ({**LINTS, "forget": 0.5}, "forget is"),
        ({**LINTS, "eta": 0.1}, "unknown field"),
        ({"kind": "guess", "arms": []}, "thompson, exp3 or lints."),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(
    unmoved: httpx2.Client, policy: dict[str, Any], words: str
) -> None:
    response = put(unmoved, "policy", policy)
    assert response.status_code == 400
    assert words in response.json()["message"]
    assert unmoved.get("/api/v1/applications/app/feedback").json() == {"feedback": None}


@pytest.mark.parametrize(
    ("feedback", "words"),
    [
        ({"window_s": 0.5}, "window_s is"),
        ({"window_s": 700_000}, "7 days"),
        ({"default_reward": 1.5}, "default_reward is"),
        ({"tolerance": 1}, "A tolerance is for numbers"),
        ({"score": "within"}, "needs a tolerance above 0"),
        ({"score": "close"}, "score"),
        ({"window": 60}, "window_s, default_reward"),
    ],
)
def test_feedback_that_makes_no_sense_is_refused(
    unmoved: httpx2.Client, feedback: dict[str, Any], words: str
) -> None:
    response = put(unmoved, "feedback", feedback)
    assert response.status_code == 400
    assert words in response.json()["message"]
    assert unmoved.get("/api/v1/applications/app/feedback").json() == {"feedback": None}


def test_what_is_no_delivery_is_refused_as_a_whole(client: httpx2.Client) -> None:
    put(client, "policy", EXP3)
    good = item(1, "svm:1", 1.0)
    for wrong in (
        b"nothing",
        msgspec.msgpack.encode(Delivery(1.0, 0, [good, item(2, "svm:1", 1.5)])),
        msgspec.msgpack.encode(Delivery(1.0, 0, [good, item(2, "svm:1", float("nan"))])),
        msgspec.msgpack.encode(Delivery(1.0, 0, [good, item(2, "svm:1", 1.0, context=100 * "x")])),
        msgspec.msgpack.encode(Delivery(1.0, 0, [good._replace(features=b"123")])),
        msgspec.msgpack.encode(Delivery(1.0, 0, [good._replace(features=pack([float("inf")]))])),
    ):
        assert client.post("/api/v1/frontends/0/feedback", content=wrong).status_code == 400
    assert bring(client, Delivery(1.0, 0, [good])) == Receipt([], [], [])


def test_a_removed_application_is_forgotten(management: Served, client: httpx2.Client) -> None:
    put(client, "policy", EXP3)
    bring(client, Delivery(1.0, 0, [item(1, "svm:1", 1.0)]))
    look(management)
    before = tables(client, -1)
    assert len(before.rows) == 1
    assert client.delete("/api/v1/applications/app").status_code == 204
    look(management)
    assert [row.weights for row in tables(client, before.epoch).rows] == [{}]
    assert tables(client, -1).rows == []
    assert client.get("/api/v1/applications/app/learned").status_code == 404


def test_epochs_grow_and_rows_are_there_when_management_begins_anew(tmp_path: Path) -> None:
    with served(tmp_path) as management:
        management.do(lambda: deployed(management))
        with management.client() as client:
            body = {"name": "app", "input_type": "doubles", "default_output": 0, "latency_slo_micros": 1000}
            client.post("/api/v1/applications", json=body)
            for model in ("bayes", "svm"):
                client.put(f"/api/v1/applications/app/links/{model}")
            put(client, "policy", EXP3)
            bring(client, Delivery(1.0, 0, [item(i, "svm:1", 1.0) for i in range(20)]))
            look(management)
            bring(client, Delivery(1.0, 1, [item(99, "svm:1", 1.0)]))
            before = tables(client, -1)
    with served(tmp_path) as management, management.client() as client:
        at_once = tables(client, before.epoch)
        assert at_once.whole
        assert at_once.epoch > before.epoch
        assert [row.context for row in at_once.rows] == [""]
        look(management)
        assert tables(client, at_once.epoch).rows
