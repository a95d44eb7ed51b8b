"""An application: a named endpoint with an input type, a latency objective and a default output."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from typing import Protocol

import msgspec

from clipper_container.errors import BadRequest
from clipper_container.inputs import INPUT_TYPES
from clipper_container.wire import Fault

from ..policies import features_of, learns
from ..snapshot import ApplicationSpec
from .cascade import Cascading
from .examples import Example, of_default
from .feedback.collecting import Collecting
from .metrics import ApplicationMetrics
from .parts import Parts
from .policies import Arm, Policy
from .policies.first import First
from .policies.kinds import policy_of
from .query import Query
from .queue import ModelQueue
from .request import BROKEN, Answer, Reply, Request

log = logging.getLogger(__name__)


class Models(Protocol):
    """Where an application finds the queues of its models."""

    def queue(self, model: str, version: str | None) -> ModelQueue | None:
        """The queue of that version, or of the current one; None where there is none."""

    def versions(self, model: str) -> list[str]: ...


class Application:
    """Answers queries: with its models' outputs in time, or with its default output and the reason."""

    def __init__(
        self, spec: ApplicationSpec, models: Models, parts: Parts, metrics: ApplicationMetrics
    ) -> None:
        self.spec = spec
        self.name = spec.name
        self.input_type = INPUT_TYPES[spec.input_type]
        self.default_output = msgspec.json.encode(spec.default_output)
        self.objective_s = spec.latency_slo_micros / 1e6
        self.policy: Policy = policy_of(
            spec.policy, spec.linked_models, parts.learned.of(spec.name), parts.complain
        )
        self.collecting: Collecting | None = None
        if spec.feedback is not None:
            feedback = parts.feedback
            self.collecting = Collecting(
                spec.name, spec.feedback, feedback.tokens, feedback.decisions, feedback.keep
            )
        self.features = features_of(spec.policy)
        """How many numbers a request has to say."""
        self.asks_for_contexts = spec.feedback is not None or learns(spec.policy)
        """Whether it matters what a request may be told by."""
        self.parts = parts
        self.metrics = metrics
        metrics.keep_arms(arm.name for arm in self.policy.arms)
        self._models = models

    def ask(self, request: Request, reply: Reply) -> Query:
        """Call `reply` with one answer for each input, in order, at the latency objective at the latest.

        Perhaps at once, before this returns. Raises BadRequest where there is no such version.
        """
        self.metrics.queries[request.protocol] += 1
        now = self.parts.clock()
        objective_s = self.objective_s
        if request.timeout_s is not None:
            objective_s = min(objective_s, request.timeout_s)
        policy, version = self.policy, request.version
        if version is not None:
            policy = self._only(version)
        able = self.parts.able
        decision = policy.decide(request.unit, able, request.context, request.features)
        if version is not None and self.collecting is not None:  # nobody chose it
            decision = decision._replace(propensity=0.0)
        if request.context and not decision.context:
            decision = decision._replace(context=request.context)
        if request.features:
            decision = decision._replace(features=request.features)
        if self.parts.rollouts.by_model:
            decision = self.parts.rollouts.resolve(decision, request.unit, able)
        find = self._models.queue
        queues = [queue for arm in decision.arms if (queue := find(arm.model, arm.version)) is not None]
        if len(queues) != len(decision.arms):
            decision = decision.only([find(arm.model, arm.version) is not None for arm in decision.arms])
        kind = Cascading if policy.steps else Query
        return kind(self, request, policy, decision, queues, now, now + objective_s, reply)

    def _named(self, version: str) -> list[Arm]:
        """What a request may mean by it: that version of a model that it may ask, or model:version, or the
        model's current one.
        """
        models = dict.fromkeys(arm.model for arm in self.policy.arms)
        arms = [Arm(f"{model}:{version}", model, version) for model in models]
        arm = Arm.of(version)
        return [*arms, arm] if arm.model in models else arms

    async def answers(self, request: Request) -> list[Answer]:
        """As `ask`, for who can await them. Who is cancelled meanwhile lets the query go."""
        answered: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        query = self.ask(request, answered.set_result)
        try:
            return await answered
        except asyncio.CancelledError:
            answered.cancel()
            query.cancel()
            raise

    def refusal(self, answers: Sequence[Answer]) -> Fault | None:
        """Why a request with these answers is refused; None where it is answered."""
        for answer in answers:
            if answer.fault is not None and self.rejects(answer.fault):
                return answer.fault
        return None

    def _only(self, version: str) -> Policy:
        """The one that asks for this version, of the first model that has it."""
        arms = self._named(version)
        for arm in arms:
            if self.queue(arm) is not None:
                return First([arm.name])
        if not arms:
            return self.policy
        models = dict.fromkeys(arm.model for arm in arms)
        known = ", ".join(v for model in models for v in self._models.versions(model)) or "none"
        raise BadRequest(
            f"Requested version: {version} does not exist for model: {', '.join(models)}. "
            f"Its versions: {known}."
        )

    @property
    def asks_for_units(self) -> bool:
        """Whether it matters for whom a request is."""
        return self.policy.sticky or self.parts.rollouts.sticky

    def queue(self, arm: Arm) -> ModelQueue | None:
        return self._models.queue(arm.model, arm.version)

    def queue_of(self, version: str) -> ModelQueue | None:
        """Of that version of a model, as model:version."""
        return self.queue(Arm.of(version))

    def queues(self, version: str | None = None) -> list[ModelQueue]:
        """Of all arms that it may ask, or of that version of them."""
        arms = self.policy.arms if version is None else self._named(version)
        return [queue for arm in arms if (queue := self.queue(arm)) is not None]

    def all_queues(self) -> list[ModelQueue]:
        """Of all versions of the models that it may ask."""
        models = dict.fromkeys(arm.model for arm in self.policy.arms)
        found = [self._models.queue(m, version) for m in models for version in self._models.versions(m)]
        return [queue for queue in found if queue is not None]

    def example(self, version: str | None) -> Example | None:
        """What its model answered to its example input, as its replicas told, or to its last input by any
        protocol; None where it has answered nothing.
        """
        return next((queue.known for queue in self.queues(version) if queue.known is not None), None)

    def outputs(self, version: str | None) -> Example:
        """The same, or the default output."""
        example = self.example(version)
        return of_default(self.default_output) if example is None else example

    def rejects(self, fault: Fault) -> bool:
        """Such a query is refused, and does not get the default output."""
        return fault.reason == BROKEN or (fault.reason == "overload" and self.spec.on_overload == "reject")

    def refused(self, fault: Fault) -> str:
        """Count an input that has no output of a model; what it gets."""
        if self.rejects(fault):
            self.metrics.rejected += 1
            return "rejected"
        self.metrics.defaults[fault.reason] += 1
        return "default"

    def broken(self) -> Answer:
        """For a query that failed by our own fault. Called where that is caught: its traceback is logged."""
        query_id = self.parts.ids.take()
        log.exception("query %d to %s could not be answered", query_id, self.spec.name)
        self.metrics.rejected += 1
        advice = "The query frontend's log has its traceback, under this number."
        message = f"Query {query_id} could not be answered, by a fault of Clipper Lab. {advice}"
        return Answer(query_id, None, Fault(BROKEN, message), "")

    def retry_after_s(self) -> int:
        """When a query that was refused for overload may be sent again."""
        now = self.parts.clock()
        waits = [queue.admission.wait_s(self.objective_s, now) or 0.0 for queue in self.queues()]
        return math.ceil(max([1.0, *waits]))

    def unlinked(self) -> Fault:
        """Why no model was asked."""
        if not self.spec.linked_models:
            advice = "Link one with link_model_to_app."
            return Fault("no_model_linked", f"No model is linked to {self.spec.name}. {advice}")
        models = ", ".join(self.spec.linked_models)
        return Fault("no_replicas", f"{models}, linked to {self.spec.name}, has no current version.")
