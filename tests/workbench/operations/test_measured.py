from __future__ import annotations

from typing import Any

import pytest

from clipperlab import ClipperConnection, NotFound
from clipperlab.display.trace import Trace
from tests.support.fake_management import FakeManagement


def test_the_path_of_a_query_is_told_as_a_story(conn: ClipperConnection, fake: FakeManagement) -> None:
    trace = {
        "query_id": 65,
        "application": "digits",
        "protocol": "clipper",
        "frontend": "1",
        "answer": "default",
        "took_ms": 20.0,
        "objective_ms": 20.0,
        "policy": "the linked model",
        "models": [{"version": "digits:1", "cache": "miss", "replicas_lost": 0, "batch": None, "calls": []}],
        "reason": "timeout",
        "explanation": "No replica was free in time.",
    }
    fake.answers["GET /queries/65"] = [(200, trace)]
    assert conn.why(65) == trace
    assert "default after 20.0 ms of 20.0 ms" in str(conn.why(65))
    assert "timeout: No replica was free in time.\n" in str(conn.why(65))
    assert str(conn.why(65)).endswith("`clipperlab explain timeout`")
    with pytest.raises(NotFound):
        conn.why(66)


def test_the_path_of_a_query_is_drawn() -> None:
    batch = {
        "sent_at_ms": 1.0, "replied_at_ms": 5.0, "compute_ms": 3.0, "predicted_ms": None, "replica": "0",
        "size": 1, "limit": 4.0, "reason": "idle",
    }  # fmt: skip
    leg = {
        "version": "digits:1", "cache": "miss", "replicas_lost": 0, "batch": batch, "queued_at_ms": 0.0,
        "calls": [],
    }  # fmt: skip
    trace = Trace(
        query_id=65, application="<digits>", protocol="clipper", frontend="1", answer="model", took_ms=5.1,
        objective_ms=20.0, policy="the linked model", models=[leg], reason="", explanation="",
    )  # fmt: skip
    shown = trace._repr_html_()
    assert "digits:1 5 ms (waited 1 ms, on the way 1 ms, computed 3 ms)" in shown
    assert "&lt;digits&gt;" in shown
    unanswered = Trace(trace, models=[{**leg, "batch": {**batch, "replied_at_ms": None}}])
    assert "digits:1 5.1 ms (waited 1 ms, with the replica 4.1 ms)" in unanswered._repr_html_()
    joined = Trace(trace, models=[{**leg, "batch": {**batch, "sent_at_ms": -9.0}}])  # sent before it came
    assert "digits:1 5 ms (waited 0 ms, on the way 2 ms, computed 3 ms)" in joined._repr_html_()
    assert "<svg" not in Trace(trace, models=[])._repr_html_()
    assert "  digits:1, chosen by the linked model; cache: miss" in str(trace)


def test_a_path_through_several_models_says_what_became_of_each() -> None:
    legs: list[dict[str, Any]] = [
        {"version": f"m{i}:1", "cache": "off", "replicas_lost": 0, "batch": None, "fault": None, "calls": []}
        for i in range(2)
    ]
    legs[1] |= {"fault": "not_needed", "explanation": "m1:1 was not waited for."}
    chosen: dict[str, Any] = {
        "propensity": 1.0, "skipped": ["m2"], "confidence": 0.5, "asked": 2, "used": 1, "epoch": 0,
        "rollouts": [],
    }  # fmt: skip
    trace = Trace(
        query_id=65, application="a", protocol="clipper", frontend="1", answer="answered", took_ms=5.1,
        objective_ms=20.0, policy="Vote", chosen=chosen, models=legs, reason=None, explanation=None,
    )  # fmt: skip
    assert str(trace).splitlines()[1:] == [
        "  chosen by Vote, 1 of 2 in the answer, confidence 50% (m2 had no replica)",
        "  m0:1; cache: off",
        "  m1:1; cache: off",
        "    not_needed: m1:1 was not waited for.",
    ]
    dealt = {"model": "m", "control": "1", "canary": "2", "share": 0.2}
    chosen |= {"propensity": 0.16, "skipped": [], "confidence": None, "epoch": 41}
    learned = Trace(trace, policy="Thompson", models=legs[:1], chosen=chosen)
    by = "  m0:1, chosen by Thompson with probability 0.16, by what was known at epoch 41"
    assert str(learned).splitlines()[1] == f"{by}; cache: off"
    chosen["rollouts"] = [dealt]
    rolled = "the rollout of m from 1 to 2, which has 20 %"
    assert str(learned).splitlines()[1] == f"{by}, and by {rolled}; cache: off"
    alone = Trace(learned, policy="First")
    assert str(alone).splitlines()[1] == f"  m0:1, chosen by {rolled}; cache: off"


def test_metrics_come_as_text_and_under_clippers_names(conn: ClipperConnection, fake: FakeManagement) -> None:
    fake.answers["GET /metrics"] = [(200, "# HELP clipper_x x\n")]
    fake.answers["GET /instance"] = [(200, {"internal:aggregate_num_predictions": 7})]
    assert conn.get_metrics() == "# HELP clipper_x x\n"
    assert conn.inspect_instance() == {"internal:aggregate_num_predictions": 7}


def test_what_a_pipeline_called_is_told_and_drawn_below_it() -> None:
    def leg(version: str, at_ms: float, end_ms: float, calls: list[Any], fault: str | None = None) -> Any:
        batch = {
            "sent_at_ms": at_ms + 1, "replied_at_ms": end_ms, "compute_ms": 1.0, "predicted_ms": None,
            "replica": "0", "size": 3, "limit": 4.0, "reason": "idle",
        }  # fmt: skip
        return {
            "version": version, "cache": "miss", "replicas_lost": 0, "batch": batch, "queued_at_ms": at_ms,
            "finished_at_ms": end_ms, "fault": fault, "explanation": "too late", "calls": calls,
        }  # fmt: skip

    inner = leg("read:1", 3.0, 6.0, [])
    calls = [leg("find:1", 2.0, 9.0, [inner]), inner, inner | {"fault": "deadline"}]
    trace = Trace(
        query_id=65, application="a", protocol="clipper", frontend="1", answer="answered", took_ms=10.0,
        objective_ms=20.0, policy="First", models=[leg("lines:2", 0.0, 9.5, calls)], reason=None,
        explanation=None,
    )  # fmt: skip
    assert str(trace).splitlines()[4:] == [
        "    2.0 ms: called find:1, in a batch of 3; cache: miss; 9.0 ms: answered",
        "      3.0 ms: called read:1, in a batch of 3; cache: miss; 6.0 ms: answered",
        "    3.0 ms: called read:1, in a batch of 3; cache: miss; 6.0 ms: answered",
        "    3.0 ms: called read:1, in a batch of 3; cache: miss; 6.0 ms: deadline: too late",
    ]
    drawn = trace._repr_html_()
    for row in (
        "lines:2 9.5 ms",
        "└ find:1 7 ms",
        "└ └ read:1 3 ms",
        "└ read:1 (1) 3 ms",
        "└ read:1 (2) 3 ms",
    ):
        assert row in drawn
