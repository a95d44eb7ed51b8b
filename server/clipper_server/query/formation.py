"""The next batch: to which replica it goes, when, and how large it is."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple, Protocol

from .batching import MAX_BATCH, MAX_BATCH_BYTES, Way
from .crowd import Crowd, worth_holding
from .latencies import Latencies
from .latency import LatencyTable
from .task import Dispatch, Task
from .waiting import Waiting

PREFETCH_S = 1e-3  # a busy replica gets its next batch so long before it is free, and ...
PREFETCH_SHARE = 0.15  # ... this part of its batch's time, for predictions are not exact
TIMER_S = 1e-4  # timers are no better than this: what is due so soon is due now
ENOUGH = 0.75  # of the best size: a batch that is not much smaller serves about as many a second
EQUALLY = 0.3  # replicas whose answers would come within this share of one another, ...
EQUALLY_S = 5e-4  # ... or within this time, are as quick as one another
COMPARED = 64  # replicas at most, for each batch
APART_S = 1e-4  # one more batch costs about as much: so much it has to save, ...
APART = 1.25  # ... and no more of the replicas' time in all: that is others' too
LATE_AT_ONCE = 128


class Puller(Protocol):
    """What the queue needs of a replica."""

    name: str
    concurrency: int
    credits: int
    asking: bool  # for a credit that has not come yet
    in_flight: deque[Dispatch]
    free_at: float
    replied_at: float
    latencies: Latencies
    table: LatencyTable  # of these, the one for its next batch
    way: Way

    def send(self, dispatch: Dispatch) -> None:
        """Spend a credit on one batch."""

    def ask_for_credit(self) -> None:
        """There is work, and no credit for it. Says so once."""


class Plan(NamedTuple):
    """A batch of this cost at most may go now; `why` is what keeps it from being larger. Where other replicas
    have their part of what waits, `part` is this one's.
    """

    limit: float
    why: str
    part: float = math.inf


class Formation:
    """Of what is `waiting`, for replicas that are `ready`. `too_late` answers a task that comes too late."""

    def __init__(
        self, waiting: Waiting, ready: list[Puller], crowd: Crowd, too_late: Callable[[Task], None]
    ) -> None:
        self._waiting = waiting
        self._ready = ready
        self._crowd = crowd
        self._too_late = too_late
        self._held = False
        self._idle = 1  # replicas, as quick as the next one

    def next_replica(self, now: float) -> Puller | None:
        """The one that would answer first what waits; of several as quick, the one that has waited longest.

        Of very many with a credit, those are compared that have waited longest.
        It may be a quick one that is still busy, for which it is better to wait than to ask a slow one.
        """
        able, self._idle = self._ready, 1
        if len(able) != 1 or not able[0].credits:
            able = list(islice((replica for replica in self._ready if replica.credits), COMPARED))
        if len(able) > 1:
            done = [self._done_at(replica, now) for replica in able]
            soon = min(done)
            soon += EQUALLY_S + EQUALLY * (soon - now)
            able = [replica for replica, at in zip(able, done, strict=True) if at <= soon]
            idle = [replica for replica in able if not replica.in_flight]
            able, self._idle = idle or able, len(idle)
        # A query that may have killed a replica has one for itself.
        return next((r for r in able if not r.in_flight or not r.in_flight[-1].alone), None)

    def _done_at(self, replica: Puller, now: float) -> float:
        start = max(now, replica.free_at) if replica.in_flight else now
        return start + (replica.table.mean(max(1.0, self._waiting.cost)) or 0.0)

    def gathers(self) -> bool:
        """Whether the model takes less for all that waits than one more batch costs."""
        if not self._waiting.count or not self._ready:
            return False
        seconds = self._ready[0].table.mean(max(1.0, self._waiting.cost))
        return seconds is not None and seconds < APART_S

    def plan(self, replica: Puller, now: float, delay_s: float) -> Plan | float:
        """What may go to this replica now; or until when it is better to wait for more.

        `delay_s` is how long the most urgent task may wait for others.
        """
        start = now
        until = now
        if replica.in_flight:
            start = max(now, replica.free_at)
            running_s = replica.in_flight[0].predicted_s or 0.0
            until = replica.free_at - PREFETCH_S - PREFETCH_SHARE * running_s
        found = self._limit(replica, start)
        head = self._waiting.head()
        if found is None or head is None:
            return now
        limit, why = found.limit, found.why
        if self._waiting.cost < limit:
            why = "crowd" if self._held else "idle"
            if delay_s:
                last_chance = self._last_chance(replica, self._waiting.cost, head)
                until = max(until, min(head.entered_at + delay_s, last_chance))
                why = "timer" if head.entered_at + delay_s <= last_chance else "deadline"
            hold_s = self._hold_s(replica, limit, start, head)
            if hold_s:
                until = max(until, start + hold_s)
        if until - now > TIMER_S:
            self._held = until > start
            return until
        self._held = False
        return self._shared(replica.table, Plan(limit, why))

    def _shared(self, table: LatencyTable, plan: Plan) -> Plan:
        """Its part of what waits, where other replicas are idle too, and all is computed the sooner for it by
        more than the batches cost that there are more of.

        Of a model that takes long for any batch small ones would keep all replicas busy for little.
        """
        cost, idle = self._waiting.cost, min(self._idle, self._waiting.count)
        batches = math.ceil(cost / plan.limit)
        if batches >= idle:
            return plan
        each = cost / batches
        each_s = table.mean(max(1.0, each))
        most_s = APART * batches * (each_s or 0.0)
        while batches < idle and each_s is not None:
            more = min(2 * batches, idle)
            part_s = table.mean(max(1.0, cost / more))
            if part_s is None or more * part_s > most_s or each_s - part_s <= APART_S * (more - batches):
                break
            batches, each, each_s = more, cost / more, part_s
        return plan._replace(why="shared", part=each) if batches > 1 else plan

    def take(self, limit: float) -> list[Task]:
        """The tasks of a batch of this cost at most: one at least, and the most urgent ones."""
        return self._waiting.take(limit, MAX_BATCH, MAX_BATCH_BYTES)

    def _hold_s(self, replica: Puller, limit: float, start: float, head: Task) -> float:
        """How long after `start` it is worth waiting for those that come back with the answers."""
        crowd, waiting, table = self._crowd, self._waiting, replica.table
        alone_s = table.mean(waiting.cost)
        if alone_s is None or crowd.back_s >= alone_s or replica.concurrency > 1:
            return 0.0
        if replica.in_flight:
            missing, back_in_s = crowd.after(replica.in_flight[0].size)
        else:
            missing, back_in_s = crowd.missing(start)
        if missing < 0.5 or back_in_s <= 0:
            return 0.0
        missing = min(missing * waiting.cost / waiting.count, limit - waiting.cost)
        all_s = table.mean(waiting.cost + missing) or 0.0
        hold_s = min(back_in_s, head.deadline - all_s - table.overhead_s - PREFETCH_S - start)
        if worth_holding(table.mean, waiting.cost, missing, hold_s):
            return hold_s
        return 0.0

    def _last_chance(self, replica: Puller, cost: float, head: Task) -> float:
        """When a batch of this cost has to go, if its most urgent task is to be answered in time."""
        table = replica.table
        return head.deadline - 1.2 * (table.p99(cost) or 0.0) - table.overhead_s - PREFETCH_S

    def _limit(self, replica: Puller, start: float) -> Plan | None:
        """The limit of a batch that begins at `start`, and the reason of one that reaches it.

        None where there are so many that come too late that it is better to look again in a while.

        Under overload the most urgent tasks would have but small batches, in which fewer tasks are answered
        in time. Then those that may still make it in a large batch take that risk, and those that cannot get
        their answer at once.
        """
        table, waiting = replica.table, self._waiting
        limit, why = 1.0, "full"
        late = 0
        while (head := waiting.head()) is not None:
            slack = head.latest - start - table.overhead_s
            limit, why = replica.way.limit(table, slack)
            if limit >= waiting.cost or waiting.count == 1:
                break
            alone_s, limit_s = table.alone_s, table.mean(limit)
            if alone_s is None or limit_s is None:
                break
            if alone_s <= slack:
                steady = min(replica.way.steady(table, head.objective_s), waiting.cost)
                drain_s = waiting.cost / limit * limit_s / (len(self._ready) * replica.concurrency)
                if limit >= ENOUGH * steady:
                    break
                # What may be in time, and not what surely is: the queue is longer than that.
                risky = min(steady, table.largest_on_average(slack))
                if risky >= ENOUGH * steady:
                    return Plan(risky, "overload")
                if drain_s <= head.objective_s:
                    break
            self._too_late(head)
            late += 1
            if late == LATE_AT_ONCE:
                return None
        return Plan(limit, why)
