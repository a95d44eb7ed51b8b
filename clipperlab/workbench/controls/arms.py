"""Which arms a policy has, and how much of each: the sliders of a split, and the members of a vote."""

from __future__ import annotations

from collections.abc import Callable

import anywidget
import ipywidgets as widgets
import traitlets

from ..layout import LABEL, checkbox, row
from ..pictures import esm


class Shares(anywidget.AnyWidget):
    """A slider for each of `names`. Of `shares`, in percent, the others give or take when one is moved."""

    _esm = esm("shares")
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    shares = traitlets.List(traitlets.Float()).tag(sync=True)


class Members(widgets.VBox):
    """Which arms have a vote, and its weight."""

    def __init__(self) -> None:
        self.has: dict[str, widgets.Checkbox] = {}
        self.weight: dict[str, widgets.BoundedFloatText] = {}
        self.changed: list[Callable[[], None]] = []
        super().__init__([])

    def show(self, arms: dict[str, float | None]) -> None:
        """These arms, with their weights; those without one have no vote."""
        self.has = {arm: checkbox(weight is not None, arm) for arm, weight in arms.items()}
        self.weight = {
            arm: widgets.BoundedFloatText(
                *(1.0 if weight is None else weight,),
                min=0.01,
                max=1e6,
                step=0.5,
                description=f"weight of {arm}",
                layout={"width": "14em"},
                style=LABEL,
            )
            for arm, weight in arms.items()
        }
        for box in self.has.values():
            box.layout.min_width = "8em"
        for control in (*self.has.values(), *self.weight.values()):
            control.observe(lambda _: self._tell(), "value")
        self.children = [row(self.has[arm], self.weight[arm]) for arm in arms]

    def weights(self) -> dict[str, float]:
        """Of those that have a vote."""
        return {arm: self.weight[arm].value for arm, has in self.has.items() if has.value}

    def _tell(self) -> None:
        for call in self.changed:
            call()
