"""The queue of one model version: earliest deadline first, pulled by the replicas' free credits.

A batch is formed only when a replica has a credit, and for a busy replica only just before it is free, so
that the backlog stays where it can be reordered. Everything runs on the event loop: no locks, no polling.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence

from clipper_container.size import compile_size
from clipper_container.tensors import decode
from clipper_container.wire import Fault

from ..snapshot import VersionSpec
from . import missing
from .admission import Admission
from .batching import MAX_BATCH, way_of
from .cache import Cache
from .claims import Claims
from .crowd import Crowd
from .examples import Example, learned
from .formation import Formation, Plan, Puller
from .history import History
from .metrics import VersionMetrics
from .retries import Retries
from .task import GONE, Dispatch, Outcome, Task, Waiter, tell
from .waiting import Waiting
from .waking import Waking


class ModelQueue:
    """Tasks that wait for one version of one model, and the replicas that serve it.

    `clock` agrees with the event loop's, and may be finer: uvloop's goes by milliseconds. `wake` is called
    when something waits for a version that has no replicas only until somebody asks for it, and `changed`
    when a replica came or went.
    """

    def __init__(
        self,
        spec: VersionSpec,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        cache: Cache,
        metrics: VersionMetrics,
        wake: Callable[[], None] = lambda: None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.spec = spec
        self.name = f"{spec.model}:{spec.version}"
        self.id = (spec.model, spec.version, id(self))
        self.metrics = metrics
        self.history = History(clock)
        self.ready: list[Puller] = []
        self.example: Example | None = None  # its answer to it, as replicas told
        self._last: Example | None = None  # its last answer, where they did not
        self.starting = 0  # replicas that have said hello and still load their model
        self.waiting = Waiting()
        self.crowd = Crowd()
        self._formation = Formation(self.waiting, self.ready, self.crowd, self._too_late)
        self._claims = Claims()
        self.admission = Admission(self.waiting, self.ready)
        self._size = compile_size(spec.size) if spec.size else None
        self._loop = loop
        self._clock = clock
        self._cache = cache
        self._wake = wake
        self._changed = changed
        self.waking = Waking(spec, loop, changed)
        self._retries = Retries(self.settle)
        self._pump_is_due = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def known(self) -> Example | None:
        """What its outputs are like: its answer to its example, else the last one; None before any."""
        return self._last if self.example is None else self.example

    def configure(self, spec: VersionSpec) -> None:
        """Go on with another number of replicas, or another way of batching."""
        before, self.spec = self.spec, spec
        if spec.batching != before.batching:
            for replica in self.ready:
                replica.way = way_of(spec.batching)
        self.waking.configure(spec)
        self.pump_soon()

    def join(self, replica: Puller, measured: Sequence[tuple[float, float]]) -> None:
        """A replica is ready. `measured` is what its warm-up found."""
        replica.way = way_of(self.spec.batching)
        for cost, seconds in measured:
            replica.latencies.at(1).observe(cost, seconds)
        self.ready.append(replica)
        self.waking.over()
        self._changed()
        self.pump_soon()

    def leave(self, replica: Puller) -> None:
        """It takes no more."""
        self.ready.remove(replica)
        self._changed()

    def fell(self) -> None:
        """A replica that was starting is gone before it was ready."""
        self.starting -= 1
        if not self.starting:
            self.waking.over()

    @property
    def able(self) -> bool:
        """There is a replica that could answer, or one that comes where it is asked for."""
        return bool(self.ready or self.waking)

    def takes_s(self, objective_s: float, now: float) -> float | None:
        """In how long one that comes now would have its outcome, by the 99th percentile of what the model
        takes; None where nobody knows.
        """
        wait_s = self.admission.wait_s(objective_s, now)
        if wait_s is None:
            return None
        table = self.ready[0].table
        return wait_s + table.overhead_s + (table.p99(1.0) or 0.0) - (table.mean(1.0) or 0.0)

    # In

    def put(self, task: Task, now: float) -> None:
        """Let it wait for a replica; or settle it at once, where it would wait in vain."""
        if not self.ready and not self.starting and self.spec.num_replicas == 0:
            if not self.spec.wakes:
                self.settle(task, missing.no_replicas(self))
                return
            if not self.waiting.count:
                self._loop.call_soon(self._wake)
        if self._size is not None:
            tensor = task.tensor
            task.cost = self._size(decode(1, [tensor.dtype], [tensor.shape], tensor.data)[0])
        refusal = self.admission.refusal(task, now) if self.waiting.count else None
        if refusal is not None:
            self.settle(task, Fault("overload", f"{self} {refusal}."))
            return
        self.waiting.push(task)
        self.crowd.came(now)
        self.pump_soon()

    def put_all(self, tasks: Sequence[Task], now: float) -> None:
        """The same for several, which came together."""
        if len(tasks) > 1 and self.ready and self._size is None:
            size = sum([len(task.tensor.data) for task in tasks])
            if self.admission.all_fit(tasks, size, now):
                self.waiting.push_all(tasks, size)
                self.crowd.came(now, len(tasks))
                self.pump_soon()
                return
        for task in tasks:
            self.put(task, now)

    def hurry(self, task: Task, deadline: float) -> None:
        """One more query waits for the task, until `deadline`."""
        task.latest = max(task.latest, deadline)
        if task.queued and deadline < task.deadline:
            self.waiting.hurry(task, deadline)

    # Out

    def pump_soon(self) -> None:
        """Form batches once all that came in this turn of the event loop is in the queue."""
        if not self._pump_is_due:
            self._pump_is_due = True
            self._loop.call_soon(self._gather)

    def _gather(self) -> None:
        """Where it pays, form them a turn later, with those that have come while this one's were read."""
        if self._formation.gathers():
            self._loop.call_soon(self._pump)
        else:
            self._pump()

    def _pump(self) -> None:
        self._pump_is_due = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._clock()
        sent = 0
        while self.waiting.count or self._retries:
            replica = self._formation.next_replica(now)
            if replica is None:
                more_at = self._claims.ask(self.ready, now)
                if more_at is not None:
                    self._timer = self._loop.call_at(more_at, self._pump)
                return
            if self._retries and (self._retries.are_next or not self.waiting.count):
                self._retries.are_next = False
                if self._retry(replica, now):
                    continue
            if not self.waiting.count:
                return
            until = self._form(replica, now)
            if until is not None:
                self._timer = self._loop.call_at(until, self._pump)
                return
            self._retries.are_next = True  # they stay behind healthy traffic, but are not starved by it
            if self.waiting.count and (sent := sent + replica.in_flight[-1].size) >= MAX_BATCH:
                self.pump_soon()  # others have their turn before the next one
                return

    def _form(self, replica: Puller, now: float) -> float | None:
        """Send the most urgent tasks; or return until when it is better to wait for more of them."""
        plan = self._formation.plan(replica, now, self.spec.batching.delay_micros / 1e6)
        if not isinstance(plan, Plan):
            return plan
        self._send(replica, self._formation.take(min(plan.limit, plan.part)), plan.limit, plan.why)
        return None

    def _too_late(self, task: Task) -> None:
        message = f"{self} is overloaded: {self.waiting.words()}, and it is too late for this one."
        self.settle(task, Fault("overload", message))

    def _send(self, replica: Puller, tasks: list[Task], limit: float, reason: str) -> Dispatch:
        cost = sum([task.cost for task in tasks])
        now = self._clock()
        dispatch = Dispatch(tasks, cost, limit, reason, now)
        dispatch.replica = replica.name
        dispatch.was_idle = not replica.in_flight
        self._claims.stop()
        dispatch.predicted_s = replica.table.mean(cost)
        metrics = self.metrics
        entered_at, count = tasks[0].entered_at, 0
        for task in tasks:
            task.dispatch = dispatch
            if task.entered_at != entered_at:
                metrics.queue_delay.observe(now - entered_at, count)
                entered_at, count = task.entered_at, 0
            count += 1
        metrics.queue_delay.observe(now - entered_at, count)
        metrics.dispatches[reason] += 1
        metrics.batch_size.observe(len(tasks))
        metrics.cost += cost
        if len(self.ready) > 1:  # of equally idle replicas the one that has waited longest is next
            self.ready.remove(replica)
            self.ready.append(replica)
        if replica.concurrency == 1:
            start = now if dispatch.was_idle else max(now, replica.free_at)
            replica.free_at = start + (dispatch.predicted_s or 0.0)
        replica.send(dispatch)
        if replica.concurrency > 1:
            self._several(replica)
        return dispatch

    def _several(self, replica: Puller) -> None:
        """It works on several at once: when it has room again, and what its next batch will take."""
        in_flight = replica.in_flight
        replica.free_at = 0.0
        if len(in_flight) >= replica.concurrency:
            replica.free_at = min(dispatch.sent_at + (dispatch.predicted_s or 0.0) for dispatch in in_flight)
        replica.table = replica.latencies.at(len(in_flight) + 1)

    def _retry(self, replica: Puller, now: float) -> bool:
        """Run the first of the retries; whether anything could be done."""
        found = self._retries.take(idle=not replica.in_flight)
        if found is None:
            return False
        tasks, search = found
        cost = sum(task.cost for task in tasks)
        latest = max((task.latest for task in tasks if task.waiters), default=now)
        if now + (replica.table.mean(cost) or 0.0) >= latest:
            for task in tasks:
                self.settle(task, search.fault if search else missing.lost(self))
            if search is not None:
                search.give_up()
            return True
        dispatch = self._send(replica, tasks, cost, "retry")
        dispatch.search = search
        dispatch.alone = search is None
        self.metrics.retries += 1
        return True

    # Back

    def answered(self, replica: Puller, dispatch: Dispatch, outcomes: Sequence[Outcome] | Fault) -> None:
        """A replica's reply. The dispatch's `replied_at` and `compute_s` are set."""
        now = self._clock()
        assert dispatch.compute_s is not None
        table = replica.table
        if replica.concurrency > 1:
            table = replica.latencies.seen(dispatch.at_once)
            self._several(replica)
        else:
            running = replica.in_flight[0] if replica.in_flight else None
            replica.free_at = now + (running.predicted_s or 0.0) if running else now
        objective_s = min([task.objective_s for task in dispatch.tasks])
        self.metrics.ran(dispatch.size, dispatch.compute_s, now)
        self.crowd.answered(now, dispatch.size)
        self.history.add(dispatch)
        self.admission.changed(now)
        if isinstance(outcomes, Fault):
            self._retries.failed(dispatch, outcomes)
        else:
            table.observe(dispatch.cost, dispatch.compute_s)
            # A prefetched batch began when the one before it was answered. All are observed: an overhead that
            # only idle replicas correct would stay as it was in the worst moment.
            began_at = dispatch.sent_at
            if replica.concurrency == 1:
                began_at = max(began_at, replica.replied_at)
            table.observe_overhead(max(0.0, now - began_at - dispatch.compute_s))
            replica.way.observe(table, dispatch.cost, dispatch.compute_s, objective_s)
            if self.example is None:
                self._last = learned(outcomes[0], self._last)
            if dispatch.size == 1:
                self.settle(dispatch.tasks[0], outcomes[0])
            else:
                self.settle_all(dispatch.tasks, outcomes)
            self._retries.passed(dispatch)
        replica.replied_at = now
        dispatch.tasks = ()  # it lives on in traces, and they need not
        self.pump_soon()

    def lost(self, dispatches: Sequence[Dispatch]) -> None:
        """A replica died with these batches. The first was being computed, the others had not begun; or all
        were, where it works on several at once.

        Each task gets one more try while its deadline allows; those of the first alone, for one of them
        may have killed the replica. Of several at once nobody knows which, and they have no time to go one
        after the other.
        """
        several = self.spec.concurrency > 1
        for i, dispatch in enumerate(dispatches):
            for task in dispatch.tasks:
                if task.outcome is not None:
                    continue
                task.losses += several or i == 0
                if task.losses > 1 or not task.waiters:
                    self.settle(task, missing.lost(self))
                elif task.losses and not several:
                    self._retries.alone(task)
                else:
                    self.waiting.push(task)
            dispatch.tasks = ()
            self._retries.passed(dispatch)
        self.pump_soon()

    def settle(self, task: Task, outcome: Outcome) -> None:
        """The task has its outcome, from wherever it comes. The first one counts; a late one still fills the
        cache.
        """
        if task.outcome is not None:
            return
        metrics, waiters = self.metrics, task.waiters
        if isinstance(outcome, Fault):
            metrics.faults[outcome.reason] += 1
        else:
            metrics.answered += 1
            metrics.latency.observe(self._clock() - task.entered_at)
        self._end(task, outcome)
        tell(waiters, 1, self)

    def settle_all(self, tasks: Sequence[Task], outcomes: Sequence[Outcome]) -> None:
        """The same for several. Those who wait for some of them are told once."""
        metrics, now = self.metrics, self._clock()
        entered_at, answered = tasks[0].entered_at, 0  # of those just before that came at that time, ...
        waiters, count = tasks[0].waiters, 0  # ... or that these wait for
        told: list[tuple[Collection[Waiter], int]] = []
        for task, outcome in zip(tasks, outcomes, strict=True):
            if task.outcome is not None:
                continue
            if isinstance(outcome, Fault):
                metrics.faults[outcome.reason] += 1
            else:
                if task.entered_at != entered_at:
                    metrics.took(now - entered_at, answered)
                    entered_at, answered = task.entered_at, 0
                answered += 1
            if task.waiters is not waiters:
                told.append((waiters, count))
                waiters, count = task.waiters, 0
            count += 1
            self._end(task, outcome)
        metrics.took(now - entered_at, answered)
        for each, times in told:
            tell(each, times, self)
        tell(waiters, count, self)

    def _end(self, task: Task, outcome: Outcome) -> None:
        if task.queued:
            self.waiting.remove(task)
        if task.key is not None:
            self._cache.settle(task, outcome)
        task.outcome, task.tensor, task.waiters = outcome, GONE, ()

    def abandon(self, task: Task) -> None:
        """Nobody waits for it any more, and its turn has not come."""
        self.waiting.remove(task)
        task.tensor = GONE  # the task itself may stand there for a while
        self.metrics.not_begun += 1
        if task.key is not None:
            self._cache.settle(task, None)

    def close(self, why: str) -> None:
        """The version is no longer served: answer all that wait."""
        fault = Fault("no_replicas", why)
        for task in self.waiting.clear():
            self.settle(task, fault)
        self._retries.close(fault)
        self.waking.over()
        self._cache.drop(self.id)

    # In numbers

    def asked(self) -> int:
        """How many inputs have come so far."""
        metrics = self.metrics
        done = metrics.answered + metrics.faults.total() + metrics.not_begun
        return done + self.waiting.count + sum(d.size for r in self.ready for d in r.in_flight)

    def capacity(self, objective_s: float) -> float | None:
        """What one replica can answer, in inputs a second; None where that was not measured yet."""
        found = []
        for replica in self.ready:
            table = replica.latencies.at(replica.concurrency)
            steady = max(1.0, replica.way.steady(table, objective_s))
            if (seconds := table.mean(steady)) is not None:
                found.append(replica.concurrency * steady / seconds)
        sent = self.metrics.batch_size.sum
        each = self.metrics.cost / sent if sent else 1.0
        return sum(found) / len(found) / each if found else None

    def __str__(self) -> str:
        return self.name
