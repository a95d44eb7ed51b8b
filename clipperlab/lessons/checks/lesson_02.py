"""Checks of lesson 02, on what prediction serving has to solve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import LATE, Checked, NotYet, check

FITS = {
    "many teams, Kubernetes, down to zero": {"KServe"},
    "networks on NVIDIA GPUs, every millisecond counts": {"Triton"},
    "a notebook, an objective, a default output": {"Clipper Lab"},
    "everything in AWS, shadow traffic before each release": {"SageMaker"},
}
ASKED = {
    "Ana": {"TF Serving"},
    "Ben": {"Ray Serve"},
    "Chloe": {"Azure ML"},
    "Deniz": {"BentoML"},
}


def _result(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or "good_share" not in value:
        raise NotYet("Give what a load's result() returned.")
    return value


def _no_failures(result: Mapping[str, Any]) -> None:
    failed = {
        kind: count for kind, count in result["answers"].items() if kind.startswith(("status", "conn", "no "))
    }
    if failed:
        raise NotYet(f"Some queries got no answer at all: {failed}.")


@check(
    "serving-load",
    hints=(
        "Compare a load that the server can take with one that it cannot.",
        "Measure one query first. One second divided by that is what it can take.",
        "Three times what it can take is enough: `own_load(3 / one_s)`.",
    ),
)
def load(wb: Checked, calm: Any, busy: Any) -> None:
    calm, busy = _result(calm), _result(busy)
    if calm["p50_ms"] is None:
        raise NotYet("Even of the small load most was never answered. Send less.")
    if busy["p50_ms"] is not None and busy["p50_ms"] < 3 * calm["p50_ms"]:
        raise NotYet(
            f"The server kept up: p50 {calm['p50_ms']:.1f} ms, and under load {busy['p50_ms']:.1f} ms."
        )


@check(
    "serving-batching",
    hints=(
        'Batching "off" takes one input at a time; "learned" takes as many as the objective allows.',
        "Send both the same load: more than one at a time can carry.",
        'conn.set_batching("digits", "learned"), and then the same conn.load(...) once more.',
    ),
)
def batching(wb: Checked, single: Any, batched: Any) -> None:
    single, batched = _result(single), _result(batched)
    if batched["good_share"] < 0.8:
        raise NotYet(f"Only {batched['good_share']:.0%} were answered by the model in time, with batches.")
    if single["good_share"] > 0.9 * batched["good_share"]:
        raise NotYet(f"Without batches {single['good_share']:.0%} were good: that load can do without them.")


@check(
    "serving-update",
    hints=(
        "Start a load with conn.load(...), and deploy before you ask for its result().",
        'A query can name a version: {"input": ..., "version": "1"}.',
        'The shares of right answers are a dictionary: {"1": 0.97, "2": 0.99}.',
    ),
)
def update(wb: Checked, during: Any, right: Mapping[str, float]) -> None:
    _no_failures(_result(during))
    # What is late is the machine's doing, and not the update's.
    late = sum(during["answers"].get(reason, 0) for reason in LATE)
    answered = during["answers"].get("model", 0)
    if not answered or answered < 0.9 * (during["sent"] - late):
        raise NotYet(f"The model answered only some of the queries: {dict(during['answers'])}.")
    if not {"1", "2"} <= right.keys() or min(right.values()) < 0.5:
        raise NotYet("Both versions should be right more often than not.")


@check(
    "serving-isolation",
    hints=(
        "Ask the neighbour while the other model crashes: conn.load(...) goes on in the background.",
        "`result()` of that load has the answers, by what became of them.",
        "If some were late, the machine was too busy: send fewer a second.",
    ),
)
def isolation(wb: Checked, neighbour: Any) -> None:
    _no_failures(_result(neighbour))
    if not any(event["kind"] == "crash" for event in wb.conn.events()):
        raise NotYet("Nothing has crashed yet.")
    if neighbour["good_share"] < 0.8:
        raise NotYet(f"Only {neighbour['good_share']:.0%} of the neighbour's answers were good.")


def _chosen(wanted: Mapping[str, set[str]], choice: Any) -> None:
    if not isinstance(choice, Mapping):
        raise NotYet("Give a dictionary: who asks, and which system you take.")
    open_ = [who for who in wanted if choice.get(who) is None]
    if open_:
        raise NotYet(f"No answer yet for: {', '.join(open_)}.")
    wrong = [who for who, fits in wanted.items() if choice[who] not in fits]
    if wrong:
        raise NotYet(f"Look at the table again for: {', '.join(wrong)}.")


@check(
    "serving-choice",
    hints=(
        "The guide above is in order: take the first that fits.",
        "Shadow traffic and down to zero have rows of their own in the table.",
        "KServe is for Kubernetes, Triton for GPUs, SageMaker for AWS; one of them has default outputs.",
    ),
)
def choice(wb: Checked, choice: Any) -> None:
    _chosen(FITS, choice)


@check(
    "exercise-serving-capacity",
    hints=(
        "One at a time, a model that takes t seconds for each answers 1/t queries a second.",
        "`conn.why(query_id)` has the model's own time of a query, `compute_ms`.",
        "capacity = 1000 / compute_ms of a query that was alone.",
    ),
)
def capacity(wb: Checked, capacity: Any) -> None:
    if not isinstance(capacity, int | float) or isinstance(capacity, bool):
        raise NotYet("Give a number: queries a second.")
    if not 20 <= capacity <= 50.5:
        raise NotYet(f"{capacity:g} a second cannot be: one query takes the model about 20 ms.")


@check(
    "exercise-serving-objective",
    hints=(
        "The model takes 20 ms for a batch, whatever its size. It was deployed with batches of one.",
        'conn.set_batching(name, "learned") changes that while it runs.',
        'Then send the same load again: conn.load("shop", rate=150, seconds=2).result().',
    ),
)
def objective(wb: Checked, result: Any) -> None:
    result = _result(result)
    if result["rate"] < 150 or result["objective_ms"] > 100:
        raise NotYet("It has to hold at 150 queries a second, within the same 100 ms.")
    if result["good_share"] < 0.8:
        raise NotYet(f"{result['good_share']:.0%} were good. It should be four of five.")


@check(
    "exercise-serving-choice",
    hints=(
        "Read the guide of lesson 02 from the top, for each of the four.",
        "One of them names a framework, one a cloud, one a graph of models, one an image.",
        "Ana has only TensorFlow, Ben composes models, Chloe is in Azure, Deniz wants one image.",
    ),
)
def asked(wb: Checked, choice: Any) -> None:
    _chosen(ASKED, choice)
