"""What every system is asked: rows for each model, their right answers, and by how many clients at once."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

ROWS = 64  # different ones: an answer that went to another client shows
TREES = 100


@dataclass(frozen=True)
class Workload:
    """So many clients of a model, each of which waits for its answer before it asks again."""

    model: str
    connections: int

    @property
    def name(self) -> str:
        return f"{self.model} at {self.connections}"


WORKLOADS = (Workload("sums", 32), Workload("single", 1), Workload("forest", 32), Workload("device", 32))
"""In the order in which a system gets them: the busiest first, which also warms it up."""


@dataclass(frozen=True)
class Task:
    """What a model is asked, and the right answers."""

    rows: Sequence[Sequence[float]]
    right: Sequence[float]


def tasks(shared: Path) -> Mapping[str, Task]:
    """The tasks by model; writes into `shared` what the models read."""
    images, digits = load_digits(return_X_y=True)
    forest = RandomForestClassifier(TREES, random_state=0).fit(images, digits)
    (shared / "forest.pickle").write_bytes(pickle.dumps(forest))
    numbers = [[i + j / 8 for j in range(10)] for i in range(ROWS)]
    added = Task(numbers, [sum(row) for row in numbers])
    pictures = images[:ROWS]
    return {
        "sums": added,
        "single": added,
        "forest": Task(pictures.tolist(), forest.predict(pictures).astype(float).tolist()),
        "device": added,
    }
