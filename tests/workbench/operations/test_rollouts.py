"""Rollouts end to end, on processes."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx2
import pytest

from clipper_container.errors import AlreadyExists, BadRequest, NotFound
from clipperlab import ClipperConnection
from clipperlab import policies as P
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.operations.rollouts import DEFAULT_GUARDRAILS
from tests.support.clusters import Attach, asking, constant, kill, pid_of
from tests.support.waiting import wait_for


def failing(inputs: list[Any]) -> list[Any]:
    raise ValueError("This version cannot.")


@pytest.fixture(scope="module")
def conn(attach: Attach) -> Iterator[ClipperConnection]:
    """m has version 1, which is current and says 1; 2 says 2, and 3 fails with every input."""
    conn = attach("rollouts")
    conn.start_clipper(fresh=True)
    deploy_python_closure(conn, "m", 1, "doubles", constant(1))
    deploy_python_closure(conn, "m", 2, "doubles", constant(2), make_current=False)
    deploy_python_closure(conn, "m", 3, "doubles", failing, make_current=False)
    conn.register_application("app", "doubles", -1, 10_000_000)
    conn.link_model_to_app("app", "m")
    yield conn
    conn.stop_all(purge=True)


@pytest.fixture(autouse=True)
def _as_it_was(conn: ClipperConnection) -> Iterator[None]:
    yield
    with suppress(NotFound):
        conn.rollout("m").abort()
    conn.set_model_version("m", 1)


def ask(conn: ClipperConnection, **options: Any) -> dict[str, Any]:
    """Of the frontend alone: management may be away."""
    headers = {"Cache-Control": "no-cache"}
    response = httpx2.post(
        conn._url("app"),
        json={"input": [1.0], **options},
        headers=headers,
        trust_env=False,
        verify=False,
        timeout=60,
    )
    answer: dict[str, Any] = response.json()
    return answer


@pytest.mark.slow
def test_a_good_version_gets_all_and_no_query_fails(conn: ClipperConnection) -> None:
    with asking(conn) as said:
        rollout = conn.start_rollout("m", 2, steps=[0.3, 0.6, 1], hold_s=0.5, message="better")
        assert rollout.state == "running"
        wait_for("it to pass", lambda: rollout.state == "passed")
        assert rollout.share == 1
        wait_for("the new version to answer", lambda: said[-1] == 2)
    assert set(said) == {1, 2}
    assert conn.get_current_model_version("m") == "2"
    move = conn.get_model_history("m")[-1]
    assert (move["move"], move["version"], move["message"]) == ("rollout", "2", "better")
    assert "rolled out to 2" in repr(conn.get_model_history("m"))
    assert conn.rollback("m") == "1"


def test_a_bad_version_is_taken_back_and_says_why(conn: ClipperConnection) -> None:
    with asking(conn):
        rollout = conn.model("m").start_rollout(3, steps=[0.3, 1], hold_s=30)
        wait_for("it to fail", lambda: rollout.state == "failed")
        wait_for("the version before to answer", lambda: "model" not in ask(conn))
    assert conn.get_current_model_version("m") == "1"
    assert "Too many" in rollout.verdict()
    assert rollout.share == 0
    assert rollout.now["evidence"]["canary"]["errors"] > 3, "what was seen stays to be seen"
    assert any("has failed. Too many" in event["text"] for event in conn.events())
    assert {ask(conn)["output"] for _ in range(20)} == {1}


def dying(inputs: list[Any]) -> list[Any]:
    import os

    os._exit(3)


@pytest.mark.slow
def test_a_version_that_dies_with_every_query_is_taken_back(conn: ClipperConnection) -> None:
    deploy_python_closure(conn, "m", 7, "doubles", dying, make_current=False)
    with asking(conn) as said:
        rollout = conn.start_rollout("m", 7, steps=[0.3, 1], hold_s=30)
        wait_for("it to fail", lambda: rollout.state == "failed")
        wait_for("the version before to answer", lambda: "model" not in ask(conn))
    assert "crash again and again" in rollout.verdict()
    assert conn.get_current_model_version("m") == "1"
    assert {ask(conn)["output"] for _ in range(20)} == {1}
    assert said.count(-1) < 20, "while it has no replica, the version before gets its share"
    conn.stop_versioned_models({"m": [7]})


@pytest.mark.slow
def test_one_that_runs_is_seen_and_steered(conn: ClipperConnection) -> None:
    rollout = conn.start_rollout("m", 2, steps=[0.5], hold_s=0)
    wait_for("the new version to answer", lambda: ask(conn).get("model") == "m:2")
    answer = ask(conn)
    assert answer["model"] in ("m:1", "m:2")
    assert conn.why(answer["query_id"])["chosen"]["propensity"] == 0.5
    wait_for(
        "what is seen",
        lambda: rollout.now["evidence"]["canary"]["chosen"] > 3 or not ask(conn),
    )
    assert "errors: 0 against 0" in repr(rollout)
    assert re.search(
        r"dealt: \d+ requests to the new version, \d+ to the one before: evidence that .* not fit: \d+%",
        repr(rollout),
    )
    assert "<svg" in rollout._repr_html_()
    rollout.pause()
    assert rollout.state == "paused"
    rollout.resume()
    rollout.promote("good enough")
    assert rollout.state == "passed"
    assert conn.get_current_model_version("m") == "2"
    with pytest.raises(NotFound, match="has no rollout that runs"):
        rollout.abort()


def test_a_deploy_may_begin_with_it(conn: ClipperConnection) -> None:
    handle = conn.deploy(constant(5), "m", "next", "doubles", rollout=[0.5, 1], message="five")
    assert str(handle.deployed).endswith("is ready, and rolled out step by step from now on.")
    rollout = conn.rollout("m")
    assert (rollout.state, rollout.share, rollout.now["message"]) == ("running", 0.5, "five")
    wait_for("it to answer", lambda: ask(conn)["output"] == 5)
    assert conn.get_current_model_version("m") == "1"
    rollout.abort()
    again = conn.deploy(constant(5), "m", "next", "doubles", rollout=[0.25, 1])
    assert str(again.deployed).endswith(
        "is this very model already: it is rolled out step by step from now on."
    )
    assert (rollout.state, rollout.share) == ("running", 0.25)
    third = conn.deploy(constant(5), "m", "next", "doubles", rollout=[0.25, 1])
    assert str(third.deployed).endswith("is this very model already, and not current: nothing was deployed.")
    there = conn.get_all_models()
    with pytest.raises(AlreadyExists, match="promote or abort it first"):
        conn.deploy(constant(6), "m", "next", "doubles", rollout=[0.25, 1])
    rollout.abort()
    with pytest.raises(BadRequest, match="growing shares"):
        conn.deploy(constant(6), "m", "next", "doubles", rollout=[2])
    with pytest.raises(BadRequest, match="growing shares"):
        conn.deploy(constant(6), "m", "next", "doubles", rollout=0.5)
    assert conn.get_all_models() == there, "nothing was deployed"
    for wrong in ({"make_current": False}, {"wait": False}):
        with pytest.raises(BadRequest, match="leave out make_current and wait"):
            conn.deploy(constant(6), "m", "next", "doubles", rollout=[0.5], **wrong)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"name": "another", "rollout": [0.5]}, "no current version to roll out from"),
        ({"input_type": "ints", "rollout": [0.5]}, "app, which takes doubles, and this version integers"),
        ({"applications": "all"}, "says for whom rollout= is"),
    ]
    for options, sentence in refused:
        with pytest.raises(BadRequest, match=sentence):
            conn.deploy(
                *(constant(6), options.pop("name", "m"), "next", options.pop("input_type", "doubles")),
                **options,
            )
    assert conn.get_all_models() == there, "nothing was deployed"
    conn.stop_versioned_models({"m": [rollout.now["canary"]]})


def test_a_deploy_may_begin_one_for_all_applications_that_ask(conn: ClipperConnection) -> None:
    conn.register_application("second", "doubles", -1, 10_000_000)
    conn.link_model_to_app("second", "m")
    there = conn.get_all_models()
    try:
        with pytest.raises(BadRequest, match=r'app, second ask .* applications="all"'):
            conn.deploy(constant(6), "m", "next", "doubles", rollout=[0.25, 1])
        assert conn.get_all_models() == there, "nothing was deployed"
        conn.deploy(constant(6), "m", "next", "doubles", rollout=[0.25, 1], applications="all")
        assert conn.rollout("m").share == 0.25
        conn.rollout("m").abort()
    finally:
        conn.unregister_application("second")
    conn.unlink_model_from_app("app", "m")
    try:
        with pytest.raises(BadRequest, match="No application asks for the current version of m"):
            conn.deploy(constant(7), "m", "next", "doubles", rollout=[0.25, 1])
        with pytest.raises(BadRequest, match="No application asks for the current version of m, so"):
            conn.start_shadow("m", conn.rollout("m").now["canary"])
    finally:
        conn.link_model_to_app("app", "m")
    conn.stop_versioned_models({"m": [conn.rollout("m").now["canary"]]})


def test_a_deploy_begins_none_of_a_model_that_only_a_staged_version_uses(conn: ClipperConnection) -> None:
    deploy_python_closure(conn, "leaf", 1, "doubles", constant(1))
    deploy_python_closure(conn, "top", 1, "doubles", constant(1))
    deploy_python_closure(conn, "top", 2, "doubles", constant(1), uses=["leaf"], make_current=False)
    there = conn.get_all_models()
    with pytest.raises(BadRequest, match=r"no model that answers uses it.* leave out rollout="):
        conn.deploy(constant(2), "leaf", 2, "doubles", rollout=[0.5, 1])
    assert conn.get_all_models() == there, "nothing was deployed"
    conn.set_model_version("top", 2)
    conn.deploy(constant(2), "leaf", 2, "doubles", rollout=[0.5, 1])
    conn.rollout("leaf").abort()
    conn.stop_models(["top"])
    conn.stop_models(["leaf"])


def test_a_roll_back_aborts_it(conn: ClipperConnection) -> None:
    rollout = conn.start_rollout("m", 2, steps=[0.5])
    there = conn.get_all_models(verbose=True)
    assert [v["model_version"] for v in there if v["is_rolled_back_to"]] == ["1"]
    assert conn.rollback("m", message="it is Friday") == "1"
    assert rollout.state == "aborted"
    assert "it is Friday" in rollout.verdict()
    move = conn.get_model_history("m")[-1]
    assert (move["move"], move["version"], move["message"]) == ("aborted", "2", "it is Friday")
    assert "stopped rolling out 2" in repr(conn.get_model_history("m"))


def test_what_would_contradict_it_is_refused_with_the_way_out(conn: ClipperConnection) -> None:
    conn.start_rollout("m", 2, steps=[0.5])
    with pytest.raises(
        AlreadyExists,
        match=r"^A model has one rollout at a time, .* promote or abort it first",
    ):
        conn.start_rollout("m", 3)
    with pytest.raises(BadRequest, match="m:3 cannot be made current, while the rollout of m:2 runs"):
        conn.set_model_version("m", 3)
    with pytest.raises(BadRequest, match="m:4 cannot become current, while the rollout of m:2 runs"):
        deploy_python_closure(conn, "m", 4, "doubles", constant(4))
    with pytest.raises(BadRequest, match="m:2 cannot be removed"):
        conn.stop_versioned_models({"m": [2]})


def test_what_makes_no_rollout_is_refused_with_a_sentence(conn: ClipperConnection) -> None:
    reward = P.NoLess("reward", by=0.02)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"version": 1}, "m:1 is current already"),
        ({"version": 2, "steps": [0.5, 0.2]}, "growing shares"),
        ({"version": 2, "steps": 0.5}, r"a list of growing shares.*and not 0\.5"),
        ({"version": 2, "steps": "0.5"}, "a list of growing shares"),
        ({"version": 2, "steps": None}, "a list of growing shares"),
        ({"version": 2, "guardrails": ["errors"]}, r'as \[P\.NoMore\("errors"\).*\'errors\' is none'),
        ({"version": 2, "guardrails": P.NoMore("errors")}, "Guardrails are a list"),
        ({"version": 2, "guardrails": [P.NoMore]}, r"P\.NoMore without brackets is none"),
        ({"version": 2, "sticky": "user"}, "sticky: Input should be 'unit'"),
        ({"version": 2, "steps": [1]}, "set_model_version does that"),
        ({"version": 2, "steps": [0.5, 1.5]}, "growing shares"),
        ({"version": 2, "hold_s": -1}, "hold_s is for how many seconds"),
        ({"version": 2, "guardrails": [P.NoMore("errors", 0.5)]}, "1 or more"),
        ({"version": 2, "guardrails": [P.NoMore("errors"), P.NoMore("errors", 2)]}, "one guardrail at most"),
        ({"version": 2, "guardrails": [P.NoMore("fun")]}, "A guardrail has a `kind`"),  # type: ignore[arg-type]
        ({"version": 2, "guardrails": [], "observe": True}, "nothing to observe"),
        ({"version": 2, "guardrails": [reward]}, r"app collects no feedback.*collect_feedback\('app'\)"),
        ({"version": 2, "guardrails": [P.NoLess("reward", 1)]}, "0 or more, and less than 1.*not 1"),
        ({"version": 2, "guardrails": [P.NoLess("reward", -0.1)]}, "0 or more, and less than 1.*not -0.1"),
        ({"version": 2, "guardrails": [P.NoLess("late", 0.1)]}, r"P\.NoMore\('late'\) is meant"),  # type: ignore[arg-type]
        ({"version": 2, "guardrails": [P.NoLess("fun", 0.1)]}, "or the kind reward, and `by`"),  # type: ignore[arg-type]
        ({"version": 2, "guardrails": [P.NoMore("reward")]}, r'P\.NoLess\("reward", by=0\.02\)'),  # type: ignore[arg-type]
        ({"version": 2, "guardrails": [reward, reward]}, "one guardrail at most"),
    ]
    for options, sentence in refused:
        with pytest.raises(BadRequest, match=sentence):
            conn.start_rollout("m", **options)
    with pytest.raises(NotFound, match="no version '9'"):
        conn.start_rollout("m", 9)
    conn.register_application("second", "doubles", -1, 10_000_000)
    try:
        conn.link_model_to_app("second", "m")
        with pytest.raises(BadRequest, match=r'app, second ask .* applications="all"'):
            conn.start_rollout("m", 2)
        conn.start_rollout("m", 2, applications="all").abort()
    finally:
        conn.unregister_application("second")


def test_a_version_without_replicas_gets_no_queries(conn: ClipperConnection) -> None:
    conn.set_num_replicas("m", 0, version=2)
    none = r"m:2 has no replicas, and could answer nothing: set_num_replicas gives it some\."
    for refused in (conn.start_rollout, conn.start_shadow, conn.set_model_version):
        with pytest.raises(BadRequest, match=none):
            refused("m", 2)
    there = conn.get_all_models()
    with pytest.raises(BadRequest, match="num_replicas"):
        deploy_python_closure(conn, "m", 9, "doubles", constant(9), num_replicas=0, rollout=[0.5, 1])
    assert conn.get_all_models() == there, "nothing was deployed"
    conn.set_num_replicas("m", 1, version=2)
    rollout = conn.start_rollout("m", 2, steps=[0.5])
    for version in (1, 2):
        with pytest.raises(
            BadRequest, match=f"m:{version} cannot have no replicas, while the rollout of m:2"
        ):
            conn.set_num_replicas("m", 0, version=version)
    rollout.abort()
    shadow = conn.start_shadow("m", 2)
    with pytest.raises(BadRequest, match="m:2 cannot have no replicas, while it is a shadow"):
        conn.set_num_replicas("m", 0, version=2)
    shadow.stop()


def test_a_version_that_sleeps_until_it_is_asked_may_be_rolled_out(conn: ClipperConnection) -> None:
    conn.set_autoscaling("m", 0, 1, version=2)
    conn.start_rollout("m", 2, steps=[0.5]).abort()
    conn.set_autoscaling("m", None, version=2)


@pytest.mark.slow
def test_by_feedback_a_version_that_is_wrong_is_taken_back_and_a_right_one_gets_all(
    conn: ClipperConnection,
) -> None:
    """The label is 1, which version 1 says; 8 says so too."""
    deploy_python_closure(conn, "m", 8, "doubles", constant(1), make_current=False)
    conn.collect_feedback("app")
    by_reward: list[P.Guardrail] = [*DEFAULT_GUARDRAILS, P.NoLess("reward", by=0.02)]
    rollout = conn.start_rollout("m", 2, steps=[0.5, 1], hold_s=0.5, guardrails=by_reward)
    with labelling(conn) as said:
        with pytest.raises(BadRequest, match="has to collect feedback, while the rollout of m:2 goes by it"):
            conn.stop_feedback("app")
        wait_for("it to fail", lambda: rollout.state == "failed")
        assert conn.get_current_model_version("m") == "1"
        verdict = rollout.verdict()
        (rail,) = (each for each in rollout.now["evidence"]["guardrails"] if each["kind"] == "reward")
        assert (rail["canary"], rail["control"], rail["reached"]) == (0, 1, 1)
        assert f"0 on average in {rail['rewards']['canary']} of the new version, 1 in " in verdict
        assert any(
            "has failed. Rewards are lower by more than 0.02: " in each["text"] for each in conn.events()
        )
        assert "rewards (lower by up to 0.02 is allowed): 0.000, of " in repr(rollout)
        rollout = conn.start_rollout("m", 8, steps=[0.5, 1], hold_s=0.5, guardrails=by_reward)
        wait_for("it to pass", lambda: rollout.state == "passed")
    assert re.fullmatch(r"No worse in [\d,]+ inputs and [\d,]+ rewards at this share\.", rollout.verdict())
    assert set(said) == {1, 2}, "no query had a default output"
    conn.set_model_version("m", 1)
    conn.stop_feedback("app")
    conn.stop_versioned_models({"m": [8]})


@contextmanager
def labelling(conn: ClipperConnection) -> Iterator[list[Any]]:
    """A client that asks all the time, and says what was right: its outputs."""
    outputs: list[Any] = []
    stop = threading.Event()
    url, headers = conn._url("app"), {"Cache-Control": "no-cache"}

    def client() -> None:
        with httpx2.Client(headers=headers, trust_env=False, verify=False, timeout=60) as session:
            while not stop.is_set():
                answers = [session.post(url, json={"input": [1.0]}).json() for _ in range(20)]
                outputs.extend(answer["output"] for answer in answers)
                conn.feedback("app", answers, label=[1] * len(answers))

    thread = threading.Thread(target=client)
    thread.start()
    try:
        yield outputs
    finally:
        stop.set()
        thread.join()


@pytest.mark.slow
def test_it_outlives_management_and_a_frontend_that_are_killed(conn: ClipperConnection) -> None:
    rollout = conn.start_rollout("m", 2, steps=[0.5])
    wait_for("the new version to answer", lambda: ask(conn).get("model") == "m:2")
    kill(pid_of(conn, "management"))
    answers = [ask(conn) for _ in range(30)]
    assert {answer["model"] for answer in answers} == {"m:1", "m:2"}
    conn.connect()
    assert rollout.state == "running"
    kill(pid_of(conn, "query-0"))
    wait_for("both sides to answer again", lambda: _both(conn))
    rollout.promote()
    assert conn.get_current_model_version("m") == "2"


def _both(conn: ClipperConnection) -> bool:
    try:
        return {ask(conn).get("model") for _ in range(20)} == {"m:1", "m:2"}
    except httpx2.HTTPError:
        return False
