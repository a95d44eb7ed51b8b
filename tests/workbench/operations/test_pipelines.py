"""Pipelines, and replicas that work on several batches at once, on a cluster of processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest

from clipper_container.errors import BadRequest, NotFound
from clipperlab import ClipperConnection
from clipperlab import policies as P
from clipperlab.deployers import pipeline
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.serving import serve
from tests.support.clusters import Attach, constant, kill, pid_of
from tests.support.waiting import wait_for, wait_for_end

OBJECTIVE_S = 20.0


@pytest.fixture(scope="module")
def conn(attach: Attach) -> Iterator[ClipperConnection]:
    """Models one and two say so of doubles; slow takes as many seconds as its input says."""
    conn = attach("pipelines")
    conn.start_clipper(fresh=True)
    deploy_python_closure(conn, "one", 1, "doubles", constant("one"))
    deploy_python_closure(conn, "two", 1, "doubles", constant("two"))

    async def slow(rows: Any) -> list[Any]:
        import asyncio

        await asyncio.sleep(max(row[0] for row in rows))
        return ["slow"] * len(rows)

    slow.__module__ = "__main__"
    deploy_python_closure(conn, "slow", 1, "doubles", slow, concurrency=16, batching="off")
    yield conn
    conn.stop_all(purge=True)


Make = Callable[..., Callable[..., dict[str, Any]]]


@pytest.fixture
def made(conn: ClipperConnection) -> Iterator[Make]:
    """Makes an application `app` of a function that calls models; what it gives asks it."""

    def make(answer: Any, *uses: str, objective_s: float = OBJECTIVE_S, **options: Any) -> Any:
        answer.__module__ = "__main__"
        slo_micros = int(1e6 * objective_s)
        pipeline.create_endpoint(conn, "app", answer, uses=uses, slo_micros=slo_micros, **options)
        return conn.application("app").predict

    yield make
    if "app" in conn.get_all_apps():
        conn.unregister_application("app")
    if any(each.startswith("app:") for each in conn.get_all_models()):
        conn.stop_models(["app"])


def test_what_fails_names_the_model_and_the_line(made: Make) -> None:
    async def answer(query: Any, models: Any) -> Any:
        if query == "undeclared":
            return await models["two"]([1.0])
        if query == "nonsense":
            return await models["one"]("a text")
        if query == "endless":
            return await models["one"](models)
        raise ValueError("no such query")

    ask = made(answer, "one")
    line = answer.__code__.co_firstlineno
    answered = ask("undeclared")
    assert answered["default_reason"] == "call_failed"
    assert (
        f"two: app:1 calls it, and was deployed with uses=one. Name it there, in line {line + 2}"
        in (answered["default_explanation"])
    )
    assert "one: It takes doubles, a list of numbers" in ask("nonsense")["default_explanation"]
    assert "one: The input for one cannot travel" in ask("endless")["default_explanation"]
    answered = ask("else")
    assert answered["default_reason"] == "model_error"
    assert f"ValueError: no such query, in line {line + 7}" in answered["default_explanation"]


def test_a_late_branch_is_left_out_where_it_has_a_default(conn: ClipperConnection, made: Make) -> None:
    async def answer(query: Any, models: Any) -> Any:
        import asyncio

        return await asyncio.gather(
            models["one"]([1.0]), models["slow"]([query], default="none"), models["slow"]([0.0])
        )

    # A twentieth of the objective is left for the way back: so much a busy machine has to take.
    ask = made(answer, "one", "slow", objective_s=5.0)
    answered = ask(0.0)
    assert (answered["output"], set(answered)) == (["one", "slow", "slow"], {"query_id", "output", "default"})
    answered = ask(60.0)
    assert (answered["output"], answered["partial"]) == (["one", "none", "slow"], True)
    calls = {call["fault"] for call in conn.why(answered["query_id"])["models"][0]["calls"]}
    assert calls == {None, "deadline"}


def test_without_a_default_a_late_branch_fails_the_answer_in_time(made: Make) -> None:
    async def answer(query: Any, models: Any) -> Any:
        return await models["slow"]([5.0])

    answered = made(answer, "slow", objective_s=0.5)("query")
    assert answered["default_reason"] in ("call_failed", "deadline")


def test_the_same_endpoint_may_be_made_twice_as_when_a_cell_runs_again(
    conn: ClipperConnection, made: Make
) -> None:
    async def answer(query: Any, models: Any) -> Any:
        return await models["one"]([7.0])

    made(answer, "one")
    assert made(answer, "one", version="next")("query")["output"] == "one"
    assert [each for each in conn.get_all_models() if each.startswith("app:")] == ["app:1"]


def test_where_one_version_is_in_use_none_is_stopped(conn: ClipperConnection, made: Make) -> None:
    async def answer(query: Any, models: Any) -> Any:
        return await models["pair"]([7.0])

    for version in (1, 2):
        deploy_python_closure(conn, "pair", version, "doubles", constant("pair"))
    made(answer, "pair")
    with pytest.raises(BadRequest, match="pair:2 answers app:1, which uses pair: remove that first"):
        conn.stop_models(["pair"])
    with pytest.raises(NotFound):
        conn.stop_versioned_models({"app": [1], "pair": [2, 9]})
    assert {"pair:1", "pair:2", "app:1"} <= set(conn.get_all_models())
    assert conn.get_current_model_version("app") == "1"
    conn.unlink_model_from_app("app", "app")
    conn.stop_models(["pair", "app"])
    assert not {"pair:1", "pair:2", "app:1"} & set(conn.get_all_models())


def test_calls_are_cached_and_pipelines_are_not(conn: ClipperConnection, made: Make) -> None:
    async def answer(query: Any, models: Any) -> Any:
        return await models["one"]([7.0])

    ask = made(answer, "one")
    ask("query")
    (leg,) = conn.why(ask("query")["query_id"])["models"]
    assert (leg["cache"], leg["calls"][0]["cache"]) == ("off", "hit")


def test_one_replica_works_on_many_queries_at_once(conn: ClipperConnection, made: Make) -> None:
    """All of 16 wait for one another in the model, so that one alone would never be answered."""

    async def answer(query: Any, models: Any) -> Any:
        return await models["slow"]([0.2])

    ask = made(answer, "slow")
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda i: ask(i, cache=False), range(16)))
    assert not any(answered["default"] for answered in answers)
    traces = [conn.why(answered["query_id"])["models"][0] for answered in answers]
    assert max(leg["batch"]["at_once"] for leg in traces) > 4


def test_models_use_one_another_in_no_circle(conn: ClipperConnection, made: Make) -> None:
    async def answer(query: Any, models: Any) -> Any:
        return await models["one"]([1.0])

    made(answer, "one")
    with pytest.raises(BadRequest, match="there is no such model"):
        pipeline.deploy_pipeline(conn, "other", 1, answer, uses=["nobody"])
    with pytest.raises(BadRequest, match="in a circle, app → app"):
        pipeline.deploy_pipeline(conn, "app", 2, answer, uses=["app"])
    with pytest.raises(BadRequest, match="in a circle, one → app → one"):
        pipeline.deploy_pipeline(conn, "one", 2, answer, uses=["app"], input_type="doubles")
    with pytest.raises(BadRequest, match="uses= names the models"):
        pipeline.deploy_pipeline(conn, "other", 1, answer)
    with pytest.raises(BadRequest, match="stages name all models that other:1 uses"):
        pipeline.deploy_pipeline(conn, "other", 1, answer, uses=["one"], stages=["two"])
    with pytest.raises(BadRequest, match="no such function"):
        pipeline.deploy_pipeline(conn, "other", 1, lambda query, models: 1, uses=["one"])  # type: ignore[arg-type, return-value]
    with pytest.raises(BadRequest, match=r"uses must be a list: \['one'\]"):
        pipeline.deploy_pipeline(conn, "other", 1, answer, uses="one")
    with pytest.raises(BadRequest, match=r"stages must be a list: \['one'\]"):
        pipeline.deploy_pipeline(conn, "other", 1, answer, uses=["one"], stages="one")
    with pytest.raises(BadRequest, match="from 1 to 256"):
        pipeline.deploy_pipeline(conn, "other", 1, answer, uses=["one"], concurrency=1000)


def test_steps_may_be_put_together_as_graphs(made: Make) -> None:
    graph = pipeline.sequence(
        pipeline.fan_out({"a": "one", "b": "two"}),
        pipeline.switch(lambda found: found["a"], {"one": _counted, "two": "two"}),
    )
    ask = made(graph, "one", "two", input_type="doubles")
    assert ask([1.0])["output"] == {"a": "one", "b": "two", "n": 2}


async def _counted(found: Any, models: Any) -> Any:
    return {**found, "n": len(found)}


def test_a_pipeline_runs_in_this_process_where_breakpoints_hold(conn: ClipperConnection) -> None:
    seen: list[Any] = []

    async def answer(query: Any, models: Any) -> Any:
        seen.append((query, threading.current_thread().name))
        return await models["one"]([1.0])

    conn.register_application("kernel", "json", "none", 20_000_000)
    conn.register_model("kernel", 1, "json", uses=["one"], concurrency=4)
    conn.link_model_to_app("kernel", "kernel")
    with pytest.raises(BadRequest, match="kernel:1 uses models: func must be `async def"):
        serve(conn, "kernel", 1, constant("one"))
    with serve(conn, "kernel", 1, answer):
        assert conn.application("kernel").predict("query")["output"] == "one"
    assert seen == [("query", "serve kernel:1")]


@pytest.mark.slow
@pytest.mark.parametrize("who", ["app", "slow", "query-0"])
def test_who_is_killed_in_mid_call_costs_no_more_than_the_objective(
    conn: ClipperConnection, made: Make, who: str
) -> None:
    async def answer(query: Any, models: Any) -> Any:
        return await models["slow"]([query])

    ask = made(answer, "slow", objective_s=5.0)
    assert ask(0.0)["output"] == "slow"
    replicas = [r for r in conn.get_all_model_replicas(verbose=True) if r["model_name"] == who]
    killed = replicas[0]["pid"] if replicas else pid_of(conn, who)
    assert killed is not None
    before = _sent(conn)
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(_asked, ask, 1.0 + len(who) / 10 + i / 100) for i in range(4)]
        wait_for("the calls", lambda: _sent(conn) == before + 4)
        kill(killed)
        for each in asked:
            each.result()  # answered, by default, or refused by a frontend that is gone
    assert time.monotonic() - began < 30  # they would wait for a minute
    wait_for("all to be as it was", lambda: _asked(ask, 0.0).get("output") == "slow")


def _asked(ask: Callable[..., dict[str, Any]], query: float) -> dict[str, Any]:
    try:
        return ask(query, cache=False)
    except Exception:  # the frontend is gone: there is nobody to ask
        return {}


def _sent(conn: ClipperConnection) -> int:
    """Batches that slow was sent so far."""
    return sum(conn.batching("slow").dispatches.values())


def test_a_function_that_swallows_its_end_costs_nobody_else(made: Make) -> None:
    async def answer(query: Any, models: Any) -> Any:
        import asyncio
        import contextlib
        import time

        end = time.monotonic() + 2.0
        while query == "bad" and time.monotonic() < end:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1.0)
        return await models["one"]([1.0])

    ask = made(answer, "one", objective_s=0.5)
    assert ask("bad")["default_reason"] == "deadline"
    assert ask("good")["output"] == "one"


@pytest.mark.slow
def test_several_at_once_of_a_model_that_computes_are_told_to_be_useless(conn: ClipperConnection) -> None:
    def compute(rows: Any) -> list[float]:
        import time

        end = time.thread_time() + 0.005
        while time.thread_time() < end:
            pass
        return [0.0] * len(rows)

    compute.__module__ = "__main__"
    conn.register_application("busy", "doubles", -1, 20_000_000)
    deploy_python_closure(
        conn, "busy", 1, "doubles", compute, concurrency=8, batching="off", example_input=[1.0]
    )
    conn.link_model_to_app("busy", "busy")
    ask = conn.application("busy").predict

    def told() -> bool:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda i: ask([float(i)], cache=False), range(64)))
        return "The model computes where concurrency=8 is for one that waits" in str(conn.batching("busy"))

    wait_for("what is said of it", told)
    wait_for("the panel to say so", lambda: "Deploy it without" in str(conn.get_model_info("busy", 1)))


@pytest.mark.slow
def test_a_used_model_that_has_no_replicas_wakes_for_a_call(conn: ClipperConnection, made: Make) -> None:
    async def answer(query: Any, models: Any) -> Any:
        return await models["sleeper"]([1.0])

    deploy_python_closure(conn, "sleeper", 1, "doubles", constant("awake"))
    ask = made(answer, "sleeper")
    conn.set_num_replicas("sleeper", 0)
    wait_for_end(conn, "sleeper")
    assert ask("query", cache=False)["default_reason"] == "call_failed"
    conn.set_autoscaling("sleeper", 0, 1)
    wait_for("it to wake", lambda: ask("query", cache=False)["output"] == "awake")


@pytest.mark.slow
def test_calls_are_what_a_rollout_of_a_stage_goes_by(conn: ClipperConnection, made: Make) -> None:
    async def answer(query: Any, models: Any) -> Any:
        return await models["stage"]([query])

    def fails(inputs: list[Any]) -> list[Any]:
        raise ValueError("a bad version")

    fails.__module__ = "__main__"
    deploy_python_closure(conn, "stage", 1, "doubles", constant("good"))
    deploy_python_closure(conn, "stage", 2, "doubles", fails, make_current=False)
    with pytest.raises(BadRequest, match="no model that answers uses it"):
        conn.start_rollout("stage", 2)
    ask = made(answer, "stage")
    reward = P.NoLess("reward", by=0.1)
    with pytest.raises(BadRequest, match="No application asks for stage itself"):
        conn.start_rollout("stage", 2, guardrails=[reward])
    rollout = conn.start_rollout("stage", 2, steps=[0.5, 1], hold_s=30)
    queries = count()

    def taken_back() -> bool:
        for _ in range(20):
            ask(float(next(queries)))
        return rollout.state == "failed"

    wait_for("it to be taken back", taken_back)
    assert "Too many" in rollout.verdict()
    assert rollout.now["evidence"]["canary"]["errors"] > 3
    wait_for("the version before to answer", lambda: not any(ask(-1.0 - i)["default"] for i in range(20)))
