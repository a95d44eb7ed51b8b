"""The paths of the last queries, by query id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from clipper_container.wire import Fault

from .policies import Between
from .task import Dispatch

KEPT = 16_384


class Leg(msgspec.Struct, gc=False):
    """The way of one input through one model version."""

    version: str
    cache: str  # hit, joined, miss or off
    entered_at: float
    dispatch: Dispatch | None
    losses: int
    fault: Fault | None
    finished_at: float | None = None  # of a call


class Chosen(msgspec.Struct, gc=False):
    """How a policy chose: with which probability these arms, which ones had no replica, and how sure it is.

    `epoch` is of the table that it learned; 0 without one. `rollouts` are those that chose a version.
    """

    propensity: float
    skipped: tuple[str, ...]
    confidence: float | None
    asked: int
    used: int
    epoch: int = 0
    rollouts: tuple[Between, ...] = ()


class Trace(msgspec.Struct, gc=False):
    """The way of one input, or of `count` consecutive ones that went the same: the first one's id is
    `query_id`. Times are in seconds, on the frontend's clock.

    `legs` is one where there is one, without a container around it, which would be the garbage collector's.
    """

    query_id: int
    application: str
    protocol: str
    policy: str
    received_at: float
    finished_at: float
    deadline: float
    legs: Leg | Sequence[Leg]
    fault: Fault | None
    ending: str  # answered, default, rejected or cancelled
    chosen: Chosen | None = None
    count: int = 1


class Traces:
    """Those of the last ids, each in the places that its ids give it. Query ids grow by `step`."""

    def __init__(self, step: int) -> None:
        self._step = step
        self._kept: list[Trace | None] = [None] * KEPT
        self._last: Trace | None = None

    def keep(self, trace: Trace) -> None:
        self._last = trace
        kept = self._kept
        first = trace.query_id // self._step % KEPT
        if trace.count == 1:
            kept[first] = trace
            return
        count = min(trace.count, KEPT)
        before = KEPT - first
        kept[first : first + count] = [trace] * min(count, before)
        if count > before:
            kept[: count - before] = [trace] * (count - before)

    @property
    def last(self) -> Trace | None:
        last = self._last
        return None if last is None else self.find(last.query_id + (last.count - 1) * self._step)

    def find(self, query_id: int) -> Trace | None:
        """The way of that one input."""
        found = self._kept[query_id // self._step % KEPT]
        if found is None:
            return None
        place, off = divmod(query_id - found.query_id, self._step)
        if off or not 0 <= place < found.count:
            return None
        return found if found.count == 1 else msgspec.structs.replace(found, query_id=query_id, count=1)


def describe(trace: Trace, frontend: str) -> dict[str, Any]:
    """The trace in plain values: milliseconds since the query came in."""

    def ms(at: float | None) -> float | None:
        return None if at is None else round(1000 * (at - trace.received_at), 3)

    return {
        "query_id": trace.query_id,
        "frontend": frontend,
        "application": trace.application,
        "protocol": trace.protocol,
        "policy": trace.policy,
        "chosen": None if trace.chosen is None else _chosen(trace.chosen),
        "answer": trace.ending,
        "reason": trace.fault.reason if trace.fault else None,
        "explanation": trace.fault.message if trace.fault else None,
        "objective_ms": ms(trace.deadline),
        "took_ms": ms(trace.finished_at),
        "models": [_leg(leg, ms) for leg in ([trace.legs] if isinstance(trace.legs, Leg) else trace.legs)],
    }


def _chosen(chosen: Chosen) -> dict[str, Any]:
    rollouts = [between._asdict() for between in chosen.rollouts]
    return {**msgspec.structs.asdict(chosen), "skipped": [*chosen.skipped], "rollouts": rollouts}


def _leg(leg: Leg, ms: Any) -> dict[str, Any]:
    return {
        "version": leg.version,
        "cache": leg.cache,
        "queued_at_ms": ms(leg.entered_at),
        "finished_at_ms": ms(leg.finished_at),
        "fault": leg.fault.reason if leg.fault else None,
        "explanation": leg.fault.message if leg.fault else None,
        "replicas_lost": leg.losses,
        "batch": None if leg.dispatch is None else _batch(leg.dispatch, ms),
        "calls": [_leg(each, ms) for each in (leg.dispatch.calls or ())] if leg.dispatch else [],
    }


def _batch(dispatch: Dispatch, ms: Any) -> dict[str, Any]:
    return {
        "replica": dispatch.replica,
        "size": dispatch.size,
        "at_once": dispatch.at_once,
        "limit": round(dispatch.limit, 1),
        "reason": dispatch.reason,
        "sent_at_ms": ms(dispatch.sent_at),
        "replied_at_ms": ms(dispatch.replied_at),
        "compute_ms": None if dispatch.compute_s is None else round(1000 * dispatch.compute_s, 3),
        "predicted_ms": None if dispatch.predicted_s is None else round(1000 * dispatch.predicted_s, 3),
    }
