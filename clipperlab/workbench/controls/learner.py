"""A form for a policy that learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ipywidgets as widgets

from clipper_container.errors import BadRequest

from ...policies import LEARNERS, Greedy, Learner, LinTS, Policy, kind_of
from ..layout import LABEL, WIDE, row

_WORDS = "It learns of what <code>conn.feedback</code> says of their answers."

_LONG = {"width": "26em", "max_width": "100%"}
_NUMBERS = "as its <code>context</code>; a query without them is refused."


class LearnerForm(widgets.VBox):
    """By which rule it learns, among which arms, and how much it explores and forgets."""

    def __init__(self) -> None:
        self.kind = widgets.Dropdown(
            description="Learns by", options=[*LEARNERS], value="thompson", layout=WIDE, style=LABEL
        )
        self.explore = widgets.BoundedFloatText(
            0.05, min=0.001, max=0.999, step=0.01, description="Explores", layout=WIDE, style=LABEL
        )
        self.forget = widgets.BoundedFloatText(
            0.001, min=0, max=0.499, step=0.001, description="Forgets", layout=WIDE, style=LABEL
        )
        self.arms = widgets.Text(
            description="Among", placeholder="all linked models, or: bayes, svm:2", layout=_LONG, style=LABEL
        )
        self.features = widgets.BoundedIntText(
            8, min=1, max=64, description="Numbers a query", layout=WIDE, style=LABEL
        )
        of_numbers = row(self.features, widgets.HTML(f"<small>{_NUMBERS}</small>"))
        words = widgets.HTML(f"<small>{_WORDS}</small>")
        super().__init__([row(self.kind, self.explore, self.forget), row(self.arms), of_numbers, words])
        self.kind.observe(lambda _: self._on_kind(of_numbers), "value")
        self._on_kind(of_numbers)

    def _on_kind(self, of_numbers: widgets.Box) -> None:
        """It forgets as is usual for that one."""
        self.forget.value = LEARNERS[self.kind.value].forget
        of_numbers.layout.display = None if self.kind.value == "lints" else "none"

    def show(self, policy: Learner, linked: Sequence[str]) -> None:
        self.kind.value = kind_of(policy)
        self.arms.value = "" if list(policy.arms) == list(linked) else ", ".join(policy.arms)
        self.forget.value = policy.forget
        self.explore.value = policy.eps if isinstance(policy, Greedy) else policy.explore
        if isinstance(policy, LinTS):
            self.features.value = policy.features

    def policy(self, current: Policy | None, linked: Sequence[str]) -> Learner:
        """Among all linked models, where none are named. What the form does not say stays as it is. Raises
        BadRequest.
        """
        arms = [arm.strip() for arm in self.arms.value.split(",") if arm.strip()] or list(linked)
        if len(arms) < 2:
            raise BadRequest("It learns among two models or more: link another one.")
        explore, forget = round(self.explore.value, 6), round(self.forget.value, 6)
        of: Any = LEARNERS[self.kind.value]
        count = {"features": self.features.value} if of is LinTS else {}
        before: Learner = current if isinstance(current, of) else of(**count)
        said: dict[str, Any] = {"arms": arms, "forget": forget, **count}
        said["eps" if of is Greedy else "explore"] = explore
        return replace(before, **said)
