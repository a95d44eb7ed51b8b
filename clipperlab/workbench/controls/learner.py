"""A form for a policy that learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import ipywidgets as widgets

from clipper_container.errors import BadRequest

from ...policies import LEARNERS, Greedy, Learner, Policy, kind_of
from ..layout import LABEL, WIDE, row

_WORDS = "It learns among all linked models, of what <code>conn.feedback</code> says of their answers."


class LearnerForm(widgets.VBox):
    """By which rule it learns, and how much it explores."""

    def __init__(self) -> None:
        self.kind = widgets.Dropdown(
            description="Learns by", options=[*LEARNERS], value="thompson", layout=WIDE, style=LABEL
        )
        self.explore = widgets.BoundedFloatText(
            0.05, min=0.001, max=0.999, step=0.01, description="Explores", layout=WIDE, style=LABEL
        )
        super().__init__([row(self.kind, self.explore), widgets.HTML(f"<small>{_WORDS}</small>")])

    def show(self, policy: Learner) -> None:
        self.kind.value = kind_of(policy)
        self.explore.value = policy.eps if isinstance(policy, Greedy) else policy.explore

    def policy(self, current: Policy | None, linked: Sequence[str]) -> Learner:
        """Among all linked models; what the form does not say stays as it is. Raises BadRequest."""
        if len(linked) < 2:
            raise BadRequest("It learns among two models or more: link another one.")
        explore = round(self.explore.value, 6)
        of = LEARNERS[self.kind.value]
        before = current if isinstance(current, of) else of(arms=list(linked))
        if isinstance(before, Greedy):
            return replace(before, eps=explore)
        return replace(before, explore=explore)
