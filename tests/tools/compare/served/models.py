"""The models that each system serves: rows of numbers in, one number a row out.

It imports nothing of ours, for it runs in each system's own environment. FOLDER has what they share.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = "COMPARE_FOLDER"
"""The variable that names the folder with the forest, and with the lock of the device."""
PASS_S = 0.005

Model = Callable[[Any], list[float]]


def sums() -> Model:
    """Next to no work."""

    def add(rows: Any) -> list[float]:
        found: list[float] = np.asarray(rows).sum(axis=1).tolist()
        return found

    return add


def forest() -> Model:
    """A fitted forest, the same bytes for all."""
    fitted = pickle.loads((Path(os.environ[FOLDER]) / "forest.pickle").read_bytes())

    def classify(rows: Any) -> list[float]:
        found: list[float] = fitted.predict(np.asarray(rows)).astype(float).tolist()
        return found

    return classify


def device() -> Model:
    """A stand-in for the one accelerator of a machine: a batch has it for 5 ms, whatever its size.

    All processes share it, so that more workers make no more of it.
    """
    lock = Path(os.environ[FOLDER]) / "device.lock"

    def add(rows: Any) -> list[float]:
        with lock.open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            time.sleep(PASS_S)
        found: list[float] = np.asarray(rows).sum(axis=1).tolist()
        return found

    return add


MODELS: dict[str, Callable[[], Model]] = {"sums": sums, "single": sums, "forest": forest, "device": device}
"""`single` is sums for one client, without batches that would wait in vain for others."""
