"""Shadows as a query frontend has them: asked after the answer has gone, and while there is time to spare."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from clipper_container.tensors import Tensor
from clipper_container.wire import Fault

from ..querylog import Pair, Said, Shed
from ..shadows import ShadowSpec
from ..turns import TURN_S
from .alike import alike
from .deadlines import Deadlines
from .missing import why_late
from .policies import Decision
from .querylog import MAX_KEPT, kept
from .queue import ModelQueue
from .task import ELSEWHERE, Outcome, Task

MAX_OPEN = 512  # inputs that shadows have not answered yet
MAX_OPEN_BYTES = 16 << 20
BUSY = 0.6  # of one core, in the last tenth of a second
LATE_S = 0.01  # after its turn, something that was due at once: others wait for the event loop, or for a core
LOOK_EVERY_S = 0.1
MAX_TEXT = 300

log = logging.getLogger(__name__)


class Find(Protocol):
    def __call__(self, model: str, version: str | None) -> ModelQueue | None: ...


class Sample(NamedTuple):
    """An input of a request that is to be asked again, beside the answer of the arm at that `place`."""

    shadow: ShadowSpec
    place: int
    row: int
    tensor: Tensor


class Busy:
    """Whether this process has no time to spare."""

    def __init__(self, clock: Callable[[], float], used: Callable[[], float] = time.process_time) -> None:
        self._clock = clock
        self._used = used
        self._looked_at = clock()
        self._used_then = used()
        self._busy = False

    def __call__(self) -> bool:
        now = self._clock()
        if (since := now - self._looked_at) >= LOOK_EVERY_S:
            used = self._used()
            self._busy = since < 10 * LOOK_EVERY_S and (used - self._used_then) / since > BUSY
            self._looked_at, self._used_then = now, used
        return self._busy


class Shadows:
    """Those of one frontend. `keep` takes the pairs; `busy` says when there is no time for another."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        deadlines: Deadlines,
        find: Find,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.by_model: dict[str, ShadowSpec] = {}
        self.clock = clock
        self.deadlines = deadlines
        self.keep: Callable[[Pair], None] = lambda _: None
        self.open = 0
        self.open_bytes = 0
        self._loop = loop
        self._find = find
        self.busy: Callable[[], bool] = Busy(clock)
        self._chance = chance
        self._current: Mapping[str, str] = {}
        self._shed: dict[int, Counter[str]] = {}
        self._due: deque[tuple[_Asked, float]] = deque()

    def configure(self, specs: Iterable[ShadowSpec], current: Mapping[str, str]) -> None:
        self.by_model = {spec.model: spec for spec in specs}
        self._current = current

    def sample(self, decision: Decision, tensors: Sequence[Tensor]) -> list[Sample] | None:
        """What of a request is to be asked again, as answers let go of their inputs.

        Of more inputs than can be open, so many are looked at: the others count as too many.
        """
        found: list[Sample] = []
        rows: Sequence[int] = range(len(tensors))
        more = len(tensors) - MAX_OPEN
        if more > 0:
            rows = random.sample(rows, MAX_OPEN)
        for place, arm in enumerate(decision.arms):
            shadow = self.by_model.get(arm.model)
            if shadow is None or (arm.version is not None and arm.version != self._current.get(arm.model)):
                continue
            if more > 0:
                self._leave_out(shadow, "too_many", round(more * shadow.fraction))
            chosen = [row for row in rows if self._chance() < shadow.fraction]
            found += [Sample(shadow, place, row, tensors[row]) for row in chosen]
        return found or None

    def answered(
        self,
        asked: Sequence[tuple[Sample, Task | None]],
        answers: Sequence[int],
        application: str,
        objective_s: float,
    ) -> None:
        """The answers, with these query ids, are on their way. With each sample comes what its arm was asked,
        None where it was not.
        """
        now = self.clock()
        for sample, task in asked:
            if len(self._due) >= MAX_OPEN:
                self._leave_out(sample.shadow, "too_many")
            elif task is not None:
                due = _Asked(sample, task, answers[sample.row], application, objective_s)
                self._due.append((due, now))
                if len(self._due) == 1:
                    self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Ask what is due, for a millisecond in each turn of the event loop."""
        until = time.perf_counter() + TURN_S
        while self._due:
            try:
                self._ask(*self._due[0])
            except Exception:
                log.exception("a shadow could not be asked")
            self._due.popleft()
            if self._due and time.perf_counter() > until:
                self._loop.call_soon(self._go_on)
                return

    def _ask(self, asked: _Asked, due_at: float) -> None:
        task, (shadow, _, _, tensor) = asked.task, asked.sample
        outcome = task.outcome
        if outcome is None:
            outcome = why_late(task, task.entered_at, task.entered_at + asked.objective_s, due_at)
        if isinstance(outcome, Fault) and outcome.reason in ELSEWHERE:
            return
        now = self.clock()
        queue = self._find(shadow.model, shadow.version)
        size = len(tensor.data)
        if queue is None or not queue.ready:
            self._leave_out(shadow, "not_ready")
        elif self.open >= MAX_OPEN or self.open_bytes + size > MAX_OPEN_BYTES:
            self._leave_out(shadow, "too_many")
        elif now - due_at > LATE_S or self.busy():
            self._leave_out(shadow, "busy")
        else:
            # A copy: what it is a part of may be much larger, and need not stay for it.
            own = tensor._replace(data=bytes(tensor.data))
            again = Task(queue, own, task.raw, now, now + asked.objective_s)
            pending = _Pending(self, asked, own, _said(outcome, _ms(task)), again)
            self.open += 1
            self.open_bytes += size
            self.deadlines.watch(pending)
            queue.put(pending.task, now)

    def _leave_out(self, shadow: ShadowSpec, reason: str, count: int = 1) -> None:
        self._shed.setdefault(shadow.id, Counter())[reason] += count

    def settled(self, pending: _Pending, outcome: Outcome) -> None:
        self.open -= 1
        self.open_bytes -= len(pending.input.data)
        if isinstance(outcome, Fault) and outcome.reason in ELSEWHERE:
            self._leave_out(pending.asked.sample.shadow, outcome.reason)
            return
        self.keep(_pair(pending.asked, pending.input, pending.before, outcome, _ms(pending.task)))

    def shed(self) -> Iterator[Shed]:
        """What was left out since the last call."""
        shed, self._shed = self._shed, {}
        for shadow, reasons in shed.items():
            yield Shed(shadow, dict(reasons))


class _Asked(NamedTuple):
    """An answer that has gone. `objective_s` is its application's, and the shadow's."""

    sample: Sample
    task: Task  # of the current version
    query_id: int
    application: str
    objective_s: float


class _Pending:
    """An input on its way through a shadow: the only one that waits for it."""

    __slots__ = ("_shadows", "asked", "before", "deadline", "finished", "input", "task")

    def __init__(
        self, shadows: Shadows, asked: _Asked, own: Tensor, before: tuple[Outcome, Said], task: Task
    ) -> None:
        self._shadows = shadows
        self.asked = asked
        self.input = own
        self.before = before
        self.task = task
        self.deadline = task.deadline
        self.finished = False
        task.add(self)

    def settled(self, count: int = 1) -> None:
        assert self.task.outcome is not None
        self._finish(self.task.outcome)

    def expire(self) -> None:
        """It is late. What has not begun is not begun any more."""
        self.task.leave(self)
        task = self.task
        self._finish(why_late(task, task.entered_at, self.deadline, self._shadows.clock()))

    def _finish(self, outcome: Outcome) -> None:
        if not self.finished:
            self.finished = True
            self._shadows.settled(self, outcome)


def _ms(task: Task) -> float | None:
    batch = task.dispatch
    if batch is None or batch.replied_at is None:
        return None
    return 1000 * (batch.replied_at - task.entered_at)


def _said(outcome: Outcome, ms: float | None) -> tuple[Outcome, Said]:
    if isinstance(outcome, Fault):
        return outcome, Said(reason=outcome.reason, text=outcome.message[:MAX_TEXT], ms=ms)
    data = bytes(outcome.data) if isinstance(outcome, Tensor) else outcome
    kept = data if len(data) <= MAX_KEPT else b""
    if isinstance(outcome, Tensor):
        return outcome, Said(kept, outcome.dtype, outcome.shape, len(data), ms=ms)
    return outcome, Said(kept, size=len(data), ms=ms)


def _pair(
    asked: _Asked, tensor: Tensor, before: tuple[Outcome, Said], outcome: Outcome, ms: float | None
) -> Pair:
    first, tolerance = before[0], asked.sample.shadow.tolerance
    same = False
    if not isinstance(outcome, Fault) and not isinstance(first, Fault):
        same = alike(first, outcome, tolerance)
    return Pair(
        asked.sample.shadow.id,
        asked.query_id,
        time.time(),
        asked.application,
        asked.task.queue.name,
        same,
        before[1],
        _said(outcome, ms)[1],
        *kept(tensor),
    )
