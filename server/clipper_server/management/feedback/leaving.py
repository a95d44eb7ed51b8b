"""Which arms are left, and which come back: told once each time."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator

LEFT = 1.5
IN_USE = 3.0
"""Times the floor: below the one an arm is left, above the other it is in use."""
VOTE_EXPLORE = 0.05
"""What a vote's floor would be reckoned with: it has none."""
SMOOTHED_OVER = 100.0
"""Updates: a learner that goes for the best arm alone may try others for some of them."""
MAX_CONTEXTS = 1000


class _Share:
    __slots__ = ("in_use", "smooth")

    def __init__(self, smooth: float) -> None:
        self.smooth = smooth
        self.in_use = True


class Leaving:
    """The arms of all rows; of the contexts that changed last, where there are many."""

    def __init__(self) -> None:
        self._shares: OrderedDict[tuple[str, str], dict[str, _Share]] = OrderedDict()

    def see(
        self,
        application: str,
        context: str,
        weights: dict[str, float],
        explore: float,
        updates: int,
        least: dict[str, float],
    ) -> Iterator[str]:
        """A new row, after so many updates: a sentence for each arm that is left, or that comes back. `least`
        is the part that an arm has beside that of `explore`, where there is one.
        """
        if not weights:
            self._shares.pop((application, context), None)
            return
        known = self._shares.setdefault((application, context), {})
        self._shares.move_to_end((application, context))
        if len(self._shares) > MAX_CONTEXTS:
            self._shares.popitem(last=False)
        for gone in known.keys() - weights.keys():
            del known[gone]
        best = max(weights, key=weights.__getitem__)
        where = f"{application} in the context {context!r}" if context else application
        for arm, weight in weights.items():
            share = known.setdefault(arm, _Share(1 / len(weights)))
            before, floor = share.smooth, max(explore / len(weights), least.get(arm, 0.0))
            share.smooth += (weight - share.smooth) * (1 - math.exp(-updates / SMOOTHED_OVER))
            if share.in_use and share.smooth < LEFT * floor:
                share.in_use = False
                yield (
                    f"{arm} is left at {where}: its share is {share.smooth:.1%}, where the least is "
                    f"{floor:.1%}. Feedback says better of {best}, which has {weights[best]:.0%}."
                )
            elif not share.in_use and share.smooth > IN_USE * floor:
                share.in_use = True
                yield f"{arm} is back at {where}: its share is {share.smooth:.1%}, and was {before:.1%}."
