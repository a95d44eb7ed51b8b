"""The models that are deployed. They do little but take their time: what is measured is the system."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

F = TypeVar("F", bound=Callable[..., object])
Model = Callable[[Any], list[float]]


def by_value(function: F) -> F:
    """A closure that travels as a learner's own would: replicas know nothing of these modules."""
    function.__module__ = "__main__"
    return function


def summing() -> Model:
    def sums(inputs: Any) -> list[float]:
        return [float(values.sum()) for values in inputs]

    return by_value(sums)


def summing_together() -> Callable[[Any], Any]:
    """The same of all at once, as most models compute."""

    def sums(inputs: Any) -> Any:
        return np.sum(inputs, axis=1)

    return by_value(sums)


def averaging() -> Model:
    def averages(images: Any) -> list[float]:
        return [float(image.mean()) for image in images]

    return by_value(averages)


def sleeping(base_s: float, each_s: float) -> Model:
    """Takes `base_s` for a batch, and `each_s` for each input in it, and no processor."""

    def sleeps(inputs: Any) -> list[float]:
        time.sleep(base_s + each_s * len(inputs))
        return [0.0] * len(inputs)

    return by_value(sleeps)


def uneven(base_s: float, each_s: float, slow_replica: str, times: float) -> Model:
    """As `sleeping`, but one replica takes so many times longer."""

    def sleeps(inputs: Any) -> list[float]:
        slower = times if os.environ["CLIPPER_REPLICA"] == slow_replica else 1.0
        time.sleep(slower * (base_s + each_s * len(inputs)))
        return [0.0] * len(inputs)

    return by_value(sleeps)


def changing(base_s: float, each_s: float, factor: Path, log: Path) -> Model:
    """As `sleeping`, but as many times longer as the file `factor` says at that moment.

    Writes of each batch into `log` when it began and ended (on the clock of time.monotonic), how many
    inputs it had, and the factor.
    """

    def sleeps(inputs: Any) -> list[float]:
        began = time.monotonic()
        slower = float(factor.read_text())
        time.sleep(slower * (base_s + each_s * len(inputs)))
        with log.open("a") as lines:
            lines.write(f"{began} {time.monotonic()} {len(inputs)} {slower}\n")
        return [0.0] * len(inputs)

    return by_value(sleeps)
