"""Cascades end to end, on processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx2
import pytest

from clipper_container.errors import BadRequest, NotFound
from clipperlab import ClipperConnection
from clipperlab import policies as P
from clipperlab.deployers.python import deploy_python_closure
from tests.support.clusters import Attach, constant
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow


def small(inputs: list[Any]) -> list[Any]:
    """Sure of what is below 8, and wrong above."""
    return [
        {"output": "low", "confidence": 0.95 if number < 8 else 0.6} for number in (of[0] for of in inputs)
    ]


def large(inputs: list[Any]) -> list[Any]:
    return ["low" if of[0] < 8 else "high" for of in inputs]


@pytest.fixture(scope="module")
def conn(attach: Attach) -> Iterator[ClipperConnection]:
    """m has a small version 1, which is current, and a large one, 2; other says "other"."""
    conn = attach("cascades")
    conn.start_clipper(fresh=True)
    deploy_python_closure(conn, "m", 1, "doubles", small)
    deploy_python_closure(conn, "m", 2, "doubles", large, make_current=False)
    deploy_python_closure(conn, "other", 1, "doubles", constant("other"))
    conn.register_application("app", "doubles", "default", 10_000_000)
    for model in ("m", "other"):
        conn.link_model_to_app("app", model)
    yield conn
    conn.stop_all(purge=True)


@pytest.fixture(autouse=True)
def _as_it_was(conn: ClipperConnection) -> Iterator[None]:
    yield
    with suppress(NotFound):
        conn.shadow("m").stop()
    conn.set_policy("app", P.First())


def ask(conn: ClipperConnection, number: float) -> dict[str, Any]:
    answer: dict[str, Any] = conn.application("app").predict([number], cache=False)
    return answer


def test_a_cascade_answers_and_says_who_and_how_sure(conn: ClipperConnection) -> None:
    policy = P.Cascade(["m:1", "m:2"], below=0.9)
    conn.set_policy("app", policy, "to save time")
    assert conn.get_policy("app") == policy
    sure, unsure = ask(conn, 1), ask(conn, 9)
    assert (sure["output"], sure["model"], sure["confidence"]) == ("low", "m:1", 0.95)
    assert (unsure["output"], unsure["model"], unsure["models"]) == ("high", "m:2", {"asked": 2, "used": 1})
    assert "partial" not in unsure
    why = conn.why(unsure["query_id"])
    assert [leg["version"] for leg in why["models"]] == ["m:1", "m:2"]
    assert "chosen by Cascade, 2 asked" in str(why)
    assert "Cascade, 1 asked, confidence 95%" in str(conn.why(sure["query_id"]))
    text = "a cascade of m:1, m:2, which goes on below a confidence of 0.9"
    assert any(text in event["text"] for event in conn.events())


def test_it_tells_the_same_by_open_inference(conn: ClipperConnection) -> None:
    conn.set_policy("app", P.Cascade(["m:1", "m:2"], below=0.9))
    url = conn.application("app").url.replace("/app/predict", "/v2/models/app/infer")
    tensor = {"name": "input", "datatype": "FP64", "shape": [2, 1], "data": [1.0, 9.0]}
    answer = httpx2.post(url, json={"inputs": [tensor]}, trust_env=False, verify=False, timeout=60).json()
    assert answer["outputs"][0]["data"] == ["low", "high"]
    assert answer["parameters"]["models"] == ["m:1", "m:2"]
    assert answer["parameters"]["confidence"] == [0.95, None]


def test_a_model_that_says_no_confidence_is_told_of(conn: ClipperConnection) -> None:
    conn.set_policy("app", P.Cascade(["other", "m:2"], below=0.9))
    assert ask(conn, 1)["model"] == "m:2"
    wait_for(
        "the event",
        lambda: any("other:1 is asked in a cascade, and returns no" in e["text"] for e in conn.events()),
    )


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        (P.Cascade(["m"], 0.9), "two arms or more"),
        (P.Cascade(["m", "m"], 0.9), "an arm twice"),
        (P.Cascade(["m", "gone"], 0.9), "gone is not linked"),
        (P.Cascade(["m:1", "m:3"], 0.9), "3"),
        (P.Cascade(["m:1", "m:2"], 0.0), "above 0 and 1 at most"),
        (P.Cascade(["m:1", "m:2"], 1.1), "above 0 and 1 at most"),
        (P.Cascade(["m:1", "m:2"], 0.9, "mean"), r'of the kind cascade has .*`rule` \("field" or "max"\)'),  # type: ignore[arg-type]
    ],
    ids=str,
)
def test_what_is_no_cascade_is_refused(conn: ClipperConnection, policy: P.Policy, why: str) -> None:
    with pytest.raises((BadRequest, NotFound), match=why):
        conn.set_policy("app", policy)


def test_a_cascade_and_feedback_are_not_for_one_application(conn: ClipperConnection) -> None:
    conn.set_policy("app", P.Cascade(["m:1", "m:2"], below=0.9))
    with pytest.raises(BadRequest, match="feedback could not compare them"):
        conn.collect_feedback("app")
    conn.set_policy("app", P.First())
    conn.collect_feedback("app")
    with pytest.raises(BadRequest, match="End it first, with stop_feedback"):
        conn.set_policy("app", P.Cascade(["m:1", "m:2"], below=0.9))
    conn.stop_feedback("app")


def test_it_is_tuned_by_the_pairs_of_a_shadow(conn: ClipperConnection) -> None:
    with pytest.raises(BadRequest, match="No model that answers for app has had a shadow"):
        conn.tune_cascade("app")
    shadow = conn.start_shadow("m", 2, fraction=1.0)
    with pytest.raises(BadRequest, match="There are no pairs of m:2 for app yet"):
        conn.tune_cascade("app")

    def enough(count: int) -> bool:
        for number in (1.0, 2.0, 3.0, 9.0):
            ask(conn, number)
        return shadow.now["seen"]["compared"] >= count

    wait_for("20 pairs", lambda: enough(20))
    with pytest.raises(BadRequest, match="are missing"):
        conn.tune_cascade("app", max_loss=0.01)
    tuned = conn.tune_cascade("app", max_loss=0.2)
    assert tuned.policy == P.Cascade(["m:1", "m:2"], below=0.61)
    assert tuned.pairs >= 20
    with pytest.raises(BadRequest, match="while it is a shadow"):
        conn.set_policy("app", tuned.policy)
    shadow.stop()
    conn.set_policy("app", tuned.policy)
    assert ask(conn, 9)["model"] == "m:2"
    assert conn.tune_cascade("app", max_loss=0.2).policy == tuned.policy
    conn.set_policy("app", P.Cascade(["m:2", "m:1"], below=0.9))
    with pytest.raises(BadRequest, match="m:2 does not say how sure it is"):
        conn.tune_cascade("app")
    conn.set_policy("app", P.Cascade(["m", "other"], below=0.9))
    with pytest.raises(BadRequest, match="The pairs are of m:1 and m:2, the cascade is of m, other"):
        conn.tune_cascade("app", max_loss=0.2)
