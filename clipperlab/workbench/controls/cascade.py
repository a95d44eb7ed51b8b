"""A form for a cascade."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets as widgets

from clipper_container.errors import BadRequest

from ...policies import Cascade
from ..layout import LABEL, WIDE, row

RULES = {"beside its output": "field", "the largest probability": "max"}
_LONG = {"width": "26em", "max_width": "100%"}
_WORDS = (
    "The first model answers where it is sure; else the next one is asked, if there is time. A model says "
    "how sure it is beside its output, as <code>{&quot;output&quot;: 7, &quot;confidence&quot;: 0.9}</code>, "
    "or by the largest of the probabilities that it returns."
)


class CascadeForm(widgets.VBox):
    """Which models are asked, in which order, and how sure is sure enough."""

    def __init__(self) -> None:
        self.arms = widgets.Text(
            description="Models, the cheapest first", placeholder="small, large", layout=_LONG, style=LABEL
        )
        self.below = widgets.BoundedFloatText(
            0.9, min=0.01, max=1, step=0.01, description="The next one below", layout=WIDE, style=LABEL
        )
        self.rule = widgets.Dropdown(
            description="Its confidence", options=RULES, value="field", layout=_LONG, style=LABEL
        )
        words = widgets.HTML(f"<small>{_WORDS}</small>")
        super().__init__([row(self.arms), row(self.below, self.rule), words])

    def show(self, policy: Cascade | None, linked: Sequence[str]) -> None:
        """That one, or a first idea of one among the linked models."""
        self.arms.value = ", ".join(linked if policy is None else policy.arms)
        if policy is not None:
            self.below.value, self.rule.value = policy.below, policy.rule

    def policy(self) -> Cascade:
        """The one that the form says. Raises BadRequest where it says none."""
        arms = [arm.strip() for arm in self.arms.value.split(",") if arm.strip()]
        if len(arms) < 2:
            raise BadRequest("Two models or more are asked: name another one, or a version as m:2.")
        return Cascade(arms, round(self.below.value, 6), self.rule.value)
