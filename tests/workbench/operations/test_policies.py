"""Several models behind one application, end to end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from clipper_container.errors import BadRequest, NotFound
from clipperlab import ClipperConnection
from clipperlab import policies as P
from clipperlab.deployers.python import deploy_python_closure
from tests.support.clusters import Attach, asking, constant, kill, output, pid_of
from tests.support.waiting import wait_for, wait_for_end


@pytest.fixture(scope="module")
def conn(attach: Attach) -> Iterator[ClipperConnection]:
    """Models a, b and c say 1, 2 and 2; a's version 2, which is not current, says 3; text takes texts."""
    conn = attach("policies")
    conn.start_clipper(fresh=True)
    for model, version, says in (("a", 2, 3), ("a", 1, 1), ("b", 1, 2), ("c", 1, 2)):
        deploy_python_closure(conn, model, version, "doubles", constant(says))
    deploy_python_closure(conn, "text", 1, "strings", constant("text"))
    yield conn
    conn.stop_all(purge=True)


@pytest.fixture
def app(conn: ClipperConnection) -> Iterator[str]:
    conn.register_application("app", "doubles", -1, 10_000_000)
    for model in ("a", "b", "c"):
        conn.link_model_to_app("app", model)
    yield "app"
    conn.unregister_application("app")


def wait_for_more(said: list[Any]) -> None:
    before = len(said)
    wait_for("two more answers", lambda: len(said) > before + 1)


def ask(conn: ClipperConnection, app: str, **options: Any) -> dict[str, Any]:
    answer: dict[str, Any] = conn.application(app).predict([1.0], cache=False, **options)
    return answer


def test_without_a_policy_answers_have_no_more_in_them_than_ever(conn: ClipperConnection, app: str) -> None:
    assert conn.get_policy(app) == P.First()
    assert set(ask(conn, app)) == {"query_id", "output", "default"}


def test_a_split_answers_with_its_arms_and_says_which(conn: ClipperConnection, app: str) -> None:
    policy = P.Split({"a": 0.5, "a:2": 0.25, "b": 0.25})
    conn.set_policy(app, policy, "to see which is better")
    assert conn.application(app).policy == policy
    answers = [ask(conn, app) for _ in range(60)]
    said = Counter((answer["model"], answer["output"]) for answer in answers)
    assert set(said) == {("a:1", 1), ("a:2", 3), ("b:1", 2)}
    assert "confidence" not in answers[0]
    why = conn.why(answers[0]["query_id"])
    assert why["policy"] == "Split"
    assert why["chosen"]["propensity"] in (0.5, 0.25)
    assert "with probability" in str(why)
    history = conn._management.policy(app)["history"]
    assert [move["message"] for move in history] == ["to see which is better"]
    assert any("is answered by one of a 50 %" in event["text"] for event in conn.events())


def test_a_unit_gets_the_same_arm_by_body_by_header_and_by_parameter(
    conn: ClipperConnection, app: str
) -> None:
    conn.set_policy(app, P.Split({"a": 0.5, "b": 0.5}, sticky="unit"))
    units = [f"user-{number}" for number in range(12)]
    by_body = [ask(conn, app, unit=unit)["model"] for unit in units]
    assert set(by_body) == {"a:1", "b:1"}
    url = conn.application(app).url
    body = {"input": [1.0]}
    with httpx2.Client(trust_env=False, verify=False, timeout=60) as client:
        by_header = [
            client.post(url, json=body, headers={"X-Clipper-Unit": unit}).json()["model"] for unit in units
        ]
        infer = url.replace("/app/predict", "/v2/models/app/infer")
        tensor = {"name": "input", "shape": [1, 1], "datatype": "FP64", "data": [1.0]}
        answers = [
            client.post(infer, json={"inputs": [tensor], "parameters": {"unit": unit}}).json()
            for unit in units
        ]
        refused = client.post(url, json={"input": [1.0], "unit": "u" * 300})
    assert by_header == by_body
    assert [answer["parameters"]["model"] for answer in answers] == by_body
    assert refused.status_code == 400
    assert "256 letters at most" in refused.json()["cause"]


def test_a_vote_answers_with_what_most_say(conn: ClipperConnection, app: str) -> None:
    conn.set_policy(app, P.Vote(["a", "b", "c"]))
    answer = ask(conn, app)
    assert answer["output"] == 2
    assert answer["confidence"] == pytest.approx(2 / 3, abs=1e-6)
    assert answer["models"] == {"asked": 3, "used": 3}
    assert "3 of 3 in the answer, confidence 67%" in str(conn.why(answer["query_id"]))
    conn.set_policy(app, P.Vote(["a", "b", "c"], min_confidence=0.7))
    answer = ask(conn, app)
    assert (answer["output"], answer["default_reason"]) == (-1, "low_confidence")
    assert "a 1, b 2, c 2" in answer["default_explanation"]
    several = conn.application(app).predict_batch([[1.0], [2.0]])
    assert [each["models"]["used"] for each in several] == [3, 3]


def test_what_would_do_nothing_or_cannot_be_is_refused_with_a_sentence(
    conn: ClipperConnection, app: str
) -> None:
    conn.register_application("texts", "strings", "", 10_000_000)
    conn.link_model_to_app("texts", "text")
    refused: list[tuple[P.Policy, str]] = [
        (P.Split({"a": 0.5, "b": 0.4}), "sum up to 1; these make 0.9"),
        (P.Split({"a": 1.0}), "two arms or more"),
        (P.Split({"a": 1.5, "b": -0.5}), "must be above 0"),
        (P.Split({"a": 0.5, "svm": 0.5}), "svm is not linked to app"),
        (P.Split({"a": 0.5, "text": 0.5}), "text is not linked"),
        (P.Vote(["a", "a"]), "an arm twice"),
        (P.Vote(["a", "b"], weights={"c": 2.0}), "no arm of the vote"),
        (P.Vote(["a", "b"], weights={"a": 1.0}), "All weights are the same"),
        (P.Vote(["a", "b"], min_confidence=1.5), "a share from 0 to 1"),
        (P.Vote(["a", "b"], min_confidence=0.5), "it would never matter"),
        (P.Vote(["a", "b"], missing="zero"), "the kind vote has `arms`"),  # type: ignore[arg-type]
    ]
    for policy, sentence in refused:
        with pytest.raises(BadRequest, match=sentence.replace(".", r"\.")):
            conn.set_policy(app, policy)
    with pytest.raises(NotFound, match="no version '9' of model 'a'"):
        conn.set_policy(app, P.Split({"a": 0.5, "a:9": 0.5}))
    with pytest.raises(NotFound, match="no version '' of model 'a'"):
        conn.set_policy(app, P.Split({"a": 0.5, "a:": 0.5}))
    with pytest.raises(NotFound, match="no application 'none'"):
        conn.set_policy("none", P.First())
    assert conn.get_policy(app) == P.First()
    conn.unregister_application("texts")


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        ({"a": 0.5, "b": 0.5}, r"is no policy: .* is P\.Split\(\{'a': 0\.9, 'b': 0\.1\}\)\."),
        (P.First, r"P\.First without brackets is no policy: write P\.First\(\), "),
        (None, "None is no policy: write"),
        ("first", "'first' is no policy: write"),
        (P.NoMore("errors"), "is no policy: write"),
        (P.Split(["a", "b"]), r"Weights are a dictionary of arms.*not \['a', 'b'\]"),  # type: ignore[arg-type]
        (P.Vote(["a", "b"], weights="foo"), "Weights are a dictionary.*or \"learned\", and not 'foo'"),  # type: ignore[arg-type]
        (P.Vote("ab"), "Arms are a list.*not 'ab'"),
        (P.Greedy(arms=3), "Arms are a list.*not 3"),  # type: ignore[arg-type]
        (P.Split({"a": 0.5, "b": 0.5}, sticky="user"), r'Invalid enum.*`sticky` \("unit" or null\)'),  # type: ignore[arg-type]
        (P.Vote(["a", "b"], missing="foo"), r'Invalid enum.*`missing` \("leave out" or "mean"\)'),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_policy_is_refused_with_what_to_write(
    conn: ClipperConnection, app: str, policy: Any, sentence: str
) -> None:
    with pytest.raises(BadRequest, match=sentence):
        conn.set_policy(app, policy)


def test_what_cannot_be_evaluated_or_explained_is_refused_with_what_to_write(
    conn: ClipperConnection, app: str
) -> None:
    with pytest.raises(BadRequest, match=r"P\.First without brackets is no policy"):
        conn.evaluate(app, P.First)  # type: ignore[arg-type]
    wrongs: list[Any] = ["abc", 1.5, [], {"query_id": 1}]
    for wrong in wrongs:
        with pytest.raises(
            BadRequest, match="A query id is the number that an answer has as `query_id`, not"
        ):
            conn.why(wrong)


def test_a_policy_of_no_kind_is_refused_with_the_kinds(conn: ClipperConnection, app: str) -> None:
    for plain in ({}, {"kind": "fun"}, {"kind": 3}):
        with pytest.raises(BadRequest, match=r"A policy has a `kind`, split, .*, exp3 or lints\."):
            conn._management.set_policy(app, plain, "")


def test_who_gave_it_which_policy_and_why_is_kept(conn: ClipperConnection, app: str) -> None:
    assert repr(conn.get_policy_history(app)) == "no moves yet"
    conn.set_policy(app, P.Split({"a": 0.9, "b": 0.1}), "to see what b says")
    conn.set_policy(app, P.First(), "<enough>")
    history = conn.application(app).policy_history
    assert [move["message"] for move in history] == ["to see what b says", "<enough>"]
    first, last = repr(history).splitlines()
    assert "  split: a 90 %, b 10 %  " in first
    assert "  the first linked model  " in last
    assert "&lt;enough&gt;" in history._repr_html_()
    with pytest.raises(NotFound):
        conn.get_policy_history("none")


def test_what_a_policy_asks_is_not_taken_away_from_it(conn: ClipperConnection, app: str) -> None:
    conn.set_policy(app, P.Split({"a": 0.5, "a:2": 0.5}))
    with pytest.raises(BadRequest, match="a is an arm of the policy of app: give that another policy first"):
        conn.unlink_model_from_app(app, "a")
    with pytest.raises(BadRequest, match="a:2 is an arm of the policy of app"):
        conn.stop_versioned_models({"a": ["2"]})
    conn.set_policy(app, P.Split({"a": 0.5, "b": 0.5}))
    with pytest.raises(BadRequest, match="b is an arm of the policy of app: give that another policy first"):
        conn.stop_models(["c", "b"])
    with pytest.raises(BadRequest, match="b:1 alone answers for b, and that is an arm of the policy of app"):
        conn.stop_versioned_models({"b": [1]})
    assert {"b:1", "c:1"} <= set(conn.get_all_models()), "nothing was stopped"
    conn.set_policy(app, P.First())
    conn.unlink_model_from_app(app, "a")


def test_what_takes_part_is_left_and_named_when_inactive_versions_go(
    conn: ClipperConnection, app: str
) -> None:
    for version in (2, 3, 4):
        deploy_python_closure(conn, "c", version, "doubles", constant(version), make_current=False)
    conn.set_policy(app, P.Split({"a": 0.5, "c:3": 0.5}))
    with pytest.warns(UserWarning, match="c:3 is an arm of the policy of app: give that another policy"):
        conn.stop_inactive_model_versions(["c"])
    assert [name for name in conn.get_all_models() if name.startswith("c:")] == ["c:1", "c:3"]
    deploy_python_closure(conn, "c", 5, "doubles", constant(5), make_current=False)
    with pytest.raises(BadRequest, match=r"c:3 is an arm of the policy of app"):
        conn.stop_versioned_models({"c": [5, 3]})
    with pytest.raises(NotFound, match=r"9"):
        conn.stop_versioned_models({"c": [5, 9]})
    assert "c:5" in conn.get_all_models(), "what is refused stops nothing"
    conn.set_policy(app, P.First())
    conn.stop_versioned_models({"c": [3]})


def test_an_arm_without_replicas_gives_its_share_to_the_others(conn: ClipperConnection, app: str) -> None:
    conn.set_policy(app, P.Split({"a": 0.5, "b": 0.5}))
    conn.set_num_replicas("b", 0)
    wait_for_end(conn, "b")
    answers = [ask(conn, app) for _ in range(20)]
    assert {answer["model"] for answer in answers} == {"a:1"}
    why = conn.why(answers[0]["query_id"])
    assert (why["chosen"]["propensity"], why["chosen"]["skipped"]) == (1.0, ["b"])
    assert "(b had no replica)" in str(why)
    conn.set_num_replicas("b", 1)


@pytest.mark.slow
def test_an_arm_that_is_scaled_automatically_and_crashed_gives_its_share_too(
    conn: ClipperConnection, app: str
) -> None:
    conn.set_policy(app, P.Split({"a": 0.5, "b": 0.5}))
    conn.set_autoscaling("b", 1, 2)
    replicas = conn.get_all_model_replicas(verbose=True)
    (replica,) = [each for each in replicas if each["model_name"] == "b"]
    kill(pid_of(conn, "management"))  # so that no other one is started
    kill(pid_of(conn, f"b.1.{replica['model_replica_id']}"))
    wait_for("a to answer all", lambda: [output(conn, app) for _ in range(20)] == [1] * 20)
    conn.connect()
    conn.set_autoscaling("b", None)
    conn.wait_until_ready("b")


def test_no_query_fails_while_the_policy_changes(conn: ClipperConnection, app: str) -> None:
    with asking(conn, app) as said:
        for policy in (P.Vote(["a", "b", "c"]), P.Split({"a": 0.5, "b": 0.5}), P.First()) * 3:
            conn.set_policy(app, policy)
            wait_for_more(said)
    assert set(said) <= {1, 2}


@pytest.mark.slow
def test_policies_outlive_management(conn: ClipperConnection, app: str) -> None:
    policy = P.Vote(["a", "b"], weights={"a": 2.0}, early=True, missing="mean")
    conn.set_policy(app, policy)
    conn.stop_all()
    conn.start_clipper()
    assert conn.get_policy(app) == policy
    answer = ask(conn, app)
    assert (answer["output"], answer["models"]["asked"]) == (1, 2)


def test_what_answers_is_seen_at_a_glance(conn: ClipperConnection, app: str) -> None:
    conn.set_policy(app, P.Split({"a": 0.9, "b": 0.1}, sticky="unit"))
    assert "split: a 90 %, b 10 %, by unit" in conn._repr_html_()
    conn.application(app).set_policy(P.Vote(["a", "b"]))
    assert "vote of a, b" in conn._repr_html_()
    assert "a vote of a, b" in repr(conn.application(app))
