"""Pipelines in every place: models that call models, and what happens when one of them goes."""

from __future__ import annotations

from typing import Any

import pytest

from clipper_container.errors import BadRequest
from clipperlab import ClipperConnection
from clipperlab.deployers.pipeline import deploy_pipeline
from clipperlab.deployers.python import deploy_python_closure
from tests.support.clusters import asking, constant
from tests.support.places import EVERYWHERE
from tests.support.waiting import wait_for

pytestmark = [EVERYWHERE, pytest.mark.timeout(900)]


def test_a_pipeline_asks_its_models_and_explains_itself(conn: ClipperConnection) -> None:
    deploy_python_closure(conn, "p-double", 1, "doubles", lambda rows: [2 * row for row in rows])
    deploy_python_closure(conn, "p-words", 1, "strings", lambda texts: [text.upper() for text in texts])

    async def answer(query: Any, models: Any) -> Any:
        import asyncio

        numbers, word = await asyncio.gather(models["p-double"](query["x"]), models["p-words"](query["word"]))
        return {"numbers": numbers, "word": word, "left": models.left_s > 0}

    answer.__module__ = "__main__"
    conn.register_application("p-both", "json", "none", 20_000_000)
    deploy_pipeline(conn, "p-both", 1, answer, uses=["p-double", "p-words"])
    conn.link_model_to_app("p-both", "p-both")
    answered = conn.application("p-both").predict({"x": [1, 2.5], "word": "so"})
    assert answered["output"] == {"numbers": [2.0, 5.0], "word": "SO", "left": True}
    assert set(answered) == {"query_id", "output", "default"}
    (leg,) = conn.why(answered["query_id"])["models"]
    assert {call["version"] for call in leg["calls"]} == {"p-double:1", "p-words:1"}
    assert all(call["fault"] is None and call["batch"]["size"] == 1 for call in leg["calls"])
    info = conn.get_model_info("p-double", 1)
    assert info is not None
    assert info["used_by"] == ["p-both:1"]


@pytest.mark.slow
def test_a_stage_is_replaced_and_rolled_back_under_a_pipeline_without_a_failed_query(
    conn: ClipperConnection,
) -> None:
    deploy_python_closure(conn, "p-stage", 1, "doubles", constant("one"))

    async def answer(query: Any, models: Any) -> Any:
        return await models["p-stage"]([1.0])

    answer.__module__ = "__main__"
    conn.register_application("p-over", "json", "none", 20_000_000)
    deploy_pipeline(conn, "p-over", 1, answer, uses=["p-stage"])
    conn.link_model_to_app("p-over", "p-over")
    with asking(conn, "p-over") as said:
        wait_for("the first", lambda: "one" in said)
        deploy_python_closure(conn, "p-stage", 2, "doubles", constant("two"))
        wait_for("the second", lambda: "two" in said)
        conn.rollback("p-stage")
        before = len(said)
        wait_for("the first again", lambda: "one" in said[before + 1 :])
    assert set(said) == {"one", "two"}
    with pytest.raises(BadRequest, match=r"p-stage:1 answers p-over:1, which uses p-stage"):
        conn.stop_versioned_models({"p-stage": ["1"]})
