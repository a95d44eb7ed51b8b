"""The desk of one application, where feedback comes in."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from clipper_container.errors import BadRequest, TooLarge
from clipper_container.tensors import Tensor

from ...feedback import Item
from ..application import Application
from ..feedback import Feedback
from ..feedback.answered import Answered
from ..feedback.outbox import Fate, Told
from ..limits import Limits
from ..policies.vote import Vote
from ..protocols import JSON, Adapter, Response
from . import checks
from .again import Again, Outputs
from .bodies import Entry, Update
from .checks import Refusal

_HEADERS = (JSON,)
Taken = Callable[[Refusal | None], None]
"""Told once: None where it is taken."""


class Desk:
    """`adapter` reads inputs as queries have them. With `updates` it is Clipper's, which knows no
    decisions.
    """

    def __init__(
        self, adapter: Adapter, feedback: Feedback, limits: Limits, *, updates: bool = False
    ) -> None:
        self.application: Application = adapter.application
        self.max_body = limits.json
        self.limits = limits
        self.updates = updates
        self._adapter = adapter
        self._feedback = feedback

    def refuse(self, status: int, error: str, cause: str) -> Response:
        return Response(status, _HEADERS, msgspec.json.encode({"error": error, "cause": cause}))

    def take(self, entry: Entry, wait: bool, taken: Taken) -> None:
        """Check it, make rewards of it, and put them into the outbox; with `wait`, until they are written."""
        collecting = self.application.collecting
        if collecting is None:
            self._refuse(checks.collects_none(self.application.name), taken)
            return
        spec = collecting.spec
        made = checks.known(entry, self.application.name, spec, self._feedback, collecting.now())
        if isinstance(made, Refusal):
            self._refuse(made, taken)
            return
        found = checks.judged(entry, made, spec)
        if found is not None:
            self._put(found, wait, taken)
            return
        try:
            tensor = self._input(entry.input)
        except (BadRequest, TooLarge) as error:
            self._refuse(Refusal("bad_input", str(error)), taken)
            return
        self._ask_again(made, tensor, entry.label, wait, taken)

    def update(self, update: Update, wait: bool, taken: Taken) -> None:
        """What all members of a vote with learned weights say now to this input is judged by the label.

        Raises BadRequest where the input does not fit.
        """
        application = self.application
        collecting, policy = application.collecting, application.policy
        if collecting is None:
            self._refuse(checks.collects_none(application.name), taken)
            return
        if not isinstance(policy, Vote) or not policy.learned:
            message = (
                f"{application.name} has no vote that learns its weights, and any other policy has to know "
                f"what was decided: send the answer's feedback_token to /{application.name}/feedback."
            )
            self._refuse(Refusal("no_decision", message), taken)
            return
        tensor = self._input(update.input)
        queues = [queue for arm in policy.arms if (queue := application.queue(arm)) is not None]
        made = Answered(
            application.parts.ids.take(),
            application.name,
            tuple([queue.name for queue in queues]),
            1.0,
            policy.epoch(update.context),
            update.context,
            collecting.now(),
            combined=True,
            raw=False,
            outputs=None,
        )
        self._ask_again(made, tensor, update.label, wait, taken)

    def _input(self, given: msgspec.Raw) -> Tensor:
        return self._adapter.parse({}, b'{"input":%b}' % bytes(given)).tensors[0]

    def _ask_again(self, made: Answered, tensor: Tensor, label: object, wait: bool, taken: Taken) -> None:
        application = self.application
        collecting = application.collecting
        assert collecting is not None
        spec = collecting.spec

        def said(outputs: Outputs) -> None:
            if any(output is not None for output in outputs):
                self._put(checks.labelled(label, made, outputs, spec), wait, taken)
            else:
                names = ", ".join(made.arms) or "No model"
                message = (
                    f"{names} did not answer in time when asked again, or is gone. Send the feedback again."
                )
                self._refuse(Refusal("no_output", message), taken)

        Again(application, [application.queue_of(arm) for arm in made.arms], tensor, made.raw, said)

    def _put(self, found: Item | Refusal, wait: bool, taken: Taken) -> None:
        if isinstance(found, Refusal):
            self._refuse(found, taken)
            return
        told = self._told(taken) if wait else None
        if not self._feedback.outbox.put(found, told):
            self._refuse(checks.FULL, taken)
            return
        metrics = self.application.metrics
        metrics.feedback["accepted"] += 1
        for rewarded in found.rewards:
            metrics.rewards[rewarded.arm].observe(rewarded.reward)
        if not wait:
            taken(None)

    def _told(self, taken: Taken) -> Told:
        def told(fate: Fate) -> None:
            collecting = self.application.collecting
            if fate == "written":
                taken(None)
            elif fate == "expired" and collecting is not None:
                taken(checks.expired(collecting.spec))
            else:
                taken(checks.UNKNOWN)

        return told

    def _refuse(self, refusal: Refusal, taken: Taken) -> None:
        self.application.metrics.feedback[refusal.code] += 1
        taken(refusal)
