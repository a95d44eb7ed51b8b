"""Checks of lesson 03, on the path of one query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import Checked, NotYet, check

EXACT_MS = 0.01  # times are told in microseconds


def _batch(trace: Mapping[str, Any]) -> dict[str, Any]:
    """The batch that a query went with. Raises NotYet where it went with none."""
    legs = trace["models"]
    batch = legs[0]["batch"] if legs else None
    if batch is None or batch["compute_ms"] is None:
        raise NotYet(f"Query {trace['query_id']} never came back from a model: take one that did.")
    found: dict[str, Any] = batch
    return found


def _adds_up(trace: Mapping[str, Any], parts: Mapping[str, float], computing: str) -> None:
    batch = _batch(trace)
    if len(parts) != 4 or min(parts.values()) < -EXACT_MS:
        raise NotYet("There should be four parts, and none of them can be negative.")
    whole = sum(parts.values())
    if abs(whole - trace["took_ms"]) > EXACT_MS:
        raise NotYet(f"The parts come to {whole:.3f} ms, and the query took {trace['took_ms']:.3f} ms.")
    if abs(parts[computing] - batch["compute_ms"]) > EXACT_MS:
        raise NotYet(f"The model computed for {batch['compute_ms']:.3f} ms, and not {parts[computing]:.3f}.")


@check(
    "anatomy-stages",
    hints=(
        "`conn.why(query_id)` has `took_ms`, and in `models` a batch with `sent_at_ms` and `replied_at_ms`.",
        "Those are moments, counted from when the query came in. A part is the difference of two of them.",
        "The way to the replica and back is `replied_at_ms - sent_at_ms - compute_ms`.",
    ),
)
def stages(wb: Checked, query_id: int, parts: Mapping[str, float]) -> None:
    _adds_up(wb.conn.why(query_id), parts, "model")


@check(
    "anatomy-protocols",
    hints=(
        "Clipper's protocol is asked at /digits/predict, the other one at /v2/models/digits/infer.",
        "An answer of the Open Inference Protocol has its ids under `parameters`, in `query_ids`.",
        'The body is {"inputs": [{"name": ..., "shape": [1, 64], "datatype": "FP64", "data": [...]}]}.',
    ),
)
def protocols(wb: Checked, one: int, other: int) -> None:
    spoken = sorted(wb.conn.why(query_id)["protocol"] for query_id in (one, other))
    if spoken != ["clipper", "open-inference"]:
        raise NotYet(
            f"The two queries came in these protocols: {', '.join(spoken)}. It should be one in each."
        )


@check(
    "anatomy-cache",
    hints=(
        'Where an answer came from stands in `conn.why(query_id)["models"][0]["cache"]`.',
        "The first query has to be one that nobody sent before: a miss.",
        "Send exactly the same input again, without the header Cache-Control: no-cache.",
    ),
)
def cached(wb: Checked, computed: int, kept: int) -> None:
    found = [wb.conn.why(query_id)["models"][0]["cache"] for query_id in (computed, kept)]
    if found != ["miss", "hit"]:
        raise NotYet(f"The cache said {' and '.join(found)}. It should say miss, and then hit.")


@check(
    "anatomy-batch",
    hints=(
        "Only queries that wait at the same time share a batch: send many at once.",
        "Inputs that are the same are computed once, and so do not fill a batch. Send different ones.",
        "A ThreadPoolExecutor with 32 threads is 32 clients. Take the id that had the largest batch.",
    ),
)
def batch(wb: Checked, query_id: int) -> None:
    if _batch(wb.conn.why(query_id))["size"] < 2:
        raise NotYet(f"Query {query_id} was alone in its batch.")


@check(
    "anatomy-default",
    hints=(
        "A default output has `default_reason` beside it.",
        "`conn.why(query_id)` has the same reason under `reason`.",
        "The model needs longer than the objective allows: then the reason is `deadline`.",
    ),
)
def default(wb: Checked, query_id: int, reason: str) -> None:
    trace = wb.conn.why(query_id)
    if trace["answer"] != "default":
        raise NotYet(f"Query {query_id} was {trace['answer']}: it did not get the default output.")
    if trace["reason"] != reason:
        raise NotYet(f"Its reason is {trace['reason']}, and not {reason}.")


@check(
    "exercise-anatomy-parts",
    hints=(
        "Lesson 03 has a function `stages` for a query that was answered. Yours has the same four parts.",
        "`waiting` is `sent_at_ms`, and `computing` is `compute_ms`.",
        "`travelling` is `replied_at_ms - sent_at_ms - compute_ms`; the rest is `answering`.",
    ),
)
def parts(wb: Checked, query_id: int, found: Any) -> None:
    if not isinstance(found, Mapping) or found.keys() != {"waiting", "travelling", "computing", "answering"}:
        raise NotYet("It should be a dictionary with waiting, travelling, computing and answering.")
    _adds_up(wb.conn.why(query_id), found, "computing")


@check(
    "exercise-anatomy-waited",
    hints=(
        "Ask `conn.why` for every one of the query ids, and look at one of your four parts.",
        "Whoever waited longest has the largest `waiting`.",
        "`max(query_ids, key=lambda query_id: parts_of(query_id)['waiting'])`",
    ),
)
def waited(wb: Checked, query_ids: list[int], longest: int | None) -> None:
    if longest not in query_ids:
        raise NotYet("Give one of the query ids.")
    waits = {query_id: _batch(wb.conn.why(query_id))["sent_at_ms"] for query_id in query_ids}
    if waits[longest] < max(waits.values()):
        raise NotYet(f"That one waited {waits[longest]:.1f} ms, and another one longer.")


@check(
    "exercise-anatomy-sharers",
    hints=(
        "Two queries shared a batch where the same replica got both at the same time.",
        "A trace says with how many others its query travelled: that is the size of its batch.",
        "Keep the ids whose batch has a `size` above one.",
    ),
)
def sharers(wb: Checked, query_ids: list[int], found: Any) -> None:
    shared = {query_id for query_id in query_ids if _batch(wb.conn.why(query_id))["size"] > 1}
    if not isinstance(found, list | set | tuple) or not found:
        raise NotYet("Give a list of the query ids that were not alone in their batch.")
    if set(found) != shared:
        raise NotYet(f"You found {len(set(found))}; {len(shared)} were not alone in their batch.")


@check(
    "exercise-anatomy-impatient",
    hints=(
        "A query may ask for an answer earlier than the objective.",
        'Clipper\'s protocol takes "timeout_micros" beside "input"; the application stays as it is.',
        'Send {"input": ..., "timeout_micros": 1000}: a forest does not answer within a millisecond.',
    ),
)
def impatient(wb: Checked, answer: Any) -> None:
    if not isinstance(answer, Mapping) or "query_id" not in answer:
        raise NotYet("Give the whole answer, as the application gave it.")
    trace = wb.conn.why(answer["query_id"])
    if trace["reason"] not in ("deadline", "overload"):
        raise NotYet(f"Its reason is {trace['reason']}: it should be deadline.")
    objective_ms = wb.conn.application(trace["application"]).info["latency_slo_micros"] / 1000
    if trace["objective_ms"] >= objective_ms:
        raise NotYet(
            f"It had the application's whole {objective_ms:g} ms. Let the query itself ask for less."
        )
