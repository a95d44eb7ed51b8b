"""Feedback: which applications collect it, what is learned of it, and what query frontends bring and get."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter, Query, Request, Response

from clipper_container.errors import BadRequest

from ... import features
from ...feedback import MAX_CONTEXT, Delivery, FeedbackSpec, Receipt, sampled
from ...querylog import Reward
from ..control import Control, find
from ..feedback import Feedback as Learning
from ..feedback.known import Known
from ..querylog import QueryLog
from . import answers, openapi, points
from .bodies import Body
from .parameters import MAX_ID, WaitS, Who

MAX_CONTEXTS = 1000
"""That are told of: those that were used last."""
MSGPACK = "application/msgpack"
_DELIVERY = msgspec.msgpack.Decoder(Delivery)


class NewFeedback(Body):
    """`feedback` has window_s, default_reward, score, tolerance and sample, each of them optional; null:
    none is collected.
    """

    feedback: dict[str, Any] | None
    message: str = ""


class Feedback:
    def __init__(self, control: Control, learning: Learning, log: QueryLog) -> None:
        self._control = control
        self._learning = learning
        self._log = log

    def router(self) -> APIRouter:
        return openapi.router(
            ("GET", "/applications/{name}/feedback", self.feedback, 200),
            ("PUT", "/applications/{name}/feedback", self.set_feedback, 200),
            ("GET", "/applications/{name}/learned", self.learned, 200),
            ("POST", "/frontends/{frontend}/feedback", self.take_feedback, 200),
            ("GET", "/frontends/{frontend}/tables", self.tables, 200),
        )

    async def feedback(self, name: str) -> answers.Feedback:
        """Whether the application collects feedback, and how."""
        spec = find.application(self._control.state, name).feedback
        return {"feedback": None if spec is None else msgspec.to_builtins(spec)}

    async def set_feedback(self, name: str, new: NewFeedback, x_clipper_who: Who = "") -> answers.Feedback:
        """Let it collect feedback, for the answers that are given from now on."""
        try:
            spec = msgspec.convert(new.feedback, FeedbackSpec | None)
        except msgspec.ValidationError as error:
            raise BadRequest(
                f"{error}. Feedback has window_s, default_reward, score, which is equal, within or distance, "
                "tolerance, sample, and inputs."
            ) from None
        await self._control.feedback.set(name, spec, x_clipper_who, new.message)
        return await self.feedback(name)

    async def learned(self, name: str) -> answers.Learned:
        """What feedback says of the application's arms, by context."""
        find.application(self._control.state, name)
        epoch, plan, known = await self._learning.learned(name, MAX_CONTEXTS)
        names = {} if plan is None else plan.arms
        return {
            "epoch": epoch,
            "contexts": [
                {"context": context, "arms": _arms(names, of)} for context, of in known.contexts.items()
            ],
            # What was decided comes a second later than what was said of it.
            "decided": max(known.counts.joined, known.counts.decided),
            "joined": known.counts.joined,
            "duplicates": known.counts.duplicates,
            "expired": known.counts.expired,
            "forgotten": known.counts.forgotten,
            "regret": None if known.regret is None else _regret(*known.regret),
        }

    async def take_feedback(self, frontend: str, request: Request) -> Response:
        """For query frontends: feedback, which is written when this is answered."""
        try:
            delivery = _DELIVERY.decode(await request.body())
        except msgspec.MsgspecError as error:
            raise BadRequest(f"This is no feedback of a query frontend: {error}.") from None
        _check(delivery)
        receipt = await self._learning.take(frontend, delivery)
        self._keep(delivery, receipt)
        return Response(msgspec.msgpack.encode(receipt), media_type=MSGPACK)

    def _keep(self, delivery: Delivery, receipt: Receipt) -> None:
        """In the query log, beside the decisions that it has: what has been counted."""
        specs = {each.name: each.feedback for each in self._control.state.applications()}
        nowhere = {*receipt.duplicates, *receipt.expired, *receipt.unknown}
        rewards = [
            Reward(item.query_id, item.application, [(r.arm, r.reward) for r in item.rewards])
            for place, item in enumerate(delivery.items)
            if place not in nowhere
            and (spec := specs.get(item.application)) is not None
            and sampled(item.query_id, spec.sample)
        ]
        if rewards:
            self._log.add(rewards)

    async def tables(
        self, frontend: str, after: int = Query(ge=-1, le=MAX_ID), wait_s: WaitS = 0
    ) -> Response:
        """For query frontends: the rows that are new since an epoch, or none after `wait_s` seconds."""
        tables = await self._learning.tables(after, wait_s)
        return Response(msgspec.msgpack.encode(tables), media_type=MSGPACK)


def _regret(lost: float, alike: float) -> points.RegretPoint:
    return {"lost": lost, "alike": alike}


def _arms(names: dict[str, str], of: Known) -> list[answers.LearnedArm]:
    """Those of the policy; without one all of which something is known."""
    row, arms, coefficients = of
    return [
        {
            "arm": name,
            "version": version,
            "times": arms[version].chosen if version in arms else None,
            "rewards": arms[version].times if version in arms else 0,
            "mean": arms[version].mean if version in arms else None,
            "weight": row.get(name),
            "coefficients": coefficients.get(version),
        }
        for name, version in (names or {arm: arm for arm in arms}).items()
    ]


def _check(delivery: Delivery) -> None:
    """Nothing that could not be added up: it would come again and again."""
    for item in delivery.items:
        good = 0 <= item.query_id <= MAX_ID and 0 <= item.at < MAX_ID
        good = good and len(item.context.encode()) <= MAX_CONTEXT and features.are_packed(item.features)
        good = good and all(0 <= r.dealt <= MAX_ID for r in item.rewards)
        if not good or not all(0 <= r.reward <= 1 and 0 < r.propensity <= 1 for r in item.rewards):
            raise BadRequest(f"This is no feedback of a query frontend: {item} has numbers out of range.")
    for decided in delivery.decided:
        good = 0 <= decided.at <= MAX_ID and 0 < decided.times <= MAX_ID and decided.inverse >= 0
        if not (good and 0 <= decided.dealt <= MAX_ID and 0 <= decided.queries <= decided.times):
            raise BadRequest(f"This is no count of a query frontend: {decided} has numbers out of range.")
