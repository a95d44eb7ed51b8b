"""Steps the rollouts that run: deals the shares, reads what came of them, and acts on the verdicts."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from ..changes import Changes
from ..parts import Parts
from ..rollouts import ArmCounts, RolloutReport, Shares
from .able import why_not
from .control import uses
from .events import Events
from .evidence import Value
from .feedback.sides import Sides
from .feedback.sums import GRACE_S
from .frontends import Frontends
from .judge import Judge, Verdict
from .rewards import Rewards
from .state import Rollout, State

EVERY_S = 0.25
EPOCHS = 1000  # are remembered: feedback comes late
WARM_UP_S = 2.0  # in which the canary answers, and is not judged: caches and replicas are cold


class _Side(NamedTuple):
    """At that share."""

    of: Rewards
    is_canary: bool
    share: float


class _Seen(msgspec.Struct):
    control: ArmCounts
    canary: ArmCounts


class Rollouts:
    """The only one to change `shares`. `clock` is monotonic, in seconds.

    `crash_loop` gives the last words of a version whose replicas crash again and again; None for others.
    """

    def __init__(
        self,
        state: State,
        frontends: Frontends,
        changes: Changes,
        events: Events,
        crash_loop: Callable[[str, str], str | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state = state
        self._frontends = frontends
        self._changes = changes
        self._events = events
        self._crash_loop = crash_loop
        self._clock = clock
        self._judges: dict[int, Judge] = {}
        self._warm_at: dict[int, float] = {}
        self._last: dict[str, int] = {}  # by model, whose judge is kept
        self._told: set[int] = set()  # of those that only observe
        self._unfit: set[int] = set()  # of which it was told
        self._counted: dict[int, dict[int, float]] = {}  # by epoch, the shares of those that are judged by it
        self._seen: dict[str, tuple[float, dict[tuple[int, int], _Seen]]] = {}  # each frontend's last report
        self.shares = Shares(0)

    async def turn(self) -> None:
        await asyncio.sleep(EVERY_S)
        self.look()

    def look(self) -> None:
        """Take in what has come, and act on it. Raises what went wrong with single rollouts, as a group."""
        now = self._clock()
        live = self._state.live_rollouts()
        for rollout in live:
            self._judge(rollout)
        if live:
            self._take_in(live, now)
        parts = Parts()
        for rollout in live:
            if rollout.state == "running" and now >= self._warm_at[rollout.id]:
                with parts:
                    self._act(rollout, self._verdict(rollout, now), now)
        self._deal(now)
        parts.end()

    def _verdict(self, rollout: Rollout, now: float) -> Verdict:
        """One that crashes has few answers that could be counted, and needs no more of them."""
        crashes = {v: self._crash_loop(rollout.model, v) for v in (rollout.canary, rollout.control)}
        if rollout.guardrails and crashes[rollout.canary] is not None and crashes[rollout.control] is None:
            text = "Its replicas crash again and again, and those of the version before do not. Last words: "
            return Verdict("fail", text + str(crashes[rollout.canary]))
        judge = self._judges[rollout.id]
        window_s = 0.0 if judge.rewards is None else self._window_s(rollout.model)
        return judge.verdict(now, rollout.share, window_s)

    def _held(self, rollout: Rollout) -> Verdict | None:
        """Why no step may end, whatever was seen."""
        canary = self._state.version(rollout.model, rollout.canary)
        why = None if canary is None else why_not(canary, self._frontends)
        if why is not None:
            return Verdict("hold", f"{why} Or abort the rollout.")
        if (why := self._judges[rollout.id].dealt.unfit()) is not None:
            if rollout.id not in self._unfit:
                self._unfit.add(rollout.id)
                subject = {"model": rollout.model, "version": rollout.canary}
                self._events.add("rollout", f"The {rollout} takes no step. {why}", **subject)
            return Verdict("hold", f"{why} Promote or abort it.")
        return None

    def _is_asked(self, model: str) -> bool:
        asking = any(application.asks(model) for application in self._state.applications())
        return asking or uses.is_used(self._state, model)

    def _window_s(self, model: str) -> float:
        """After so long an answer has a default reward, where one of those who ask the model gives any."""
        windows = [
            application.feedback.window_s + GRACE_S
            for application in self._state.applications()
            if application.feedback is not None
            and application.feedback.default_reward is not None
            and application.asks(model)
        ]
        return max(windows, default=0.0)

    def hear(self, sides: Sides) -> None:
        """What feedback says of decisions that were made by these tables of shares, once each."""
        live = {rollout.model: rollout for rollout in self._state.live_rollouts()}
        values: defaultdict[Rewards, list[Value]] = defaultdict(list)
        for (arm, epoch), times in sides.answers.items():
            if (side := self._side(live, arm, epoch)) is not None:
                side.of.answered(side.is_canary, side.share, times)
        for (arm, epoch, reward), times in sides.rewards.items():
            if (side := self._side(live, arm, epoch)) is not None:
                values[side.of].append(Value(side.is_canary, side.share, reward, times))
        for rewards, come in values.items():
            rewards.add(come)

    def _side(self, live: Mapping[str, Rollout], arm: str, epoch: int) -> _Side | None:
        """For what it counts; None where it counts nowhere."""
        model, _, version = arm.partition(":")
        rollout = live.get(model)
        if rollout is None or version not in (rollout.control, rollout.canary):
            return None
        share = self._counted.get(epoch, {}).get(rollout.id)
        rewards = self._judge(rollout).rewards
        if rewards is None or share is None or not 0 < share < 1:
            return None
        return _Side(rewards, version == rollout.canary, share)

    def evidence(self, rollout: Rollout) -> dict[str, object]:
        """What is known of it, in plain values. Of one that ended before management was started: nothing."""
        judge = self._judge(rollout) if rollout.live else self._judges.get(rollout.id)
        if judge is None:
            return {"control": None, "canary": None, "guardrails": [], "sample_ratio": None}
        return {
            "control": _counts(judge.control),
            "canary": _counts(judge.canary),
            "guardrails": judge.evidence(),
            "sample_ratio": round(judge.dealt.reached, 4),
        }

    def _judge(self, rollout: Rollout) -> Judge:
        """Its own, which stays until the model's next rollout."""
        found = self._judges.get(rollout.id)
        if found is None:
            before = self._last.get(rollout.model)
            if before is not None:
                del self._judges[before], self._warm_at[before]
                self._told.discard(before)
                self._unfit.discard(before)
            self._last[rollout.model] = rollout.id
            self._warm_at[rollout.id] = warm_at = self._clock() + WARM_UP_S
            found = self._judges[rollout.id] = Judge(rollout.guardrails, rollout.hold_s, warm_at)
        return found

    def _deal(self, now: float) -> None:
        """A new table, where there is anything new in it."""
        live = self._state.live_rollouts()
        shares = {rollout.id: rollout.share for rollout in live}
        counted = {id_: share for id_, share in shares.items() if now >= self._warm_at.get(id_, now + 1)}
        if self.shares.epoch and (shares, counted) == (self.shares.shares, self._counted[self.shares.epoch]):
            return
        self.shares = Shares(self._state.next_epoch(), shares)
        self._counted[self.shares.epoch] = counted
        for old in sorted(self._counted)[:-EPOCHS]:
            del self._counted[old]
        self._changes.notify()

    def _take_in(self, rollouts: list[Rollout], now: float) -> None:
        live = {rollout.id for rollout in rollouts}
        sticky = {rollout.id for rollout in rollouts if rollout.sticky}
        for report in self._frontends.live():
            began, seen = self._seen.get(report.frontend, (report.began, {}))
            if began != report.began:
                seen = {}  # it counts anew
            for told in report.rollouts:
                share = self._counted.get(told.epoch, {}).get(told.id)
                if told.id in live and share is not None and 0 < share < 1:
                    # A unit is dealt to by each anew.
                    apart = (report.frontend, report.began, told.epoch) if told.id in sticky else None
                    grown = _grown(seen.get((told.id, told.epoch)), told)
                    self._judges[told.id].add(*grown, share, now, apart)
            # What it says no more it has forgotten: it does not say that again.
            told_now = {(t.id, t.epoch): _Seen(t.control, t.canary) for t in report.rollouts}
            self._seen[report.frontend] = report.began, told_now

    def _act(self, rollout: Rollout, verdict: Verdict, now: float) -> None:
        subject = {"model": rollout.model, "version": rollout.canary}
        if verdict.kind == "fail" and not rollout.observe:
            self._state.taken_back(rollout, "failed", verdict.text, "", verdict.text)
            back = f"{rollout.model}:{rollout.control} answers all again"
            text = f"{back}: the {rollout} has failed. {verdict.text}"
            self._events.add("rollout", text, **subject)
            return
        if rollout.observe:
            if verdict.kind == "fail" and rollout.id not in self._told:
                self._told.add(rollout.id)
                text = f"The {rollout} would have failed. {verdict.text}"
                self._events.add("rollout", text, **subject)
            verdict = self._judges[rollout.id].without_guardrails(now)
        verdict = self._held(rollout) or verdict
        if verdict.kind == "hold" and not self._is_asked(rollout.model):
            text = f"Nobody asks for the current version of {rollout.model} any more, so nothing is seen"
            verdict = Verdict("hold", f"{text}: link it to an application, or promote or abort the rollout.")
        following = rollout.step + 1
        if verdict.kind == "hold" or following == len(rollout.steps):
            text = verdict.text
            if verdict.kind != "hold":
                text += " It has taken its last step: promote or abort ends it."
            if text != rollout.verdict:
                self._state.set_verdict(rollout, text)
            return
        if rollout.steps[following] == 1:
            self._state.passed(rollout, verdict.text, rollout.who, rollout.message)
            text = f"{rollout.model}:{rollout.canary} is current: its rollout has passed. {verdict.text}"
        else:
            self._state.set_step(rollout, following)
            self._judges[rollout.id].step(now)
            gets = f"{rollout.model}:{rollout.canary} gets {rollout.steps[following]:.0%} of the queries"
            text = f"{gets}. {verdict.text}"
        self._events.add("rollout", text, **subject)


def _grown(seen: _Seen | None, told: RolloutReport) -> tuple[ArmCounts, ArmCounts]:
    """What has come since, at the control and at the canary."""
    if seen is None:
        return told.control, told.canary
    return _difference(told.control, seen.control), _difference(told.canary, seen.canary)


def _difference(now: ArmCounts, before: ArmCounts) -> ArmCounts:
    then = before.latencies or [0] * len(now.latencies)
    return ArmCounts(
        now.chosen - before.chosen,
        now.errors - before.errors,
        now.late - before.late,
        now.defaults - before.defaults,
        [count - was for count, was in zip(now.latencies, then, strict=True)],
        now.dealt - before.dealt,
    )


def _counts(counts: ArmCounts) -> dict[str, int]:
    found: dict[str, int] = msgspec.to_builtins(counts)
    found.pop("latencies")
    return found
