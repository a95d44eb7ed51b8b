"""Feedback end to end: given, learned of, kept as decisions, and weighed for policies that never ran."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from clipper_container.errors import BadRequest, NotFound
from clipperlab import ClipperConnection
from clipperlab import policies as P
from clipperlab.deployers.python import deploy_python_closure
from tests.support.clusters import Attach, constant
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def conn(attach: Attach) -> Iterator[ClipperConnection]:
    """Models a and b say 1 and 2."""
    conn = attach("feedback")
    conn.start_clipper(fresh=True)
    for model, says in (("a", 1), ("b", 2)):
        deploy_python_closure(conn, model, 1, "doubles", constant(says))
    yield conn
    conn.stop_all(purge=True)


@pytest.fixture
def app(conn: ClipperConnection) -> Iterator[str]:
    conn.register_application("app", "doubles", -1, 10_000_000)
    for model in ("a", "b"):
        conn.link_model_to_app("app", model)
    yield "app"
    conn.unregister_application("app")


def ask(conn: ClipperConnection, count: int, **options: Any) -> list[dict[str, Any]]:
    app = conn.application("app")
    return [app.predict([float(i)], **options) for i in range(count)]


def test_a_learner_finds_the_model_that_labels_speak_for(conn: ClipperConnection, app: str) -> None:
    conn.set_policy(app, P.Thompson(), "to learn")
    assert conn.get_policy(app) == P.Thompson(["a", "b"])
    for _ in range(5):
        taken = conn.feedback(app, ask(conn, 20), label=[2] * 20, wait=True)
        assert taken == {"accepted": 20, "refused": []}
    wait_for("b to get most", lambda: conn.learned(app).weights().get("b", 0) > 0.9)
    arms = conn.application(app).learned.arms()
    assert (arms["a"]["mean"], arms["b"]["mean"]) == (0.0, 1.0)
    assert arms["a"]["rewards"] + arms["b"]["rewards"] == 100
    assert "b:1" in conn.learned(app)._repr_html_()


def test_contexts_are_learned_apart_and_a_query_id_will_do(conn: ClipperConnection, app: str) -> None:
    conn.set_policy(app, P.Greedy(eps=0.2))
    for context, right in (("north", 1), ("south", 2)):
        answers = ask(conn, 40, context=context)
        ids = [answer["query_id"] for answer in answers]
        conn.feedback(app, ids, reward=[a["output"] == right for a in answers], wait=True)
    learned = conn.learned(app)
    wait_for(
        "both", lambda: learned.weights("north").get("a", 0) + learned.weights("south").get("b", 0) > 1.7
    )
    assert learned.weights("west") == {}


def test_by_numbers_each_query_has_the_model_that_is_best_for_it(conn: ClipperConnection, app: str) -> None:
    conn.set_policy(app, P.LinTS(features=2))
    assert conn.get_policy(app) == P.LinTS(["a", "b"], features=2)
    asked = conn.application(app)
    contexts = [np.array([1.0, 0.5]), (-1.0, 0.5)]
    right = [1, 2]

    def said(count: int) -> list[float]:
        """Which part of the answers to each context is the right one."""
        parts = []
        for context, output in zip(contexts, right, strict=True):
            answers = [asked.predict([float(i)], context=context) for i in range(count)]
            good = [answer["output"] == output for answer in answers]
            conn.feedback(app, answers, reward=good, wait=True)
            parts.append(sum(good) / count)
        return parts

    wait_for("both to be known", lambda: min(said(20)) >= 0.85)
    learned = conn.learned(app)
    weights = [arm["coefficients"] or [] for arm in learned.arms().values()]
    assert weights[0][1] > 0.2
    assert weights[1][1] < -0.2
    assert "reward of a: " in str(learned)
    wait_for("the query log", lambda: {*conn.decisions(app)["context"]} == {"[1, 0.5]", "[-1, 0.5]"})
    assert conn.decisions(app)["propensity"].min() >= 0.025
    with pytest.raises(BadRequest, match="features=2"):
        asked.predict([0.0])
    with pytest.raises(BadRequest, match="a text or a list of numbers"):
        asked.predict([0.0], context=[None])
    with pytest.raises(BadRequest, match="default reward"):
        conn.collect_feedback(app, default_reward=0.0)
    assert asked.predict([0.0], version=1)["output"] in right


def test_decisions_are_kept_with_their_propensities_and_weighed(conn: ClipperConnection, app: str) -> None:
    conn.set_policy(app, P.Split({"a": 0.75, "b": 0.25}))
    conn.collect_feedback(app)
    answers = ask(conn, 200)
    conn.feedback(app, answers[:190], reward=[answer["output"] - 1 for answer in answers[:190]], wait=True)
    wait_for("the query log", lambda: len(conn.decisions(app)) == 200)
    found = conn.decisions(app)
    assert found["query_id"].tolist() == [answer["query_id"] for answer in answers]
    assert found["arm"].tolist() == [answer["model"] for answer in answers]
    assert dict(zip(found["arm"], found["propensity"], strict=True)) == {"a:1": 0.75, "b:1": 0.25}
    assert found["reward"].isna().sum() == 10
    assert (found["reward"].dropna() == (found["arm"] == "b:1")[:190]).all()
    for estimator in ("snips", "dr"):
        always_b = conn.evaluate(app, P.Split({"b": 1.0}), estimator=estimator)
        assert always_b.value == pytest.approx(1.0)
    assert conn.evaluate(app, P.First()).value == 0.0
    assert len(conn.decisions(app, limit=3)) == 3


def test_metrics_name_an_arm_as_the_policy_does_and_feedback_by_version(
    conn: ClipperConnection, app: str
) -> None:
    conn.register_application("silent", "doubles", -1, 10_000_000)
    for model in ("a", "b"):
        conn.link_model_to_app("silent", model)
    for each in (app, "silent"):
        conn.set_policy(each, P.Split({"a": 0.5, "b": 0.5}))
    conn.collect_feedback(app)
    conn.feedback(app, ask(conn, 20), reward=[1.0] * 20, wait=True)
    conn.application("silent").predict([1.0])
    text = conn.get_metrics()
    for what in ("chosen_total", "skipped_total", "latency_seconds_count"):
        lines = "\n".join(re.findall(rf"^clipper_arm_{what}{{.*}}", text, re.MULTILINE))
        assert set(re.findall(r'arm="([^"]+)"', lines)) == {"a", "b"}
        # Feedback of one application hides no arm of another.
        assert set(re.findall(r'application="([^"]+)"', lines)) == {app, "silent"}
    assert re.search(r'^clipper_feedback_rewards_total{application="app",model="a",version="1"} ', text, re.M)
    conn.unregister_application("silent")


def test_what_cannot_be_weighed_is_refused(conn: ClipperConnection, app: str) -> None:
    with pytest.raises(BadRequest, match="There is no decision with a reward yet"):
        conn.evaluate(app, P.First())
    conn.collect_feedback(app)
    ask(conn, 1)
    wait_for("the query log", lambda: len(conn.decisions(app)) == 1)
    with pytest.raises(BadRequest, match=r"No decision of app has a reward yet.*wait=True"):
        conn.evaluate(app, P.First())
    with pytest.raises(BadRequest, match=r"Only what P\.Split and P\.First would ask"):
        conn.evaluate(app, P.Thompson(["a", "b"]))
    conn.set_policy(app, P.Vote(["a", "b"], weights="learned"))
    conn.feedback(app, ask(conn, 1)[0], label=2, wait=True)
    wait_for("the query log", lambda: conn.decisions(app)["reward"].notna().sum() == 2)
    with pytest.raises(BadRequest, match="Its arms have voted"):
        conn.evaluate(app, P.First())


def test_of_all_decisions_the_log_has_the_part_that_was_asked_for(conn: ClipperConnection, app: str) -> None:
    conn.collect_feedback(app, sample=0.0)
    ask(conn, 5)
    conn.collect_feedback(app, sample=1.0)
    last = [answer["query_id"] for answer in ask(conn, 5)]
    wait_for("the last", lambda: conn.decisions(app)["query_id"].tolist() == last)
    with pytest.raises(BadRequest, match="sample is which part of the decisions is kept"):
        conn.collect_feedback(app, sample=1.5)


def test_inputs_of_decisions_are_kept_where_the_application_asks(conn: ClipperConnection, app: str) -> None:
    conn.collect_feedback(app)
    ask(conn, 2)
    wait_for("the query log", lambda: len(conn.decisions(app)) == 2)
    assert "input" not in conn.decisions(app)
    conn.collect_feedback(app, inputs=True)
    last = conn.application(app).predict([[1.5, 2.0], [0.0] * 1000])
    wait_for("the query log", lambda: len(conn.decisions(app)) == 4)
    found = conn.decisions(app).set_index("query_id")["input"]
    assert [found[answer["query_id"]] for answer in last] == [[1.5, 2.0], None]  # 8,000 bytes are too many
    assert "input" not in conn._management.decisions(app, 1)[0]


def test_what_is_not_collected_is_refused_with_what_to_do(conn: ClipperConnection, app: str) -> None:
    (answer,) = ask(conn, 1)
    with pytest.raises(BadRequest, match="its application collects no feedback"):
        conn.feedback(app, answer, reward=1)
    with pytest.raises(BadRequest, match="collect_feedback"):
        conn.feedback(app, answer["query_id"], reward=1)
    conn.set_policy(app, P.Exp3())
    with pytest.raises(BadRequest, match="which needs feedback"):
        conn.stop_feedback(app)
    conn.set_policy(app, P.First())
    conn.stop_feedback(app)
    with pytest.raises(NotFound):
        conn.learned("nobody")
    with pytest.raises(NotFound):
        conn.decisions("nobody")
