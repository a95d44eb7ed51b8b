"""A rollout: how far it is, its evidence, and what can be done to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .. import draw
from . import Displayed, Shown
from .beside import beside
from .table import table

if TYPE_CHECKING:
    from ..management import Management
    from ..management import Rollout as Told


class Rollout(Displayed):
    """The last rollout of a model, as it is whenever it is looked at: `conn.rollout("digits")`.

    >>> rollout = conn.start_rollout("digits", 1, steps=[0.1, 1], hold_s=600)
    >>> rollout.state, rollout.share
    ('running', 0.1)
    """

    def __init__(self, management: Management, model: str, view: Callable[[], Shown]) -> None:
        self._management = management
        self.model = model
        self._new_view = view

    @property
    def all(self) -> list[Told]:
        """All rollouts of the model, the last one at the end.

        >>> started = conn.start_rollout("digits", 1)
        >>> conn.rollout("digits").all[-1]["canary"]
        '1'
        """
        return self._management.rollouts(self.model)

    @property
    def now(self) -> Told:
        """All about it, in plain values.

        >>> conn.start_rollout("digits", 1, hold_s=600).now["hold_s"]
        600.0
        """
        return self.all[-1]

    @property
    def state(self) -> str:
        """running, paused, passed, failed or aborted.

        >>> conn.start_rollout("digits", 1).state
        'running'
        """
        return self.now["state"]

    @property
    def share(self) -> float:
        """The new version's share of the queries, from 0 to 1.

        >>> conn.start_rollout("digits", 1, steps=[0.25, 1]).share
        0.25
        """
        return self.now["share"]

    def verdict(self) -> str:
        """Why it ended; or, while it runs, what is missing.

        >>> rollout = conn.start_rollout("digits", 1)
        >>> rollout.abort("only a try")
        >>> rollout.verdict()
        'Aborted, by ...: only a try.'
        """
        return self.now["verdict"]

    def pause(self) -> None:
        """Take no step, and do not go back, until `resume`. Raises NotFound or BadRequest.

        >>> rollout = conn.start_rollout("digits", 1)
        >>> rollout.pause()
        >>> rollout.state
        'paused'
        """
        self._management.steer_rollout(self.model, "pause")

    def resume(self) -> None:
        """Go on after `pause`. Raises NotFound or BadRequest.

        >>> rollout = conn.start_rollout("digits", 1)
        >>> rollout.pause()
        >>> rollout.resume()
        >>> rollout.state
        'running'
        """
        self._management.steer_rollout(self.model, "resume")

    def promote(self, message: str = "") -> None:
        """Make the new version current now. Raises NotFound where it has ended.

        >>> conn.start_rollout("digits", 1).promote("sure enough")
        >>> conn.get_current_model_version("digits")
        '1'
        """
        self._management.steer_rollout(self.model, "promote", message)

    def abort(self, message: str = "") -> None:
        """Let the version before answer all again. Raises NotFound where it has ended.

        >>> rollout = conn.start_rollout("digits", 1)
        >>> rollout.abort("only a try")
        >>> rollout.state
        'aborted'
        """
        self._management.steer_rollout(self.model, "abort", message)

    def _view(self) -> Shown:
        return self._new_view()

    def __repr__(self) -> str:
        told = self.now
        rows = [f"{what}: {value}" for what, value in _rows(told)]
        rails = [
            f"  {rail['text']}: {_side(rail, 'canary')} against {_side(rail, 'control')}, "
            f"evidence that it is worse: {rail['reached']:.0%} of its bound"
            for rail in told["evidence"]["guardrails"]
        ]
        return "\n".join([*rows, *rails])

    def _repr_html_(self) -> str:
        return as_html(self.now)


def as_html(told: Mapping[str, Any]) -> str:
    """How far it is, and its evidence, as it stands."""
    page = table(["rollout", f"{told['model']}:{told['canary']}"], [[a, b] for a, b in _rows(told)])
    rails = told["evidence"]["guardrails"]
    if not rails:
        return page
    reached = {rail["text"]: rail["reached"] for rail in rails}
    counts = [[rail["text"], _side(rail, "canary"), _side(rail, "control")] for rail in rails]
    page += table(["guardrail", f"{told['canary']}, new", f"{told['control']}, before"], counts)
    title = "Evidence that it is worse, of its bound"
    return page + beside(draw.bars(reached, title=title, unit="%", limit=1.0))


def _side(rail: Mapping[str, Any], side: str) -> str:
    """How many bad events it has had, or the mean of how many rewards."""
    if "rewards" not in rail:
        return f"{rail[side]:,}"
    mean = "" if rail[side] is None else f"{rail[side]:.3f}, "
    return f"{mean}of {rail['rewards'][side]:,}"


def _rows(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    steps = ", ".join(f"{share:.0%}" for share in told["steps"])
    seen = told["evidence"]
    inputs = ""
    if seen["canary"] is not None:
        new, before = seen["canary"]["chosen"], seen["control"]["chosen"]
        inputs = f"{new:,} inputs of the new version, {before:,} of the one before"
    dealt = ""
    if seen["canary"] is not None and seen["sample_ratio"] is not None:
        new, before, near = seen["canary"]["dealt"], seen["control"]["dealt"], seen["sample_ratio"]
        fits = "does not fit the share"
        if near < 1:
            fits = f"evidence that this does not fit: {near:.0%} of its bound"
        dealt = f"{new:,} requests to the new version, {before:,} to the one before: {fits}"
    rows = [
        ("from", f"{told['model']}:{told['control']}"),
        ("to", f"{told['model']}:{told['canary']}"),
        ("state", told["state"]),
        ("share", f"{told['share']:.0%} (steps: {steps})"),
        ("seen", inputs),
        ("dealt", dealt),
        ("verdict", told["verdict"]),
    ]
    return [(what, value) for what, value in rows if value]
