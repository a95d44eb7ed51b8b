"""Checks of lesson 04, on batches and objectives."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import Checked, NotYet, check

Load = Mapping[str, Any]
Moderate = tuple[int, int, float]  # batches, queries, and milliseconds of a lone query
BUSY = 2.5  # inputs in a batch that nobody held back: the load was not moderate for this machine


def _by_model(load: Load) -> float:
    """The share of the answers that the model gave."""
    return float(load["answers"].get("model", 0) / max(1, load["sent"]))


@check(
    "batching-costs",
    hints=(
        "Milliseconds, by the size of the batch.",
        "Time the model with one input, and with more than a hundred.",
        "costs = {size: takes_ms(forest.predict, pictures[:size]) for size in (1, 8, 32, 128)}",
    ),
)
def costs(wb: Checked, costs: Mapping[int, float]) -> None:
    smallest, largest = min(costs), max(costs)
    if smallest != 1 or largest < 64:
        raise NotYet("Measure one input, and a batch of 64 or more.")
    if costs[largest] / largest > costs[1] / 4:
        raise NotYet("A large batch should be cheap here: was the machine busy with something else?")


@check(
    "batching-ways",
    hints=(
        "One load for each way of batching, of the same rate.",
        "conn.set_batching changes the way while the model runs.",
        'runs["off"], runs["aimd"] and runs["learned"]',
    ),
)
def ways(wb: Checked, runs: Mapping[str, Load]) -> None:
    share = {way: _by_model(load) for way, load in runs.items()}
    for way in ("aimd", "learned"):
        if share[way] < 2 * share["off"]:
            raise NotYet(f"{way} answered {share[way]:.0%}, and off {share['off']:.0%}: take a larger load.")


@check(
    "batching-waits",
    hints=(
        "The same burst twice: without batches, and in batches.",
        "Compare how long the queries wait on the average.",
        'took = {"off": await burst("off"), "fixed(32)": await burst("fixed(32)")}',
    ),
)
def waits(wb: Checked, took: Mapping[str, Sequence[float]]) -> None:
    alone, together = statistics.mean(took["off"]), statistics.mean(took["fixed(32)"])
    if together < 1.1 * alone:
        raise NotYet(f"In batches the queries took {together:.0f} ms on the average, alone {alone:.0f}.")
    if alone < 45:
        raise NotYet(
            f"One by one they took {alone:.0f} ms on the average, too little for sixteen that come at the "
            "same moment: run it again."
        )


@check(
    "batching-delay",
    hints=(
        "The same load without a delay, and with one.",
        "Count the batches, by conn.batching(name).dispatches.",
        'conn.set_batching("digits", "learned", batch_delay_micros=50_000)',
    ),
)
def delay(wb: Checked, without: Moderate, held: Moderate) -> None:
    sizes = [sent / max(1, batches) for batches, sent, _ in (without, held)]
    if sizes[1] <= sizes[0] <= BUSY:
        raise NotYet(f"The batches had {sizes[0]:.1f} inputs without a delay, and {sizes[1]:.1f} with it.")
    if held[2] < 45:
        raise NotYet(f"A lone query took {held[2]:.0f} ms with the delay: was it held back?")


@check(
    "batching-objective",
    hints=(
        "First a load with an objective that cannot be kept, and then one with another.",
        "conn.set_latency_objective takes microseconds.",
        'conn.set_latency_objective("digits", 100_000)',
    ),
)
def objective(wb: Checked, broken: Load, healed: Load) -> None:
    if _by_model(broken) > 0.5:
        raise NotYet(f"With the first objective the model still answered {_by_model(broken):.0%}.")
    if healed["good_share"] < 0.9:
        raise NotYet(f"With the second objective {healed['good_share']:.0%} were good.")


@check(
    "exercise-batching-line",
    hints=(
        "numpy.polyfit(x, y, 1) gives the slope first, and then where it begins.",
        "The sizes are the x, the milliseconds the y.",
        "b, a = np.polyfit(list(costs), list(costs.values()), 1), and return a, b",
    ),
)
def line(wb: Checked, line: Callable[[dict[int, float]], tuple[float, float]]) -> None:
    for a, b in [(4.0, 0.01), (0.5, 2.0)]:
        found = line({n: a + b * n for n in (1, 4, 16, 64)})
        if found is None:
            raise NotYet("The function returns nothing.")
        if max(abs(found[0] - a), abs(found[1] - b)) > 1e-6:
            raise NotYet(f"For {a:g} + {b:g} n it finds a = {found[0]:.3g} and b = {found[1]:.3g}.")


@check(
    "exercise-batching-fits",
    hints=(
        "Two batches in the objective: each may take half of it.",
        "Solve a + b n = objective / 2 for n, and round down.",
        "return max(1, int((objective_ms / 2 - a) / b + 1e-9))",
    ),
)
def fits(wb: Checked, largest: Callable[[float, float, float], int]) -> None:
    for values, expected in [((20, 4, 0.5), 12), ((20, 4, 6), 1), ((5, 4, 1), 1), ((100, 0, 10), 5)]:
        found = largest(*values)
        if found is None:
            raise NotYet("The function returns nothing.")
        if found != expected:
            raise NotYet("For an objective of {} ms, a = {} and b = {}, it says {}.".format(*values, found))


@check(
    "exercise-batching-right",
    hints=(
        "There is a way of batching that sends one input at a time.",
        "conn.set_batching changes it while the model runs.",
        'conn.set_batching("padded", "off")',
    ),
)
def right(wb: Checked) -> None:
    answers = wb.http.post(
        "/padded/predict", json={"input_batch": ["short", "long" * 50, "short too"]}
    ).json()
    ids = [answer["query_id"] for answer in answers["batch_predictions"]]
    sizes = {wb.conn.why(id)["models"][0]["batch"]["size"] for id in ids}
    if sizes != {1}:
        raise NotYet(f"Texts still travel in batches of up to {max(sizes)}.")
