"""Feedback: what became of an answer, told later; and the tables of what was learned from it.

A query frontend knows by the answer's token what was decided. It makes a reward for each arm that it can
judge, an `Item`, and brings items to management, which alone adds them up. Management makes tables of the
sums: the probability or the weight of each arm, by application and context. Those travel by a long-poll of
their own, with an epoch that grows and is no revision.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

UNIT = 2**32
"""Sums are whole numbers of 1/UNIT, so that the order in which they come cannot matter."""
MAX_CONTEXT = 64  # bytes
MAX_TOKEN = 1024  # letters


class FeedbackSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That an application collects feedback, and how.

    It is taken for `window_s` seconds after the answer. `score` makes a reward of a label and an output: 1
    where they are `equal`, else 0; 1 where they differ by `tolerance` at most (`within`); or 1 less their
    `distance` in parts of the tolerance, and 0 beyond it. With a `default_reward` answers of which nobody
    says anything have that one, at the end of the window. The query log has the part `sample` of the
    decisions, with their `inputs` where these are wanted and small.
    """

    window_s: float = 3600.0
    default_reward: float | None = None
    score: Literal["equal", "within", "distance"] = "equal"
    tolerance: float = 0.0
    sample: float = 1.0
    inputs: bool = False


def sampled(query_id: int, share: float) -> bool:
    """Whether the query log has this decision: the same everywhere, for about that share of all."""
    return share == 1 or query_id * _ODD % 2**64 < share * 2**64


_ODD = 0x9E3779B97F4A7C15  # 2^64 by the golden ratio: what is multiplied by it spreads evenly


class Rewarded(NamedTuple):
    """One arm's part of an item. `arm` is model:version, as it was asked; the reward is from 0 to 1. `dealt`
    is the epoch of the table of shares by which it was a side of a rollout; 0 where it was none.
    """

    arm: str
    propensity: float
    reward: float
    dealt: int = 0


class Item(NamedTuple):
    """Feedback for one query, checked and scored. `epoch`, `at` in seconds since 1970, and `features`
    (`features.pack`) are the decision's.
    """

    query_id: int
    application: str
    context: str
    epoch: int
    at: float
    rewards: list[Rewarded]
    features: bytes = b""


class Decided(NamedTuple):
    """How often an arm was chosen for a context in the second `at`, and the sum of 1/propensity, in 1/UNIT.

    `arm` is model:version, and `dealt` as in Rewarded. `queries` are those of which it was the first arm: a
    vote chooses several for each.
    """

    application: str
    context: str
    arm: str
    at: int
    dealt: int
    times: int
    inverse: int
    queries: int


class Delivery(msgspec.Struct, frozen=True):
    """What a frontend brings. One that comes again is as good as one: items are known by their query,
    `decided` by its `number`, which grows, of the frontend that `began` then.
    """

    began: float
    number: int
    items: list[Item]
    decided: list[Decided] = []


class Receipt(msgspec.Struct, frozen=True):
    """What management has written. `duplicates` and `expired` are positions among the items; what has
    expired, or is of an application that is not there any more (`unknown`), counts nowhere.
    """

    duplicates: list[int] = []
    expired: list[int] = []
    unknown: list[int] = []


class Row(NamedTuple):
    """Each arm's probability, or its weight in a vote, by its name in the policy. Empty: forgotten.

    Where the probability depends on a query's numbers, `draws` has what each of them is worth with an arm:
    DRAWS times the constant and the weights, in single precision. Of such an arm the weight is its part of
    the last rewards.
    """

    application: str
    context: str
    weights: dict[str, float]
    draws: dict[str, bytes] = {}  # noqa: RUF012 - nobody changes it


class Tables(msgspec.Struct, frozen=True):
    """What is new since the epoch that was asked for; with `whole`, all there is."""

    epoch: int
    whole: bool
    rows: list[Row]
