"""What was found for a cascade: how sure its cheap model has to be, and what that costs."""

from __future__ import annotations

import html
from dataclasses import dataclass

from ..cascades import Found
from ..policies import Cascade
from .table import table


@dataclass(frozen=True, repr=False)
class Tuned:
    """A `policy` that `found` says enough of, by so many `pairs`. Nothing is set by it.

    >>> tuned = conn.tune_cascade("digits", max_loss=0.05)
    >>> tuned.policy.arms
    ['digits:3', 'digits:2']
    """

    application: str
    policy: Cascade
    pairs: int
    found: Found

    def __repr__(self) -> str:
        return "\n".join(f"{what}: {value}" for what, value in [*self._rows(), ("to set it", self._line())])

    def _repr_html_(self) -> str:
        page = table(["cascade of", ", ".join(self.policy.arms)], self._rows())
        return f"{page}<p>To set it: <code>{html.escape(self._line())}</code></p>"

    def _rows(self) -> list[tuple[str, str]]:
        (cheap, dear), found = self.policy.arms, self.found
        return [
            (f"{dear} is asked", f"where {cheap} has a confidence below {found.below:g}"),
            ("which is", f"{found.asked:.1%} of the inputs"),
            ("answers that differ", f"{found.lost:.2%}, surely {found.at_most:.2%} at most (95 %)"),
            ("by", f"{self.pairs:,} pairs"),
        ]

    def _line(self) -> str:
        """A shadow that runs answers nobody, and so has to be stopped first."""
        model = self.policy.arms[0].partition(":")[0]
        return f"conn.shadow({model!r}).stop(); conn.set_policy({self.application!r}, tuned.policy)"
