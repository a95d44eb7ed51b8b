"""Judges a rollout by what frontends count: it goes on, goes back, or waits, and says why."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Hashable, Sequence
from typing import Literal

import msgspec

from ..rollouts import ArmCounts
from ..snapshot import LATENCIES_S
from .dealt import Dealt
from .evidence import BadEvents
from .rewards import Rewards
from .series import percentile
from .state import Guardrail

ALPHA = 0.01
"""Of taking back a version that is no worse: the probability, for each guardrail and as long as it runs."""
WINDOW_S = 0.5
WINDOWS = 3  # in which the canary has had bad events: what one stall of one replica spoils is no trend
LEAST = 50  # inputs of the canary before a step can pass
LEAST_REWARDS = 100  # of the canary, likewise, where rewards are compared
LEAST_LATENCIES = 200  # of the control, before its p95 is a measure
WORDS = {
    "errors": "errors",
    "late": "late answers",
    "defaults": "default answers",
    "latency_p95": "slow answers",
}


class Verdict(msgspec.Struct, frozen=True):
    """`pass`: the step may end. `fail`: back to the control. `hold`: too little is known, or too short."""

    kind: Literal["pass", "fail", "hold"]
    text: str


class _Rail:
    """One guardrail, with its evidence."""

    def __init__(self, rail: Guardrail) -> None:
        self.rail = rail
        self.events = BadEvents(1.0 if rail.kind == "latency_p95" else rail.tolerance)
        self._control = [0] * (len(LATENCIES_S) + 1)
        self.bound: int | None = None  # of LATENCIES_S: what takes longer is slow
        self._windows: set[int] = set()

    @property
    def worse(self) -> bool:
        return len(self._windows) >= WINDOWS and self.events.worse(ALPHA)

    @property
    def reached(self) -> float:
        """How far it is on its way to taking the version back, from 0 to 1."""
        return min(self.events.until_enough(ALPHA), len(self._windows) / WINDOWS)

    def add(self, control: ArmCounts, canary: ArmCounts, share: float, now: float) -> None:
        bad = self.events.canary
        if self.rail.kind == "latency_p95":
            self._add_latencies(control.latencies, canary.latencies, share)
        else:
            self.events.add(getattr(canary, self.rail.kind), getattr(control, self.rail.kind), share)
        if self.events.canary > bad and len(self._windows) < WINDOWS:
            self._windows.add(int(now / WINDOW_S))

    def _add_latencies(self, control: Sequence[int], canary: Sequence[int], share: float) -> None:
        """By a bound that was known before: chosen from the same inputs, it would be no test."""
        if self.bound is not None:
            slow, slower = sum(control[self.bound + 1 :]), sum(canary[self.bound + 1 :])
            self.events.add(slower, slow, share)
            return
        for i, count in enumerate(control):
            self._control[i] += count
        p95_ms = percentile(self._control, 95)
        if sum(self._control) >= LEAST_LATENCIES and p95_ms is not None:
            limit = self.rail.tolerance * p95_ms / 1000
            self.bound = min(bisect_left(LATENCIES_S, limit), len(LATENCIES_S) - 1)

    def __str__(self) -> str:
        what = WORDS[self.rail.kind]
        if self.rail.kind == "latency_p95" and self.bound is not None:
            what = f"answers over {1000 * LATENCIES_S[self.bound]:g} ms"
        if self.rail.kind != "latency_p95" and self.rail.tolerance != 1:
            what += f" (up to {self.rail.tolerance:g} times as many are allowed)"
        return what


class Judge:
    """Of one rollout. Times are in seconds, on any clock that goes on."""

    def __init__(self, guardrails: Sequence[Guardrail], hold_s: float, began_at: float) -> None:
        self._rails = [_Rail(rail) for rail in guardrails if rail.by is None]
        self.rewards = next((Rewards(rail.by) for rail in guardrails if rail.by is not None), None)
        self._hold_s = hold_s
        self.control, self.canary = ArmCounts(), ArmCounts()  # of all steps
        self.dealt = Dealt()
        self._step_began_at = began_at
        self._in_step = 0

    def step(self, now: float) -> None:
        """Another share begins."""
        self._step_began_at = now
        self._in_step = 0

    def add(
        self, control: ArmCounts, canary: ArmCounts, share: float, now: float, apart: Hashable = None
    ) -> None:
        """What has become of more inputs, of which the canary had that share, as is known now.

        `apart` tells those that were dealt from others that know of them, as `Dealt` has it.
        """
        self._in_step += canary.chosen
        self.dealt.add(control.dealt, canary.dealt, share, (share, apart))
        for total, more in ((self.control, control), (self.canary, canary)):
            total.chosen += more.chosen
            total.errors += more.errors
            total.late += more.late
            total.defaults += more.defaults
            total.dealt += more.dealt
        for rail in self._rails:
            rail.add(control, canary, share, now)

    def verdict(self, now: float, share: float, window_s: float = 0.0) -> Verdict:
        """At the canary's share that holds now. `window_s`: after so long an answer of which nobody speaks
        has its default reward, where there is one.
        """
        worse = next((rail for rail in self._rails if rail.worse), None)
        if worse is not None:
            return Verdict("fail", self._worse(worse))
        found = self.without_guardrails(now)
        if self.rewards is None:
            return found
        if not window_s and self.rewards.unlike():
            text = f"Feedback comes for {self.rewards.rates()}: rewards cannot be compared."
            return Verdict("hold", f"{text} See that it comes for both alike; or promote or abort it.")
        if self.rewards.test.worse(ALPHA):
            return Verdict("fail", self._lower(self.rewards))
        return self._rewarded(self.rewards, now, share, window_s) if found.kind == "pass" else found

    def _rewarded(self, rewards: Rewards, now: float, share: float, window_s: float) -> Verdict:
        """No worse in anything else: whether there are rewards enough."""
        count = rewards.count(True, share)
        left = self._hold_s + window_s - (now - self._step_began_at)
        if count < LEAST_REWARDS:
            text = f"{count} of {LEAST_REWARDS} rewards of the new version have come at this share."
            return Verdict("hold", text)
        if left > 0:
            text = "Answers of which nobody speaks have their default reward at the end of the window"
            return Verdict("hold", f"{text}: {left:.0f} s left.")
        return Verdict("pass", f"No worse in {self._in_step:,} inputs and {count:,} rewards at this share.")

    def without_guardrails(self, now: float) -> Verdict:
        """Whether enough was seen, for long enough."""
        missing = LEAST - self._in_step
        if missing > 0:
            return Verdict("hold", f"{missing} more inputs of the new version are to be seen at this share.")
        left = self._hold_s - (now - self._step_began_at)
        if left > 0:
            return Verdict(
                "hold", f"No worse so far, in {self._in_step:,} inputs; {left:.0f} s of this step left."
            )
        return Verdict("pass", f"No worse in {self._in_step:,} inputs at this share.")

    def _lower(self, rewards: Rewards) -> str:
        times = _times(rewards.test.log_evidence)
        return (
            f"Rewards are lower by more than {rewards.by:g}: {rewards}. Were they not, it would be so in 1 "
            f"of {times} rollouts."
        )

    def _worse(self, rail: _Rail) -> str:
        events = rail.events
        times = _times(events.log_evidence)
        new = f"{events.canary:,} in {self.canary.chosen:,} inputs of the new version"
        before = f"{events.control:,} in {self.control.chosen:,} of the one before"
        return f"Too many {rail}: {new}, {before}. Were they alike, it would be so in 1 of {times} rollouts."

    def evidence(self) -> list[dict[str, object]]:
        """For each guardrail, how far it is on its way to taking the version back, from 0 to 1. Both sides
        have how many bad events there were, or the mean of so many `rewards`.
        """
        found: list[dict[str, object]] = [
            {
                "kind": rail.rail.kind,
                "text": str(rail),
                "canary": rail.events.canary,
                "control": rail.events.control,
                "reached": round(rail.reached, 4),
            }
            for rail in self._rails
        ]
        if self.rewards is not None:
            found.append(_of_rewards(self.rewards))
        return found


def _of_rewards(rewards: Rewards) -> dict[str, object]:
    return {
        "kind": "reward",
        "text": f"rewards (lower by up to {rewards.by:g} is allowed)" if rewards.by else "rewards",
        "canary": rewards.mean(True),
        "control": rewards.mean(False),
        "rewards": {"canary": rewards.count(True), "control": rewards.count(False)},
        "reached": round(rewards.test.until_enough(ALPHA), 4),
    }


def _times(log_evidence: float) -> str:
    number = math.exp(min(700.0, log_evidence))
    return f"{number:,.0f}" if number < 1e6 else f"{number:.0e}"
