"""What an application that collects feedback tells with each answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from clipper_container.tensors import Tensor
from clipper_container.wire import Fault

from ...features import in_words
from ...feedback import FeedbackSpec, sampled
from ...querylog import Chosen, Record
from ..policies import Decision
from ..querylog import kept as kept_input
from ..task import Outcome, Output, Task
from . import answered
from .answered import Answered, kept
from .decisions import Decisions
from .tokens import Tokens


class Collecting:
    def __init__(
        self,
        application: str,
        spec: FeedbackSpec,
        tokens: Tokens,
        decisions: Decisions,
        keep: Callable[[Record], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self.application = application
        self.spec = spec
        self._tokens = tokens
        self._decisions = decisions
        self._keep = keep
        self.now = now

    def answered(
        self,
        query_id: int,
        decision: Decision,
        tasks: Sequence[Task],
        outcomes: Sequence[Outcome],
        *,
        combined: bool,
        took_s: float,
        given: Tensor | None = None,
    ) -> str | None:
        """Note the decision, and make its token. There is none where no arm has answered: a default output
        is nobody's; nor for a version that the request named, which nobody chose. `given` is
        the input, where it is to be kept.
        """
        if not decision.propensity:
            return None
        arms, outputs, dealt = _there(decision, tasks, outcomes)
        if not arms:
            return None
        made = Answered(
            query_id,
            self.application,
            arms,
            decision.propensity,
            decision.epoch,
            decision.context,
            self.now(),
            combined,
            tasks[0].raw,
            kept(outputs),
            decision.features,
            dealt,
        )
        text = answered.encode(made)
        token = self._tokens.make(text)
        if token is None and made.outputs is not None:  # names may be long: then without the outputs
            text = answered.encode(msgspec.structs.replace(made, outputs=None))
            token = self._tokens.make(text)
        self._decisions.add(text, made)
        if sampled(query_id, self.spec.sample):
            context = in_words(made.features) if made.features else made.context
            what = (query_id, made.at, self.application, context, arms)
            kept_of_it = () if given is None else kept_input(given)
            self._keep(Chosen(*what, made.propensity, 1000 * took_s, self.spec.sample, *kept_of_it))
        return token


def _there(
    decision: Decision, tasks: Sequence[Task], outcomes: Sequence[Outcome]
) -> tuple[tuple[str, ...], Sequence[Output], tuple[int, ...]]:
    """The arms that answered, what they said, and by which epochs a rollout dealt to them."""
    if len(outcomes) == 1 and not decision.sides:
        outcome = outcomes[0]
        return ((), (), ()) if isinstance(outcome, Fault) else ((tasks[0].queue.name,), (outcome,), ())
    sides = decision.sides or [None] * len(outcomes)
    there = [
        (task.queue.name, outcome, side.epoch if side else 0)
        for task, outcome, side in zip(tasks, outcomes, sides, strict=False)
        if not isinstance(outcome, Fault)
    ]
    if not there:
        return (), (), ()
    arms, outputs, dealt = zip(*there, strict=True)
    return arms, outputs, dealt if any(dealt) else ()
