"""Checks of lesson 06, on replicas."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from . import Checked, NotYet, check, is_answered

RATE, SECONDS = 120, 2


def _by_model(load: Mapping[str, Any]) -> float:
    """The share of the answers that the model gave."""
    answers = load["answers"]
    return float(answers.get("model", 0) / max(1, sum(answers.values())))


@check(
    "scaling-enough",
    hints=(
        "Two loads of the same rate: before the model got more replicas, and after it.",
        "conn.set_num_replicas gives it more.",
        'conn.set_num_replicas("waits", 3), and then the load again',
    ),
)
def enough(wb: Checked, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    shares = _by_model(before), _by_model(after)
    if shares[0] > 0.9:
        raise NotYet(f"One replica answered {shares[0]:.0%} already: take a larger load.")
    if shares[1] < 0.9:
        raise NotYet(f"With more replicas the model answered {shares[1]:.0%}: it should be nearly all.")


@check(
    "scaling-kinds",
    hints=(
        "Four figures: two models, with one replica and with four.",
        "They are answers a second, under (name, number of replicas).",
        'answered["waits", 4] = seen["answers"].get("model", 0) / seen["seconds"]',
    ),
)
def kinds(wb: Checked, answered: Mapping[tuple[str, int], float]) -> None:
    waits, computes = (answered[name, 4] / max(1.0, answered[name, 1]) for name in ("waits", "computes"))
    if waits < 2:
        raise NotYet(f"Four that wait should answer far more than one, and not {waits:.1f} times as much.")
    if computes >= waits and wb.conn.get_num_replicas("computes") < 4:
        raise NotYet(f"The one that computes gained {computes:.1f} times, the one that waits {waits:.1f}.")


@check(
    "scaling-straggler",
    hints=(
        "How much each replica answered is in conn.get_all_model_replicas(verbose=True).",
        "The counts arrive twice a second: wait until they are all there.",
        'shares() gives {"quick": ..., "slow": ...}',
    ),
)
def straggler(wb: Checked, shares: Mapping[str, int]) -> None:
    if shares["quick"] <= 1.3 * shares["slow"]:
        raise NotYet(f"The quick one answered {shares['quick']}, and the slow one {shares['slow']}.")


@check(
    "scaling-automatic",
    hints=(
        "conn.set_autoscaling gives bounds, and then somebody has to ask.",
        "A load of more than one replica can carry makes it grow, after some seconds.",
        'conn.set_autoscaling("waits", 1, 5), and a load of 250 a second',
    ),
)
def automatic(wb: Checked) -> None:
    info = wb.conn.get_model_info("waits", 1)
    if info is None or info["autoscaling"] is None:
        raise NotYet("The model `waits` is not scaled automatically.")
    if info["num_replicas"] < 3:
        raise NotYet(f"It has {info['num_replicas']} replicas: the load was too small, or too short.")


@check(
    "scaling-killed",
    hints=(
        "With two replicas, one may be killed and nobody notices.",
        "os.kill(pid, signal.SIGKILL), with the pid of one of them, while a load runs.",
        "The answers of the load should all be the model's.",
    ),
)
def killed(wb: Checked, load: Mapping[str, Any]) -> None:
    if not any(event["kind"] == "crash" for event in wb.conn.events()):
        raise NotYet("No replica crashed: kill one.")
    if not is_answered(load, 0.02):
        raise NotYet(f"Too few queries had the model's answer: {load['answers']}.")


@check(
    "exercise-scaling-number",
    hints=(
        "How many seconds of work come in each second?",
        "One replica does four fifths of a second of work in a second.",
        "return max(1, math.ceil(rate * cost_s / 0.8))",
    ),
)
def number(wb: Checked, replicas_for: Callable[[float, float], int]) -> None:
    for rate, cost_s in [(10, 0.01), (100, 0.01), (80, 0.01), (120, 0.015), (1, 0.001)]:
        found = replicas_for(rate, cost_s)
        if found is None:
            raise NotYet("The function returns nothing.")
        if found != max(1, math.ceil(round(rate * cost_s / 0.8, 9))):
            raise NotYet(f"For {rate} queries a second of {cost_s} s each it says {found}.")


@check(
    "exercise-scaling-carry",
    hints=(
        "One replica answers 66 a second: 0.015 s each.",
        "conn.set_num_replicas gives the model more, and returns when they are ready.",
        'conn.set_num_replicas("heavy", 3)',
    ),
)
def carry(wb: Checked) -> None:
    load = wb.conn.load("heavy", rate=RATE, seconds=SECONDS, inputs=[[1.0, 2.0]]).result()
    if _by_model(load) < 0.95:
        raise NotYet(f"The model answered {_by_model(load):.0%} of {load['sent']} queries.")


@check(
    "exercise-scaling-night",
    hints=(
        "Its number of replicas should follow the load, between bounds.",
        "The lower bound is 0, the upper one 2.",
        'conn.set_autoscaling("rare", 0, 2)',
    ),
)
def night(wb: Checked) -> None:
    info = wb.conn.get_model_info("rare", 1)
    if info is None or info["autoscaling"] != [0, 2]:
        raise NotYet(f"Its bounds are {info['autoscaling'] if info else None}.")
