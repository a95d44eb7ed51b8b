"""Rollouts as a query frontend has them: which side answers, and what became of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from clipper_container.wire import Fault

from ..rollouts import ArmCounts, RolloutReport, RolloutSpec, Shares
from ..snapshot import LATENCIES_S
from .metrics import Histogram
from .policies import Arm, Between, Decision, sticky
from .task import ELSEWHERE, Outcome, Task

EPOCHS = 4  # are reported: management may have missed a report, and not four changes
UNITS = 20_000  # are told apart in each epoch, of both sides: those that come later are not counted as dealt


class Side:
    """Counts what became of the inputs that one version got, while the shares were the same."""

    def __init__(self, epoch: int, between: Between, units: set[int]) -> None:
        """Both sides share the `units` that were dealt to either: were one full sooner, the sample ratio
        would not fit.
        """
        self.epoch = epoch
        self.between = between
        self.counts = ArmCounts()
        self._latency = Histogram(LATENCIES_S)
        self._units = units

    def deal(self, unit: str | None) -> None:
        """It gets a request, of a unit that sticks to it, or of nobody."""
        if unit is not None:
            known = hash(unit)
            if known in self._units or len(self._units) >= UNITS:
                return
            self._units.add(known)
        self.counts.dealt += 1

    def add(self, task: Task, outcome: Outcome) -> None:
        counts = self.counts
        counts.chosen += 1
        if isinstance(outcome, Fault):
            counts.defaults += 1
            if outcome.reason == "deadline":
                counts.late += 1
            elif outcome.reason not in ELSEWHERE:
                counts.errors += 1
        elif (batch := task.dispatch) is not None and batch.replied_at is not None:
            self._latency.observe(batch.replied_at - task.entered_at)

    def report(self) -> ArmCounts:
        self.counts.latencies = self._latency.counts
        return self.counts


class _Rollout:
    def __init__(self, spec: RolloutSpec) -> None:
        self.spec = spec
        self.control = Arm(f"{spec.model}:{spec.control}", spec.model, spec.control)
        self.canary = Arm(f"{spec.model}:{spec.canary}", spec.model, spec.canary)
        self.sides: dict[int, tuple[Side, Side]] = {}  # by epoch: the control's and the canary's

    def sides_of(self, epoch: int, share: float) -> tuple[Side, Side]:
        found = self.sides.get(epoch)
        if found is None:
            between = Between(self.spec.model, self.spec.control, self.spec.canary, share)
            units: set[int] = set()
            found = self.sides[epoch] = Side(epoch, between, units), Side(epoch, between, units)
            while len(self.sides) > EPOCHS:
                del self.sides[min(self.sides)]
        return found


class Rollouts:
    """Those of one frontend. `chance` draws a number from [0, 1)."""

    def __init__(self, clock: Callable[[], float], chance: Callable[[], float] = random.random) -> None:
        self.by_model: dict[str, _Rollout] = {}
        self.sticky = False
        self._clock = clock
        self._chance = chance
        self._table = Shares(0)
        self._ends_at = 0.0

    @property
    def epoch(self) -> int:
        return self._table.epoch

    def configure(self, specs: Iterable[RolloutSpec]) -> None:
        before = {rollout.spec: rollout for rollout in self.by_model.values()}
        self.by_model = {spec.model: before.get(spec) or _Rollout(spec) for spec in specs}
        self.sticky = any(rollout.spec.sticky for rollout in self.by_model.values())

    def hear(self, table: Shares) -> None:
        """From now on these shares; or the same ones again, which thereby live on."""
        self._table = table
        self._ends_at = self._clock() + table.lifetime_s

    def lapsed(self) -> bool:
        """Whether management has been silent for so long that the controls answer alone."""
        return bool(self.by_model) and self._table.epoch > 0 and self._clock() > self._ends_at

    def resolve(self, decision: Decision, unit: str | None, able: Callable[[Arm], bool]) -> Decision:
        """The same decision, with the side that answers in the place of each model that is rolled out."""
        arms: list[Arm] = []
        sides: list[Side | None] = []
        propensity = decision.propensity
        for arm in decision.arms:
            rollout = self.by_model.get(arm.model) if arm.version is None else None
            if rollout is None:
                arms.append(arm)
                sides.append(None)
                continue
            share = 0.0 if self.lapsed() else self._table.shares.get(rollout.spec.id, 0.0)
            if share and not able(rollout.canary):
                share = 0.0
            sticks = unit if rollout.spec.sticky else None
            is_canary = share > 0 and self._draw(rollout, sticks) < share
            arms.append(rollout.canary if is_canary else rollout.control)
            side = rollout.sides_of(self._table.epoch, share)[is_canary] if share else None
            if side is not None:
                side.deal(sticks)
            sides.append(side)
            propensity *= share if is_canary else 1 - share
        return decision._replace(arms=arms, propensity=propensity, sides=sides)

    def _draw(self, rollout: _Rollout, unit: str | None) -> float:
        return self._chance() if unit is None else sticky.draw(rollout.spec.salt, unit)

    def report(self) -> list[RolloutReport]:
        return [
            RolloutReport(rollout.spec.id, epoch, control.report(), canary.report())
            for rollout in self.by_model.values()
            for epoch, (control, canary) in rollout.sides.items()
        ]
