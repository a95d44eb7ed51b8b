"""An application: a named endpoint with an input type, a latency objective and a default output."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from clipper_container.errors import BadRequest
from clipper_container.inputs import INPUT_TYPES, Tensor
from clipper_container.wire import Fault

from ..snapshot import ApplicationSpec
from .deadlines import Deadlines
from .policy import FirstModel, Policy
from .queue import ModelQueue
from .task import Outcome, Task


@dataclass(frozen=True, slots=True)
class Answer:
    """`output` is JSON text. `fault` is set where it is the default output, and says why."""

    query_id: int
    output: bytes
    fault: Fault | None


class Models(Protocol):
    """Where an application finds the queues of its models."""

    def queue(self, model: str, version: str | None) -> ModelQueue | None:
        """The queue of that version, or of the current one; None where there is none."""

    def versions(self, model: str) -> list[str]: ...


class Application:
    """Answers queries: with its models' outputs in time, or with its default output and the reason."""

    def __init__(
        self,
        spec: ApplicationSpec,
        models: Models,
        deadlines: Deadlines,
        next_id: Callable[[], int],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.spec = spec
        self.input_type = INPUT_TYPES[spec.input_type]
        self.answered = 0
        self.defaults: Counter[str] = Counter()
        self._default_output = msgspec.json.encode(spec.default_output)
        self._objective_s = spec.latency_slo_micros / 1e6
        self._policy: Policy = FirstModel()
        self._models = models
        self._deadlines = deadlines
        self._next_id = next_id
        self._loop = loop

    async def predict(self, tensors: list[Tensor], version: str | None = None) -> list[Answer]:
        """One answer for each input, in order, at the latency objective at the latest.

        Raises BadRequest where `version` names no version of the model.
        """
        queues = self._select(version)
        deadline = self._loop.time() + self._objective_s
        tasks = [[self._ask(queue, tensor, deadline) for queue in queues] for tensor in tensors]
        answers = []
        for asked in tasks:
            outcomes = [await task.done for task in asked]
            answers.append(self._answer(self._policy.combine(outcomes) if outcomes else self._unlinked()))
        return answers

    def _select(self, version: str | None) -> list[ModelQueue]:
        queues = []
        for model in self._policy.select(self.spec.linked_models):
            queue = self._models.queue(model, version)
            if queue is not None:
                queues.append(queue)
            elif version is not None:
                known = ", ".join(self._models.versions(model)) or "none"
                raise BadRequest(
                    f"Requested version: {version} does not exist for model: {model}. Its versions: {known}."
                )
        return queues

    def _ask(self, queue: ModelQueue, tensor: Tensor, deadline: float) -> Task:
        task = Task(tensor, deadline, self._loop.create_future())
        queue.put(task)
        if not task.done.done():
            self._deadlines.watch(task, queue.expire)
        return task

    def _answer(self, outcome: Outcome) -> Answer:
        self.answered += 1
        if isinstance(outcome, Fault):
            self.defaults[outcome.reason] += 1
            return Answer(self._next_id(), self._default_output, outcome)
        return Answer(self._next_id(), outcome, None)

    def _unlinked(self) -> Fault:
        if not self.spec.linked_models:
            advice = "Link one with link_model_to_app."
            return Fault("no_model_linked", f"No model is linked to {self.spec.name}. {advice}")
        models = ", ".join(self.spec.linked_models)
        return Fault("no_replicas", f"{models}, linked to {self.spec.name}, has no version that is deployed.")
