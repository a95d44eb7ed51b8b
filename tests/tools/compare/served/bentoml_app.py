"""The models as a service of BentoML's."""

from __future__ import annotations

import bentoml
import numpy as np

from .models import MODELS
from .settings import BATCH, CORES

BATCHED = {"batchable": True, "max_batch_size": BATCH, "max_latency_ms": 1000}


@bentoml.service(workers=CORES, traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Served:
    def __init__(self) -> None:
        self.add, self.add_one, self.classify, self.take_turn = (load() for load in MODELS.values())

    @bentoml.api(**BATCHED)
    def sums(self, input: np.ndarray) -> list[float]:
        return self.add(input)

    @bentoml.api
    async def single(self, input: np.ndarray) -> list[float]:
        return self.add_one(input)

    @bentoml.api(**BATCHED)
    def forest(self, input: np.ndarray) -> list[float]:
        return self.classify(input)

    @bentoml.api(**BATCHED)
    def device(self, input: np.ndarray) -> list[float]:
        return self.take_turn(input)
