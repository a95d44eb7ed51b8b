"""A form for a policy that learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ipywidgets as widgets

from clipper_container.errors import BadRequest

from ...policies import LEARNERS, Greedy, Learner, LinTS, Policy, kind_of
from ..layout import LABEL, WIDE, row

_WORDS = "It learns among all linked models, of what <code>conn.feedback</code> says of their answers."

_NUMBERS = "as its <code>context</code>; a query without them is refused."


class LearnerForm(widgets.VBox):
    """By which rule it learns, and how much it explores."""

    def __init__(self) -> None:
        self.kind = widgets.Dropdown(
            description="Learns by", options=[*LEARNERS], value="thompson", layout=WIDE, style=LABEL
        )
        self.explore = widgets.BoundedFloatText(
            0.05, min=0.001, max=0.999, step=0.01, description="Explores", layout=WIDE, style=LABEL
        )
        self.features = widgets.BoundedIntText(
            8, min=1, max=64, description="Numbers a query", layout=WIDE, style=LABEL
        )
        of_numbers = row(self.features, widgets.HTML(f"<small>{_NUMBERS}</small>"))
        super().__init__([row(self.kind, self.explore), of_numbers, widgets.HTML(f"<small>{_WORDS}</small>")])
        self.kind.observe(lambda _: self._on_kind(of_numbers), "value")
        self._on_kind(of_numbers)

    def _on_kind(self, of_numbers: widgets.Box) -> None:
        of_numbers.layout.display = None if self.kind.value == "lints" else "none"

    def show(self, policy: Learner) -> None:
        self.kind.value = kind_of(policy)
        self.explore.value = policy.eps if isinstance(policy, Greedy) else policy.explore
        if isinstance(policy, LinTS):
            self.features.value = policy.features

    def policy(self, current: Policy | None, linked: Sequence[str]) -> Learner:
        """Among all linked models; what the form does not say stays as it is. Raises BadRequest."""
        if len(linked) < 2:
            raise BadRequest("It learns among two models or more: link another one.")
        explore = round(self.explore.value, 6)
        of: Any = LEARNERS[self.kind.value]
        count = {"features": self.features.value} if of is LinTS else {}
        before: Learner = current if isinstance(current, of) else of(arms=list(linked), **count)
        if isinstance(before, LinTS):
            before = replace(before, **count)
        if isinstance(before, Greedy):
            return replace(before, eps=explore)
        return replace(before, explore=explore)
