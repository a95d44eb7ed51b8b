"""Calls: what models ask of other models, by the connection over which their own batch came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
import numpy as np

from clipper_container import wire
from clipper_container.inputs import INPUT_TYPES
from clipper_container.named import DTYPES
from clipper_container.sets import fields_of
from clipper_container.tensors import Tensor, sized_tensor
from clipper_container.wire import Fault

from ..snapshot import MAX_DEPTH, RequestSpec, VersionSpec
from .asked import ask
from .cache import Cache
from .deadlines import Deadlines
from .metrics import CallMetrics
from .missing import why_late
from .policies import Able, Arm, Counts, Decision
from .queue import ModelQueue
from .rollouts import Rollouts
from .task import Dispatch, Outcome, Task
from .traces import Leg

MOST = 1000  # calls of one batch that are under way
BACK_S = 2e-3  # the way back takes at least so long, ...
BACK_SHARE = 0.05  # ... or this part of the time that its query had
KEPT = 64  # calls of one batch, in its trace
_NUMBERS = {"integers", "floats", "doubles"}


class Find(Protocol):
    def __call__(self, model: str, version: str | None) -> ModelQueue | None:
        """The queue of that version, or of the current one; None where there is none."""


class Call:
    """One that is under way. `tell` is called with its outcome, at its deadline at the latest."""

    __slots__ = (
        *("batch", "depth", "received_at", "deadline", "finished"),
        *("_clock", "_tell", "_task", "_counts", "_dispatch", "_joined", "_metrics"),
    )

    def __init__(
        self,
        batch: int,
        depth: int,
        dispatch: Dispatch,
        deadline: float,
        clock: Callable[[], float],
        tell: Callable[[Outcome], None],
        metrics: CallMetrics,
    ) -> None:
        self.batch = batch
        self.depth = depth
        self.received_at = clock()
        self.deadline = deadline
        self.finished = False
        self._clock = clock
        self._tell = tell
        self._task: Task | None = None
        self._counts: Counts | None = None
        self._dispatch = dispatch
        self._joined = False
        self._metrics = metrics

    def put(self, cache: Cache, queue: ModelQueue, tensor: Tensor, counts: Counts | None) -> None:
        self._counts = counts
        task = self._task = ask(self, cache, queue, tensor, True, True)
        if task.outcome is not None and not self.finished:
            self.settled()

    def awaits(self, tasks: Sequence[Task]) -> None:
        (self._task,) = tasks

    def joins(self, task: Task) -> None:
        self._joined = True
        task.add(self)

    def settled(self, count: int = 1) -> None:
        if not self.finished:
            assert self._task is not None
            assert self._task.outcome is not None
            self._end(self._task.outcome)

    def expire(self) -> None:
        """The deadline has come."""
        assert self._task is not None
        self._task.leave(self)
        self._end(self._late(self._task))

    def leave(self, counts: bool = True) -> None:
        """Nobody waits for it any more. It `counts` as late, but where its caller has died."""
        self._tell = _nobody
        if not self.finished:
            self.finished = True
            if self._task is not None:
                self._task.leave(self)
                if counts and self._counts is not None:
                    self._counts.add(self._task, self._late(self._task))
                self._note(Fault("not_needed", "The pipeline did not wait for it."))

    def _late(self, task: Task) -> Fault:
        return why_late(task, self.received_at, self.deadline, self._clock())

    def _end(self, outcome: Outcome) -> None:
        self.finished = True
        assert self._task is not None
        if self._counts is not None:
            self._counts.add(self._task, outcome)
        if isinstance(outcome, Fault):
            self._metrics.faults[outcome.reason] += 1
        else:
            self._metrics.latency.observe(self._clock() - self.received_at)
        self._note(outcome if isinstance(outcome, Fault) else None)
        tell, self._tell = self._tell, _nobody  # which breaks a cycle
        tell(outcome)

    def _note(self, fault: Fault | None) -> None:
        task = self._task
        assert task is not None
        cache = "joined" if self._joined else task.cache
        now = self._clock()
        leg = Leg(task.queue.name, cache, self.received_at, task.dispatch, task.losses, fault, now)
        _note(self._dispatch, leg)


class Calls:
    """What those of one frontend share."""

    def __init__(
        self,
        clock: Callable[[], float],
        deadlines: Deadlines,
        cache: Cache,
        rollouts: Rollouts,
        find: Find,
        able: Able,
    ) -> None:
        self._clock = clock
        self._deadlines = deadlines
        self._cache = cache
        self._rollouts = rollouts
        self._find = find
        self._able = able
        self.max_json = RequestSpec().max_json

    def ask(
        self,
        calling: ModelQueue,
        dispatch: Dispatch,
        message: wire.Call,
        body: memoryview,
        tell: Callable[[Outcome], None],
    ) -> Call | None:
        """Ask the current version of a model; None where `tell` was told at once."""
        now, caller, model = self._clock(), calling.spec, message.model
        if model not in caller.uses:
            tell(_undeclared(caller, model))
            return None
        metrics = calling.metrics.calls.setdefault(model, CallMetrics())

        def refuse(reason: str, text: str) -> None:
            fault = Fault(reason, text)
            metrics.faults[reason] += 1
            _note(dispatch, Leg(model, "off", now, None, 0, fault, now))
            tell(fault)

        depth = 1 + max((_depth(task) for task in dispatch.tasks), default=0)
        if depth > MAX_DEPTH:
            refuse("too_deep", f"It would be the call of a call, {depth} deep; {MAX_DEPTH} is the most.")
            return None
        decision = Decision([Arm(model, model, None)])
        if self._rollouts.by_model:
            decision = self._rollouts.resolve(decision, None, self._able)
        arm = decision.arms[0]
        queue = self._find(arm.model, arm.version)
        if queue is None:
            refuse("no_replicas", f"{model} has no current version.")
            return None
        if len(body) > self.max_json and (not message.dtype or queue.spec.input_type == "json"):
            text = (
                f"It got {len(body)} bytes to read as JSON, and {self.max_json} is the most, as in a request"
            )
            refuse("bad_input", f"{text}. Arrays and bytes, for a model that takes these, may be larger.")
            return None
        try:
            tensor = input_of(queue.spec, message, body)
        except (ValueError, TypeError, RecursionError, msgspec.MsgspecError) as error:
            kind = INPUT_TYPES[queue.spec.input_type]
            refuse("bad_input", f"It takes {kind.name}, {kind.expects}, and got another: {error}.")
            return None
        deadline = min(self._deadline(caller, dispatch, model, now), now + message.left_s)
        if deadline <= now:
            refuse("deadline", "It was called when the time was over.")
            return None
        call = Call(message.batch, depth, dispatch, deadline, self._clock, tell, metrics)
        call.put(self._cache, queue, tensor, decision.sides[0] if decision.sides else None)
        if call.finished:
            return None
        self._deadlines.watch(call)
        return call

    def _deadline(self, caller: VersionSpec, dispatch: Dispatch, model: str, now: float) -> float:
        """When the model is to have answered: what comes after it has its share of the time that is left."""
        latest = max(task.latest for task in dispatch.tasks)
        objective_s = max(task.objective_s for task in dispatch.tasks)
        slack_s = latest - max(BACK_S, BACK_SHARE * objective_s) - now
        place = next((i for i, stage in enumerate(caller.stages) if model in stage), None)
        if place is None or place == len(caller.stages) - 1 or slack_s <= 0:
            return now + slack_s
        known = [self._p99(stage) for stage in caller.stages[place:]]
        most = max((takes for takes in known if takes is not None), default=0.0)
        # One of which nothing is known may take as long as any, or it would never be known.
        takes = [BACK_S + (most if each is None else each) for each in known]
        return now + slack_s * takes[0] / sum(takes)

    def _p99(self, stage: Sequence[str]) -> float | None:
        """What the slowest model of a stage is predicted to take, in seconds; None where nobody knows."""
        queues = [queue for model in stage if (queue := self._find(model, None)) is not None]
        found = [queue.ready[0].table.p99(1.0) for queue in queues if queue.ready]
        known = [seconds for seconds in found if seconds is not None]
        return max(known, default=None) if len(known) == len(stage) else None


def input_of(spec: VersionSpec, call: wire.Call, body: memoryview) -> Tensor:
    """What a call brought, as that version takes it. Raises ValueError, or msgspec.MsgspecError."""
    kind = INPUT_TYPES[spec.input_type]
    dtype, shape = call.dtype, call.shape
    if dtype in ("str", "bytes"):
        if dtype == kind.dtype:
            if dtype == "str":
                str(body, "utf-8")
            return Tensor(body, (len(body),), dtype)
        if dtype == "bytes" or spec.input_type != "json":
            raise ValueError(f"a text of type {dtype}")
        return kind.encode(str(body, "utf-8"))
    if dtype:
        if dtype not in DTYPES:
            raise ValueError("a tensor of no type of numbers")
        tensor = sized_tensor(body, shape, dtype)
        if spec.input_type == "ndarray" or (dtype == kind.dtype and len(shape) == 1):
            return tensor
        value = np.frombuffer(body, dtype).reshape(shape)
        if spec.input_type in _NUMBERS and value.ndim == 1:
            if not np.can_cast(value.dtype, kind.dtype, "same_kind"):
                raise ValueError(f"an array of {value.dtype}")
            with np.errstate(over="ignore"):
                found = value.astype(kind.dtype)
            same = found == value if found.dtype.kind == "i" else np.isfinite(found) == np.isfinite(value)
            if not same.all():
                raise ValueError(f"a number that is no {found.dtype}")
            return Tensor(found.tobytes(), found.shape, kind.dtype)
        if spec.input_type != "json":
            raise ValueError(f"an array of {value.dtype} and the shape {list(shape)}")
        return kind.encode(value.tolist())
    value = msgspec.json.decode(body, type=kind.json)
    fields = fields_of(spec.input_type, spec.columns)
    if fields is not None:
        try:
            return fields.of_rows([value])[0]
        except ValueError as error:
            raise ValueError(f"{error}; it is to be {fields.words()}") from None
    return kind.encode(value)


def _note(dispatch: Dispatch, leg: Leg) -> None:
    """In the trace of the batch that called."""
    if dispatch.calls is None:
        dispatch.calls = []
    if len(dispatch.calls) < KEPT:
        dispatch.calls.append(leg)


def _depth(task: Task) -> int:
    return max((getattr(waiter, "depth", 0) for waiter in task.waiters), default=0)


def _undeclared(caller: VersionSpec, model: str) -> Fault:
    used = ", ".join(caller.uses) or "none"
    return Fault(
        "undeclared",
        f"{caller.model}:{caller.version} calls it, and was deployed with uses={used}. Name it there.",
    )


def _nobody(_outcome: Outcome) -> None:
    """Takes the place of who waited for a call."""
